// The client against a real server: values there and back, large results, errors, lost connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>

#include "sql/client.hpp"
#include "tests/support/private_mysql.hpp"

namespace ddt::sql {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class SqlClient : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new test::PrivateMysql; }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }

  static Connection connect() { return connect(server_->options()); }
  static Connection connect(const ConnectOptions& options) {
    auto connection = Connection::connect(options);
    if (!connection) throw std::runtime_error(connection.error().message);
    return std::move(connection).value();
  }
  static std::string one(Connection& connection, const std::string& sql,
                         std::span<const Value> params = {}) {
    auto rows = connection.query(sql, params);
    if (!rows) return "error: " + rows.error().message;
    if (rows->size() != 1) return std::to_string(rows->size()) + " rows";
    return rows->at(0).is_null(0) ? "NULL" : std::string(rows->at(0).text(0));
  }
  static void must(const Status& status) { ASSERT_TRUE(status) << status.error().message; }
  static void run(Connection& connection, const std::string& sql) { must(connection.run(sql)); }

  static test::PrivateMysql* server_;
};
test::PrivateMysql* SqlClient::server_ = nullptr;

TEST_F(SqlClient, SpeaksUtcUtf8ReadCommittedAndStrict) {
  Connection connection = connect();
  EXPECT_EQ(one(connection, "SELECT @@time_zone"), "+00:00");
  EXPECT_EQ(one(connection, "SELECT @@character_set_client"), "utf8mb4");
  EXPECT_EQ(one(connection, "SELECT @@collation_connection"), "utf8mb4_bin");
  EXPECT_EQ(one(connection, "SELECT @@tx_isolation"), "READ-COMMITTED");
  EXPECT_THAT(one(connection, "SELECT @@sql_mode"), HasSubstr("STRICT_ALL_TABLES"));
  EXPECT_EQ(one(connection, "SELECT CONNECTION_ID()"), std::to_string(connection.connection_id()));
}

TEST_F(SqlClient, ConnectsOverTheUnixSocketAndByName) {
  ConnectOptions options = server_->options();
  options.unix_socket = server_->socket_path();
  options.port = 1;
  Connection by_socket = connect(options);
  EXPECT_EQ(one(by_socket, "SELECT DATABASE()"), "deltadyno");
}

