// Migrations on an empty database, on the design's tables and on the Python service's, filled, beside other
// tables; resumed after every step; twice, two at once, killed, and by the wrong binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "sql/client.hpp"
#include "sql/migrator.hpp"
#include "tests/support/private_mysql.hpp"

namespace ddt::sql {
namespace {

using ::testing::HasSubstr;

enum class Start { empty, design, python };

std::string name_of(const ::testing::TestParamInfo<Start>& info) {
  return info.param == Start::empty ? "Empty" : info.param == Start::design ? "Design" : "Python";
}

// As the design and the Python service wrote them: no engine, no charset, whatever the server has.
constexpr const char* kMetrics =
    "CREATE TABLE IF NOT EXISTS dd_telemetry_metrics (id BIGINT AUTO_INCREMENT PRIMARY KEY, "
    "profile_id INT NOT NULL, "
    "metric_type VARCHAR(50) NOT NULL, metric_name VARCHAR(100) NOT NULL, metric_value "
    "DECIMAL(15,4) NOT NULL, "
    "window_type VARCHAR(20) NOT NULL, window_start TIMESTAMP NOT NULL, window_end TIMESTAMP NOT "
    "NULL, metadata JSON, "
    "created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, INDEX idx_profile_metric (profile_id, "
    "metric_type, metric_name), "
    "INDEX idx_window (window_start, window_end))";
constexpr const char* kDesignTrades =
    "CREATE TABLE IF NOT EXISTS dd_trade_performance (id BIGINT AUTO_INCREMENT PRIMARY KEY, "
    "profile_id INT NOT NULL, "
    "symbol VARCHAR(10) NOT NULL, trade_type VARCHAR(20) NOT NULL, entry_price DECIMAL(10,4), "
    "exit_price DECIMAL(10,4), "
    "quantity INT, pnl DECIMAL(10,2), slippage DECIMAL(10,4), entry_time TIMESTAMP, exit_time "
    "TIMESTAMP, "
    "duration_seconds INT, metadata JSON, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, "
    "INDEX idx_profile_trade (profile_id, entry_time), INDEX idx_symbol (symbol, entry_time))";
constexpr const char* kPythonTrades =
    "CREATE TABLE IF NOT EXISTS dd_trade_performance (id BIGINT AUTO_INCREMENT PRIMARY KEY, "
    "profile_id INT NOT NULL, "
    "symbol VARCHAR(10) NOT NULL, trade_type VARCHAR(20) NOT NULL, entry_price DECIMAL(10,4), "
    "exit_price DECIMAL(10,4), "
    "quantity INT, pnl DECIMAL(10,2), pnl_pct DECIMAL(6,2), slippage DECIMAL(10,4), entry_time "
    "TIMESTAMP, "
    "exit_time TIMESTAMP, duration_seconds INT, bar_strength DECIMAL(5,3), direction VARCHAR(20), "
    "exit_reason VARCHAR(50), metadata JSON, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, "
    "INDEX idx_profile_trade (profile_id, entry_time), INDEX idx_symbol (symbol, entry_time))";
constexpr const char* kHealth =
    "CREATE TABLE IF NOT EXISTS dd_system_health (id BIGINT AUTO_INCREMENT PRIMARY KEY, profile_id "
    "INT NOT NULL, "
    "script_name VARCHAR(50) NOT NULL, metric_name VARCHAR(100) NOT NULL, metric_value "
    "DECIMAL(15,4), "
    "status VARCHAR(20), timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP, metadata JSON, "
    "INDEX idx_profile_script (profile_id, script_name, timestamp))";

// Rows with the largest and smallest values, NULLs, exact repeats and texts beyond ASCII.
std::vector<std::string> fill(Start start) {
  std::vector<std::string> statements{
      "INSERT INTO dd_telemetry_metrics (profile_id, metric_type, metric_name, metric_value, "
      "window_type, window_start, "
      "window_end, metadata, created_at) VALUES "
      "(1,'trade','win_rate',66.6667,'hour','2013-10-04 14:00:00','2013-10-04 15:00:00','{\"n\": "
      "3}','2013-10-04 15:00:01'),"
      "(1,'trade','win_rate',66.6667,'hour','2013-10-04 14:00:00','2013-10-04 15:00:00','{\"n\": "
      "3}','2013-10-04 15:00:01'),"
      "(1,'Trade','WIN_RATE',99999999999.9999,'hour','2038-01-19 03:14:07','1970-01-01 "
      "00:00:01',NULL,NULL),"
      "(2147483647,'equity','Zürich ½',-99999999999.9999,'month','2013-03-31 01:30:00','2013-10-27 "
      "01:30:00',NULL,DEFAULT)",
      "INSERT INTO dd_system_health (profile_id, script_name, metric_name, metric_value, status, "
      "timestamp, metadata) VALUES "
      "(1,'order_monitor','health',NULL,'healthy','2013-10-04 14:00:00',NULL),"
      "(1,'order_monitor','health',NULL,'healthy','2013-10-04 14:00:00',NULL),"
      "(1,'order_monitor','cpu',-99999999999.9999,NULL,'2013-10-27 00:59:59','{\"ä\": [1, 2]}'),"
      "(-1,'','',0.0001,'ÄÖÜ',NULL,'[]')"};
  std::string trades =
      "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, entry_price, exit_price, "
      "quantity, pnl, slippage, "
      "entry_time, exit_time, duration_seconds, metadata, created_at) VALUES "
      "(1,'SPY','breakout',168.0001,168.9999,10,10.00,0.0100,'2013-10-04 14:31:00','2013-10-04 "
      "14:45:59',899,'{\"a\": 1}',"
      "'2013-10-04 14:46:00'),"
      "(1,'SPY','breakout',168.0001,168.9999,10,10.00,0.0100,'2013-10-04 14:31:00','2013-10-04 "
      "14:45:59',899,'{\"a\": 1}',"
      "'2013-10-04 14:46:00'),"
      "(1,'SPY','breakout',168.0001,168.9999,10,10.00,0.0100,'2013-10-04 14:31:00','2013-10-04 "
      "14:45:59',899,'{\"a\": 1}',"
      "'2013-10-04 14:46:00'),"
      "(2,'spy','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),"
      "(3,'MAXIMUM012','Straße',999999.9999,-999999.9999,2147483647,99999999.99,-999999.9999,'1970-"
      "01-01 00:00:01',"
      "'2038-01-19 03:14:07',2147483647,NULL,'2013-10-27 00:30:00'),"
      "(3,'MINIMUM012','x',0.0001,-0.0001,-2147483648,-99999999.99,0.0001,'2013-03-31 "
      "01:30:00','2013-10-27 01:30:00',"
      "-2147483648,'[]','2013-10-27 01:30:00')";
  statements.push_back(trades);
  if (start == Start::python) {
    statements.emplace_back(
        "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, pnl_pct, bar_strength, "
        "direction, exit_reason, "
        "exit_time) VALUES (4,'IBM','breakout',9999.99,99.999,'downward','eod','2013-10-04 "
        "19:59:59'),"
        "(4,'IBM','breakout',-9999.99,-99.999,'Ünknown','take_profit','2013-10-04 19:59:59'),"
        "(4,'IBM','breakout',NULL,NULL,NULL,NULL,NULL)");
  }
  return statements;
}

class MigrationsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (server_ == nullptr)
      server_ = std::make_unique<test::PrivateMysql>(
          std::vector<std::string>{"--innodb-flush-method=nosync", "--sync-frm=0"});
  }
  // The tables from before have the server's own charset, latin1.
  void SetUp() override { make_database("migrations"); }