TEST_F(SqlClient, BringsEveryTypeBackExactly) {
  Connection connection = connect();
  run(connection,
      "CREATE TEMPORARY TABLE every (small TINYINT, big BIGINT, whole BIGINT UNSIGNED, price "
      "DECIMAL(30,8), "
      "at DATETIME(6), moment TIMESTAMP NULL, word VARCHAR(50) CHARACTER SET utf8mb4, id "
      "BINARY(16), bytes MEDIUMBLOB, "
      "note JSON, missing INT NULL) CHARACTER SET utf8mb4");
  const std::string id("\x00\x01\xff\xfe'\\\"\n\x80\x81\x00z\x7f\xc3\x28\x00", 16);
  const std::array<Value, 11> params{Value{std::int64_t{-128}},
                                     Value{std::numeric_limits<std::int64_t>::min()},
                                     Value{std::numeric_limits<std::uint64_t>::max()},
                                     Value{std::string("-1234567890123456789012.00000001")},
                                     Value{std::string("2026-11-22 23:59:59.999999")},
                                     Value{std::string("2026-11-22 23:59:59")},
                                     Value{std::string("Zürich 📈")},
                                     Value{id},
                                     Value{std::string(300'000, '\xff')},
                                     Value{std::string(R"({"a":"ä"})")},
                                     Value{Null{}}};
  auto inserted = connection.execute(multi_row("INSERT INTO every VALUES ", 11, 1), params);
  ASSERT_TRUE(inserted) << inserted.error().message;
  EXPECT_EQ(*inserted, 1u);

  auto rows = connection.query("SELECT * FROM every WHERE id = ?", std::array{Value{id}});
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), 1u);
  const Row& row = rows->front();
  ASSERT_EQ(row.size(), 11u);
  EXPECT_EQ(row.integer(0), -128);
  EXPECT_EQ(row.integer(1), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(row.unsigned_integer(2), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(row.text(3), "-1234567890123456789012.00000001");
  EXPECT_EQ(row.text(4), "2026-11-22 23:59:59.999999");
  EXPECT_EQ(row.text(5), "2026-11-22 23:59:59");
  EXPECT_EQ(row.text(6), "Zürich 📈");
  EXPECT_EQ(row.text(7), id);
  EXPECT_EQ(row.text(8), std::string(300'000, '\xff'));
  EXPECT_EQ(row.text(9), R"({"a":"ä"})");
  EXPECT_TRUE(row.is_null(10));
  EXPECT_EQ(row.optional_integer(10), std::nullopt);
  EXPECT_EQ(row.optional_text(6), "Zürich 📈");
}

TEST_F(SqlClient, TellsAnEmptyTextFromNull) {
  Connection connection = connect();
  const std::array<Value, 2> params{Value{std::string()}, Value{Null{}}};
  auto rows = connection.query("SELECT ?, ?", params);
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_FALSE(rows->at(0).is_null(0));
  EXPECT_EQ(rows->at(0).text(0), "");
  EXPECT_TRUE(rows->at(0).is_null(1));
}

TEST_F(SqlClient, FetchesValuesAroundTheFirstBufferSizeWhole) {
  Connection connection = connect();
  for (const std::int64_t length : {511, 512, 513, 65'536, 1'000'000}) {
    auto rows = connection.query("SELECT REPEAT('x', ?), 7", std::array{Value{length}});
    ASSERT_TRUE(rows) << rows.error().message;
    EXPECT_EQ(rows->at(0).text(0), std::string(static_cast<std::size_t>(length), 'x'));
    EXPECT_EQ(rows->at(0).integer(1), 7);
  }
}

TEST_F(SqlClient, FetchesAHundredThousandRows) {
  Connection connection = connect();
  auto rows = connection.query("SELECT seq, REPEAT('y', seq % 1000) FROM seq_1_to_100000");
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), 100'000u);
  for (std::size_t i = 0; i < rows->size(); ++i) {
    ASSERT_EQ(rows->at(i).unsigned_integer(0), i + 1);
    ASSERT_EQ(rows->at(i).text(1).size(), (i + 1) % 1000);
  }
}

TEST_F(SqlClient, TakesTensOfThousandsOfParameters) {
  Connection connection = connect();
  run(connection,
      "CREATE TEMPORARY TABLE many (a BIGINT PRIMARY KEY, b VARCHAR(20), c DECIMAL(20,8))");
  constexpr std::size_t kRows = 20'000;
  std::vector<Value> params;
  for (std::size_t i = 0; i < kRows; ++i) {
    params.emplace_back(static_cast<std::int64_t>(i));
    params.emplace_back("row " + std::to_string(i));
    params.emplace_back(std::to_string(i) + ".5");
  }
  const std::string sql =
      multi_row("INSERT INTO many VALUES ", 3, kRows, " ON DUPLICATE KEY UPDATE b = VALUES(b)");
  auto inserted = connection.execute(sql, params);
  ASSERT_TRUE(inserted) << inserted.error().message;
  EXPECT_EQ(*inserted, kRows);
  EXPECT_EQ(one(connection, "SELECT SUM(c) FROM many"), "200000000.00000000");
  auto again = connection.execute(sql, params);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, 0u);  // nothing changed

  auto too_many = connection.execute("SELECT 1", std::vector<Value>(kParametersMax + 1));
  ASSERT_FALSE(too_many);
  EXPECT_FALSE(too_many.error().is_retryable);
  EXPECT_TRUE(connection.is_open());
}

TEST_F(SqlClient, RefusesWhatExceedsThePacketLimitAndLivesOn) {
  Connection connection = connect();
  auto refused =
      connection.query("SELECT LENGTH(?)", std::array{Value{std::string(17 << 20, 'x')}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, 1153);
  EXPECT_FALSE(refused.error().is_retryable);
  EXPECT_TRUE(connection.is_open());
  EXPECT_EQ(one(connection, "SELECT LENGTH(?)", std::array{Value{std::string(15 << 20, 'x')}}),
            "15728640");
}

TEST_F(SqlClient, KeepsPreparedStatementsWithinItsLimit) {
  Connection connection = connect();
  const auto prepared = [&] {
    return std::stoull(one(connection,
                           "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
                           "WHERE VARIABLE_NAME = 'PREPARED_STMT_COUNT'"));
  };
  const auto before = prepared();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(
        one(connection, "SELECT " + std::to_string(i) + " + ?", std::array{Value{std::int64_t{1}}}),
        std::to_string(i + 1));
  }
  EXPECT_LE(prepared(), before + kStatementsCachedMax);
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(one(connection, "SELECT ?", std::array{Value{std::int64_t{i}}}), std::to_string(i));
}

TEST_F(SqlClient, PreparesAnewWhenATableGetsNewColumns) {
  Connection connection = connect();
  Connection other = connect();
  run(connection, "CREATE TABLE changing (a INT)");
  run(connection, "INSERT INTO changing VALUES (1)");
  ASSERT_EQ(one(connection, "SELECT * FROM changing"), "1");
  run(other, "ALTER TABLE changing ADD COLUMN b VARCHAR(2000) FIRST");
  run(other, "UPDATE changing SET b = REPEAT('z', 1500)");
  auto rows = connection.query("SELECT * FROM changing");
  if (!rows) {  // One failure is allowed, and says that a retry helps.
    EXPECT_TRUE(rows.error().is_retryable) << rows.error().message;
    rows = connection.query("SELECT * FROM changing");
  }
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->at(0).size(), 2u);
  EXPECT_EQ(rows->at(0).text(0).size(), 1500u);
  EXPECT_EQ(rows->at(0).integer(1), 1);
  run(connection, "DROP TABLE changing");
}

TEST_F(SqlClient, SaysWhatFailedAndStaysUsable) {
  Connection connection = connect();
  auto wrong = connection.query("SELECT *\n   FROM   nowhere");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, StartsWith("mysql: SELECT * FROM nowhere: "));
  EXPECT_THAT(wrong.error().message, HasSubstr("(1146)"));
  EXPECT_EQ(wrong.error().code, 1146);
  EXPECT_FALSE(wrong.error().is_retryable);

  auto too_few = connection.query("SELECT ?, ?", std::array{Value{std::int64_t{1}}});
  ASSERT_FALSE(too_few);
  EXPECT_THAT(too_few.error().message, HasSubstr("1 values for 2 parameters"));

  run(connection, "CREATE TEMPORARY TABLE narrow (a TINYINT)");
  auto out_of_range =
      connection.execute("INSERT INTO narrow VALUES (?)", std::array{Value{std::int64_t{1000}}});
  ASSERT_FALSE(out_of_range);
  EXPECT_EQ(out_of_range.error().code, 1264);
  auto fits =
      connection.execute("INSERT INTO narrow VALUES (?)", std::array{Value{std::int64_t{100}}});
  EXPECT_TRUE(fits);
  EXPECT_TRUE(connection.is_open());
}

TEST_F(SqlClient, DropsTheRowsOfAStatementThatIsNotAskedForThem) {
  Connection connection = connect();
  run(connection, "SELECT * FROM seq_1_to_10000");
  auto executed = connection.execute("SELECT * FROM seq_1_to_10000");
  EXPECT_TRUE(executed);
  auto nothing = connection.query("SET @x = 1");
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(nothing->empty());
  EXPECT_EQ(one(connection, "SELECT @x"), "1");
}

TEST_F(SqlClient, CommitsAndRollsBack) {
  Connection connection = connect();
  Connection reader = connect();
  run(connection, "CREATE TABLE money (a INT PRIMARY KEY)");
  must(connection.begin());
  run(connection, "INSERT INTO money VALUES (1)");
  EXPECT_EQ(one(reader, "SELECT COUNT(*) FROM money"), "0");
  must(connection.rollback());
  must(connection.begin());
  run(connection, "INSERT INTO money VALUES (2)");
  must(connection.commit());
  EXPECT_EQ(one(reader, "SELECT a FROM money"), "2");
  run(connection, "DROP TABLE money");
}

TEST_F(SqlClient, SeesOneMomentInASnapshotAndEachStatementsMomentOutside) {
  Connection reader = connect(), writer = connect();
  run(writer, "CREATE OR REPLACE TABLE moment (n INT)");
  run(writer, "INSERT INTO moment VALUES (1)");
  must(reader.begin_snapshot());
  run(writer, "UPDATE moment SET n = 2");  // before the snapshot's first read
  EXPECT_EQ(one(reader, "SELECT n FROM moment"), "1");
  run(writer, "UPDATE moment SET n = 3");
  EXPECT_EQ(one(reader, "SELECT n FROM moment"), "1");
  EXPECT_FALSE(reader.run("UPDATE moment SET n = 4")) << "it only reads";
  must(reader.commit());
  EXPECT_EQ(one(reader, "SELECT n FROM moment"), "3");
  must(reader.begin());
  run(writer, "UPDATE moment SET n = 5");
  EXPECT_EQ(one(reader, "SELECT n FROM moment"), "5");
  run(writer, "UPDATE moment SET n = 6");
  EXPECT_EQ(one(reader, "SELECT n FROM moment"), "6") << "the session is as it was";
  must(reader.commit());
}

TEST_F(SqlClient, CallsADeadlockAndALockWaitRetryable) {
  ConnectOptions options = server_->options();
  options.io_timeout = std::chrono::milliseconds(2000);  // lock waits end after one second
  Connection first = connect(options);
  Connection second = connect(options);
  run(first, "CREATE TABLE locked (a INT PRIMARY KEY, b INT)");
  run(first, "INSERT INTO locked VALUES (1, 0), (2, 0)");
  must(first.begin());
  must(second.begin());
  run(first, "UPDATE locked SET b = 1 WHERE a = 1");
  auto waited = second.execute("UPDATE locked SET b = 1 WHERE a = 1");
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, 1205);
  EXPECT_TRUE(waited.error().is_retryable);
  EXPECT_TRUE(second.is_open());

  run(second, "UPDATE locked SET b = 1 WHERE a = 2");
  Result<std::uint64_t> crossed = std::uint64_t{0};
  std::thread other([&] { crossed = first.execute("UPDATE locked SET b = 2 WHERE a = 2"); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  auto circle = second.execute("UPDATE locked SET b = 2 WHERE a = 1");
  other.join();
  ASSERT_NE(static_cast<bool>(crossed), static_cast<bool>(circle));
  const Error& error = crossed ? circle.error() : crossed.error();
  EXPECT_EQ(error.code, 1213);
  EXPECT_TRUE(error.is_retryable);
  must(first.rollback());
  must(second.rollback());
  run(first, "DROP TABLE locked");
}

TEST_F(SqlClient, IsDeadAfterItsConnectionWasKilled) {
  Connection connection = connect();
  Connection other = connect();
  ASSERT_EQ(one(connection, "SELECT ?", std::array{Value{std::int64_t{1}}}), "1");
  run(other, "KILL " + std::to_string(connection.connection_id()));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  auto lost = connection.query("SELECT ?", std::array{Value{std::int64_t{1}}});
  ASSERT_FALSE(lost);
  EXPECT_TRUE(lost.error().is_retryable) << lost.error().message;
  EXPECT_FALSE(connection.is_open());
  const Status begun = connection.begin();
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, 2006);
  EXPECT_TRUE(begun.error().is_retryable);
  connection = connect();
  EXPECT_EQ(one(connection, "SELECT ?", std::array{Value{std::int64_t{2}}}), "2");
}

TEST_F(SqlClient, GivesUpOnAServerThatDoesNotAnswer) {
  ConnectOptions options = server_->options();
  options.io_timeout = std::chrono::milliseconds(1000);
  options.connect_timeout = std::chrono::milliseconds(1000);
  Connection connection = connect(options);
  server_->pause();
  const auto before = std::chrono::steady_clock::now();
  const auto lost = connection.query("SELECT 1");
  const auto refused = Connection::connect(options);
  const auto took = std::chrono::steady_clock::now() - before;
  server_->resume();
  ASSERT_FALSE(lost);
  EXPECT_TRUE(lost.error().is_retryable) << lost.error().message;
  EXPECT_FALSE(connection.is_open());
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_retryable) << refused.error().message;
  EXPECT_LT(took, std::chrono::seconds(10));
}