  static Connection connect(const std::string& database = "migrations") {
    auto connection = Connection::connect(server_->options(database));
    if (!connection) throw std::runtime_error(connection.error().message);
    return std::move(connection).value();
  }
  static void make_database(const std::string& name) {
    Connection connection = connect("");
    run(connection, "DROP DATABASE IF EXISTS " + name);
    run(connection, "CREATE DATABASE " + name + " CHARACTER SET latin1");
  }
  static void run(Connection& connection, const std::string& sql) {
    const Status done = connection.run(sql);
    if (!done) throw std::runtime_error(done.error().message);
  }
  static Rows query(Connection& connection, const std::string& sql) {
    auto rows = connection.query(sql);
    if (!rows) throw std::runtime_error(rows.error().message);
    return std::move(rows).value();
  }
  static std::string one(Connection& connection, const std::string& sql) {
    const Rows rows = query(connection, sql);
    return rows.size() == 1 ? std::string(rows[0].optional_text(0).value_or("NULL"))
                            : std::to_string(rows.size()) + " rows";
  }
  static std::vector<Migration> all() {
    auto migrations = parse_migrations(embedded_migrations());
    if (!migrations) throw std::runtime_error(migrations.error().message);
    return std::move(migrations).value();
  }
  static std::size_t step_count() {
    std::size_t steps = 0;
    for (const Migration& migration : all()) steps += migration.steps.size();
    return steps;
  }

  // What was there before us: the start's tables, and tables of others that are joined by profile_id.
  static void prepare(Start start, const std::string& session = "SET time_zone = '+00:00'") {
    Connection connection = connect();
    run(connection, session);
    run(connection, "CREATE TABLE dd_clients (profile_id INT PRIMARY KEY, name VARCHAR(50))");
    run(connection,
        "INSERT INTO dd_clients VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four')");
    if (start == Start::empty) return;
    run(connection, kMetrics);
    run(connection, start == Start::design ? kDesignTrades : kPythonTrades);
    run(connection, kHealth);
    for (const std::string& statement : fill(start)) run(connection, statement);
  }

  using Table = std::vector<std::vector<std::string>>;
  // Every value of the tables as text, with the columns given (all those of the moment when empty).
  static std::vector<std::string> columns_of(Connection& connection, const std::string& table) {
    std::vector<std::string> columns;
    for (const Row& row :
         query(connection,
               "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "
               "DATABASE() AND TABLE_NAME = '" +
                   table + "' ORDER BY ORDINAL_POSITION"))
      columns.emplace_back(row.text(0));
    return columns;
  }
  static Table content(Connection& connection, const std::string& table,
                       const std::vector<std::string>& columns) {
    std::string list;
    for (const std::string& column : columns) list += (list.empty() ? "`" : ", `") + column + "`";
    Table values;
    for (const Row& row : query(connection, "SELECT " + list + " FROM " + table + " ORDER BY 1")) {
      std::vector<std::string>& line = values.emplace_back();
      for (std::size_t i = 0; i < row.size(); ++i) {
        std::string value(row.optional_text(i).value_or("NULL"));
        // The same number or time with more digits is the same value: 10.00 and 10.00000000.
        const bool is_number_or_time =
            value.find_first_not_of("0123456789.-: ") == std::string::npos;
        if (is_number_or_time && value.find('.') != std::string::npos) {
          value.erase(value.find_last_not_of('0') + 1);
          if (value.ends_with('.')) value.pop_back();
        }
        line.push_back(value);
      }
    }
    return values;
  }
  struct Snapshot {
    std::map<std::string, std::vector<std::string>> columns;
    std::map<std::string, Table> tables;
  };
  static Snapshot snapshot() {
    Connection connection = connect();
    Snapshot before;
    for (const Row& row : query(
             connection,
             "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")) {
      const std::string table(row.text(0));
      before.columns[table] = columns_of(connection, table);
      before.tables[table] = content(connection, table, before.columns[table]);
    }
    return before;
  }
  static void expect_unchanged(const Snapshot& before) {
    Connection connection = connect();
    for (const auto& [table, columns] : before.columns)
      EXPECT_EQ(content(connection, table, columns), before.tables.at(table)) << table;
  }