TEST_F(SqlClient, SurvivesServersThatStopAndDie) {
  Connection stopped = connect();
  server_->stop();
  const auto lost = stopped.query("SELECT 1");
  ASSERT_FALSE(lost);
  EXPECT_TRUE(lost.error().is_retryable) << lost.error().message;
  EXPECT_FALSE(stopped.is_open());
  const auto refused = Connection::connect(server_->options());
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_retryable) << refused.error().message;
  EXPECT_THAT(refused.error().message, StartsWith("mysql: connect to 127.0.0.1:"));

  server_->start();
  Connection killed = connect();
  must(killed.run("CREATE TABLE lasting (a INT)"));
  must(killed.run("INSERT INTO lasting VALUES (3)"));
  server_->kill();
  EXPECT_FALSE(killed.commit());
  server_->start();
  Connection again = connect();
  EXPECT_EQ(one(again, "SELECT a FROM lasting"), "3");
  run(again, "DROP TABLE lasting");
}

TEST_F(SqlClient, DoesNotRetryAWrongPasswordOrDatabase) {
  ConnectOptions options = server_->options();
  options.password = "wrong, and not to be shown";
  const auto denied = Connection::connect(options);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, 1045);
  EXPECT_FALSE(denied.error().is_retryable);
  EXPECT_THAT(denied.error().message, Not(HasSubstr("not to be shown")));
  const auto unknown = Connection::connect(server_->options("nowhere"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, 1049);
  EXPECT_FALSE(unknown.error().is_retryable);
}