  // The whole schema in one text, without what depends on where it started (column order, charsets' spelling).
  static std::string schema() {
    Connection connection = connect();
    std::string text;
    for (const Row& row : query(
             connection,
             "SELECT CONCAT_WS(' ', TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IF(DATA_TYPE = "
             "'longtext', '', "
             "COLLATION_NAME), IS_NULLABLE, COLUMN_DEFAULT, EXTRA) FROM information_schema.COLUMNS "
             "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'dd\\_%' ORDER BY TABLE_NAME, "
             "COLUMN_NAME"))
      text.append(row.text(0)).append("\n");
    for (const Row& row :
         query(connection,
               "SELECT CONCAT_WS(' ', TABLE_NAME, INDEX_NAME, NON_UNIQUE, GROUP_CONCAT(COLUMN_NAME "
               "ORDER BY "
               "SEQ_IN_INDEX)) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() "
               "GROUP BY TABLE_NAME, INDEX_NAME, NON_UNIQUE ORDER BY TABLE_NAME, INDEX_NAME"))
      text.append(row.text(0)).append("\n");
    return text;
  }
  static std::string schema_from_nothing() {
    static const std::string text = [] {
      make_database("migrations");
      prepare(Start::empty);
      Connection connection = connect();
      const Status done = migrate(connection);
      if (!done) throw std::runtime_error(done.error().message);
      return schema();
    }();
    return text;
  }
  static std::string records() {
    Connection connection = connect();
    std::string text;
    for (const Row& row : query(connection,
                                "SELECT version, name, checksum, step, applied_at, min_binary FROM "
                                "dd_schema_migrations ORDER BY version"))
      for (std::size_t i = 0; i < row.size(); ++i)
        text.append(row.optional_text(i).value_or("NULL")).append(" ");
    return text;
  }

  // Kills are of processes, never of the machine: no fsync is needed, and thousands of DDLs are quick.
  static std::unique_ptr<test::PrivateMysql> server_;
};
std::unique_ptr<test::PrivateMysql> MigrationsTest::server_;

class Migrations : public MigrationsTest, public ::testing::WithParamInterface<Start> {};
INSTANTIATE_TEST_SUITE_P(From, Migrations,
                         ::testing::Values(Start::empty, Start::design, Start::python), name_of);

TEST_P(Migrations, KeepEveryRowAndReachTheSameSchema) {
  const std::string wanted = schema_from_nothing();
  make_database("migrations");
  prepare(GetParam());
  const Snapshot before = snapshot();
  Connection connection = connect();
  const Status done = migrate(connection);
  ASSERT_TRUE(done) << done.error().message;
  expect_unchanged(before);
  EXPECT_EQ(schema(), wanted);
  const auto version = schema_version(connection);
  ASSERT_TRUE(version);
  EXPECT_EQ(*version, newest_schema_version());
}

TEST_P(Migrations, RunTwiceChangeNothing) {
  prepare(GetParam());
  Connection connection = connect();
  ASSERT_TRUE(migrate(connection));
  const Snapshot before = snapshot();
  const std::string recorded = records();
  const std::string wanted = schema();
  ASSERT_TRUE(migrate(connection));
  expect_unchanged(before);
  EXPECT_EQ(schema(), wanted);
  EXPECT_EQ(records(), recorded);
}

TEST_P(Migrations, GoOnAfterEndingBeforeAnyStep) {
  const std::string wanted = schema_from_nothing();
  const std::vector<Migration> migrations = all();
  // Every step from the fullest start; from the others, which run the same statements, every fifth.
  const std::size_t stride = GetParam() == Start::python ? 1 : 5;
  for (std::size_t steps = 0; steps <= step_count(); steps += stride) {
    make_database("migrations");
    prepare(GetParam());
    const Snapshot before = snapshot();
    Connection connection = connect();
    const Status stopped = apply_migrations(connection, migrations, binary_version(), steps);
    ASSERT_EQ(static_cast<bool>(stopped), steps == step_count()) << steps;
    if (!stopped) {
      ASSERT_TRUE(stopped.error().is_retryable) << stopped.error().message;
    }
    expect_unchanged(before);
    const Status done = migrate(connection);
    ASSERT_TRUE(done) << "after " << steps << " steps: " << done.error().message;
    expect_unchanged(before);
    ASSERT_EQ(schema(), wanted) << "after " << steps << " steps";
  }
}

// The statement ran, but its record was not written: the harder half of "between two steps".
TEST_P(Migrations, GoOnWhenTheRecordsAreBehindTheTables) {
  const std::string wanted = schema_from_nothing();
  make_database("migrations");
  prepare(GetParam());
  const Snapshot before = snapshot();
  Connection connection = connect();
  for (const Migration& migration : all()) {
    ASSERT_TRUE(migrate(connection));
    run(connection,
        "DELETE FROM dd_schema_migrations WHERE version > " + std::to_string(migration.version));
    run(connection,
        "UPDATE dd_schema_migrations SET applied_at = NULL, step = 0, checksum = 'of an unfinished "
        "file'");
  }
  run(connection, "DROP TABLE dd_schema_migrations");
  ASSERT_TRUE(migrate(connection));
  expect_unchanged(before);
  EXPECT_EQ(schema(), wanted);
}

TEST_P(Migrations, SurviveBeingKilledAnywhere) {
  const std::string wanted = schema_from_nothing();
  make_database("migrations");
  prepare(GetParam());
  const Snapshot before = snapshot();
  for (int delay_ms = 2; delay_ms < 200; delay_ms += 7) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto connection = Connection::connect(server_->options("migrations"));
      _exit(connection && migrate(*connection) ? 0 : 1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    ::kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
  }
  Connection connection = connect();
  const Status done = migrate(connection);
  ASSERT_TRUE(done) << done.error().message;
  expect_unchanged(before);
  EXPECT_EQ(schema(), wanted);
}

TEST_P(Migrations, WorkWhenTheServerDiesInTheMiddle) {
  const std::string wanted = schema_from_nothing();
  make_database("migrations");
  prepare(GetParam());
  const Snapshot before = snapshot();
  for (const int delay_ms : {15, 60}) {
    std::thread killer([delay_ms] {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
      server_->kill();
    });
    Connection connection = connect();
    const Status cut = migrate(connection);
    killer.join();
    if (!cut) {
      EXPECT_TRUE(cut.error().is_retryable) << cut.error().message;
    }
    server_->start();
  }
  Connection connection = connect();
  const Status done = migrate(connection);
  ASSERT_TRUE(done) << done.error().message;
  expect_unchanged(before);
  EXPECT_EQ(schema(), wanted);
}