TEST_F(SqlClient, CreatesAMissingDatabaseOnce) {
  const ConnectOptions options = server_->options("odd `name");
  must(create_database_if_missing(options));
  must(create_database_if_missing(options));
  Connection connection = connect(options);
  EXPECT_EQ(one(connection, "SELECT @@collation_database"), "utf8mb4_bin");
  run(connection, "DROP DATABASE `odd ``name`");
}

TEST_F(SqlClient, WorksFromManyThreads) {
  std::vector<std::thread> threads;
  std::array<int, 8> sums{};
  for (std::size_t t = 0; t < sums.size(); ++t) {
    threads.emplace_back([t, &sums] {
      Connection connection = connect();
      for (int i = 0; i < 50; ++i)
        if (one(connection, "SELECT ? * 2", std::array{Value{std::int64_t{i}}}) ==
            std::to_string(2 * i))
          ++sums[t];
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int sum : sums) EXPECT_EQ(sum, 50);
}

TEST_F(SqlClient, MovesBetweenOwnersAndThreads) {
  Connection first = connect();
  Connection second = std::move(first);
  std::thread([connection = std::move(second)]() mutable {
    EXPECT_EQ(one(connection, "SELECT 5"), "5");
  }).join();
}

}  // namespace
}  // namespace ddt::sql