TEST_P(Migrations, RunByManyAtOnceAreAppliedOnce) {
  const std::string wanted = schema_from_nothing();
  make_database("migrations");
  prepare(GetParam());
  const Snapshot before = snapshot();
  std::vector<std::thread> threads;
  std::array<std::string, 4> problems;
  for (std::string& problem : problems) {
    threads.emplace_back([&problem] {
      Connection connection = connect();
      const Status done = migrate(connection);
      if (!done) problem = done.error().message;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& problem : problems) EXPECT_EQ(problem, "");
  expect_unchanged(before);
  EXPECT_EQ(schema(), wanted);
}

// Servers with explicit_defaults_for_timestamp off gave the first TIMESTAMP an ON UPDATE and the others a
// zero date; both were rows of real tables.
TEST_P(Migrations, KeepTheTimesOfTablesWithImplicitTimestamps) {
  const std::string wanted = schema_from_nothing();
  make_database("migrations");
  {
    Connection connection = connect("");
    run(connection, "SET GLOBAL explicit_defaults_for_timestamp = OFF");
  }
  prepare(GetParam(), "SET explicit_defaults_for_timestamp = OFF, sql_mode = ''");
  {
    Connection connection = connect("");
    run(connection, "SET GLOBAL explicit_defaults_for_timestamp = ON");
  }
  Connection connection = connect();
  if (GetParam() != Start::empty) {
    ASSERT_EQ(
        one(connection,
            "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND "
            "EXTRA LIKE 'on update%'"),
        "2");
    run(connection, "SET sql_mode = ''");
    run(connection,
        "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, entry_time) VALUES "
        "(7, 'AIG', 'manual', '2013-10-04 15:00:00')");
    ASSERT_EQ(one(connection, "SELECT exit_time FROM dd_trade_performance WHERE profile_id = 7"),
              "0000-00-00 00:00:00");
  }
  const Snapshot before = snapshot();
  const Status done = migrate(connection);
  ASSERT_TRUE(done) << done.error().message;
  expect_unchanged(before);
  EXPECT_EQ(
      one(connection,
          "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND "
          "TABLE_NAME = 'dd_trade_performance' AND EXTRA LIKE 'on update%'"),
      "0");
}

TEST_F(MigrationsTest, TimesKeepTheirInstantWhateverTheServersZone) {
  prepare(Start::empty);
  Connection python = connect();
  run(python, "SET time_zone = '-05:00'");
  run(python, kDesignTrades);
  run(python,
      "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, exit_time) VALUES "
      "(1, 'SPY', 'breakout', '2013-10-04 09:31:00')");
  Connection connection = connect();
  run(connection, "SET GLOBAL time_zone = '-05:00'");
  const Status done = migrate(connection);
  run(connection, "SET GLOBAL time_zone = 'SYSTEM'");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(one(connection, "SELECT exit_time FROM dd_trade_performance"),
            "2013-10-04 14:31:00.000000");
}

TEST_F(MigrationsTest, OldClientsCanStillInsert) {
  prepare(Start::python);
  Connection connection = connect();
  ASSERT_TRUE(migrate(connection));
  const Rows before = query(connection, "SELECT COUNT(*) FROM dd_trade_performance");
  for (const std::string& statement : fill(Start::python)) {
    const Status done = connection.run(statement);
    EXPECT_TRUE(done) << done.error().message;
  }
  EXPECT_EQ(one(connection, "SELECT COUNT(*) FROM dd_trade_performance"),
            std::to_string(2 * before[0].integer(0)));
}

TEST_F(MigrationsTest, JoinsOfOtherTablesStillWork) {
  prepare(Start::python);
  Connection connection = connect();
  const std::string join =
      "SELECT GROUP_CONCAT(c.name, t.id ORDER BY t.id) FROM dd_clients c JOIN dd_trade_performance "
      "t "
      "ON t.profile_id = c.profile_id";
  const std::string before = one(connection, join);
  ASSERT_TRUE(migrate(connection));
  EXPECT_EQ(one(connection, join), before);
}

TEST_F(MigrationsTest, TheNewSchemaHoldsWhatTheOldOneCouldNot) {
  Connection connection = connect();
  ASSERT_TRUE(migrate(connection));
  run(connection,
      "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, quantity, entry_price, "
      "pnl, exit_time, "
      "trade_id, segment_id, lane, position) VALUES (1, 'SPY241218C00604000', 'breakout', 0.5, "
      "0.00001234, "
      "123456789012.12345678, '2026-11-22 23:59:59.7', 'T1', REPEAT('\\0', 16), 0, 7)");
  const Rows rows = query(
      connection, "SELECT symbol, quantity, entry_price, pnl, exit_time FROM dd_trade_performance");
  EXPECT_EQ(rows.at(0).text(0), "SPY241218C00604000");
  EXPECT_EQ(rows.at(0).text(1), "0.50000000");
  EXPECT_EQ(rows.at(0).text(2), "0.00001234");
  EXPECT_EQ(rows.at(0).text(3), "123456789012.12345678");
  EXPECT_EQ(rows.at(0).text(4), "2026-11-22 23:59:59.700000");
  // The same Record, and the same trade id, are refused; an id in other letters is another trade.
  EXPECT_EQ(connection
                .run("INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, "
                     "segment_id, lane, position) "
                     "VALUES (1, 'SPY', 'x', REPEAT('\\0', 16), 0, 7)")
                .error()
                .code,
            1062);
  EXPECT_EQ(
      connection
          .run("INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, trade_id) VALUES "
               "(1, 'SPY', 'x', 'T1')")
          .error()
          .code,
      1062);
  EXPECT_TRUE(connection.run(
      "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, trade_id) VALUES "
      "(1, 'SPY', 'x', 't1'), (2, 'SPY', 'x', 'T1')"));
}

TEST_F(MigrationsTest, TheUsualQueriesNeedNoSorting) {
  Connection connection = connect();
  ASSERT_TRUE(migrate(connection));
  std::string values;
  for (int i = 0; i < 20'000; ++i) {  // a Window has many figures
    const std::string hour = "'2013-10-04 00:00:00' + INTERVAL " + std::to_string(i / 50) + " HOUR";
    const std::string name = i % 10 == 0 ? "win_rate" : "figure_" + std::to_string(i % 10);
    values += std::string(i == 0 ? "" : ",") + "(" + std::to_string(i / 10 % 5) + ", 'trade', '" +
              name + "', 1, 'hour', " + hour + ", " + hour + ", '')";
  }
  run(connection,
      "INSERT INTO dd_telemetry_metrics (profile_id, metric_type, metric_name, metric_value, "
      "window_type, "
      "window_start, window_end, labels) VALUES " +
          values);
  run(connection, "ANALYZE TABLE dd_telemetry_metrics");
  const Rows plan =
      query(connection,
            "EXPLAIN SELECT metric_value FROM dd_telemetry_metrics WHERE profile_id = 3 AND "
            "metric_type = 'trade' AND metric_name = 'win_rate' AND window_type = 'hour' AND "
            "window_start >= '2013-10-10' AND window_start < '2013-10-20' ORDER BY window_start");
  EXPECT_EQ(plan.at(0).text(5), "uq_metric_window");
  EXPECT_THAT(std::string(plan.at(0).optional_text(9).value_or("")), Not(HasSubstr("filesort")));
}

TEST_F(MigrationsTest, AChangedMigrationThatWasAppliedIsRefused) {
  Connection connection = connect();
  ASSERT_TRUE(migrate(connection));
  const std::string before = records();
  std::vector<Migration> changed = all();
  changed[1].checksum = std::string(64, '0');
  changed[3].checksum = std::string(64, '1');
  const Status refused = apply_migrations(connection, changed, binary_version());
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().is_retryable);
  EXPECT_THAT(refused.error().message, HasSubstr("0002_trades was applied with another text"));
  EXPECT_THAT(refused.error().message,
              HasSubstr("0004_system_health was applied with another text"));
  EXPECT_EQ(records(), before);
}

TEST_F(MigrationsTest, ASchemaThatNeedsANewerBinaryIsRefused) {
  Connection connection = connect();
  ASSERT_TRUE(migrate(connection));
  run(connection,
      "INSERT INTO dd_schema_migrations VALUES (9001, '9001_compatible', REPEAT('a', 64), 1, "
      "NOW(6), '0.1.0')");
  EXPECT_TRUE(migrate(connection));  // newer, but it says that we can work with it
  EXPECT_EQ(*schema_version(connection), 9001u);
  // Not even finished, and already too new.
  run(connection,
      "INSERT INTO dd_schema_migrations VALUES (9002, '9002_future', REPEAT('a', 64), 1, NULL, "
      "'99.0.0')");
  const Status refused = migrate(connection);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().is_retryable);
  EXPECT_THAT(refused.error().message, HasSubstr("9002_future"));
  EXPECT_THAT(refused.error().message, HasSubstr("99.0.0"));
}

TEST_F(MigrationsTest, AStepWhoseConditionDoesNotHoldAfterwardsIsRefused) {
  Connection connection = connect();
  const MigrationText wrong[] = {
      {"0001_wrong",
       "-- binary: 0.1.0\n-- step: makes b, says a\n-- unless: table a exists\n"
       "CREATE TABLE b (c INT);\n"}};
  const auto migrations = parse_migrations(wrong);
  ASSERT_TRUE(migrations);
  const Status refused = apply_migrations(connection, *migrations, binary_version());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("0001_wrong, step 'makes b, says a'"));
  EXPECT_EQ(*schema_version(connection), 0u);
}

TEST_F(MigrationsTest, AnEmptyDatabaseHasVersionZero) {
  Connection connection = connect();
  const auto version = schema_version(connection);
  ASSERT_TRUE(version) << version.error().message;
  EXPECT_EQ(*version, 0u);
}

}  // namespace
}  // namespace ddt::sql
