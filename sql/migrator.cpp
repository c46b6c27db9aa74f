#include "sql/migrator.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>

#include "sql/sha256.hpp"

namespace ddt::sql {
namespace {

// 24 h: an ALTER of a large table is slow, and cutting it off only starts it again.
constexpr std::chrono::hours kDdlWithin{24};
constexpr std::int64_t kLockWithin_s = 30;  // another migrator may be busy; the caller comes back

constexpr std::string_view kCreateRecords =
    "CREATE TABLE IF NOT EXISTS dd_schema_migrations ("
    "version INT UNSIGNED NOT NULL PRIMARY KEY, "
    "name VARCHAR(100) NOT NULL, "
    "checksum CHAR(64) NOT NULL, "
    "step INT UNSIGNED NOT NULL, "
    "applied_at DATETIME(6) NULL, "
    "min_binary VARCHAR(20) NOT NULL"
    ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

struct Recorded {
  std::string checksum;
  bool is_applied = false;
};

// Held until the connection ends or the guard goes; MySQL releases it by itself when we are killed.
class Lock {
 public:
  explicit Lock(Connection& connection)
      : connection_(connection),
        name_("ddt:migrate:" + sha256_hex(connection.options().database).substr(0, 32)) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (is_held_)
      static_cast<void>(connection_.query("SELECT RELEASE_LOCK(?)", std::array{Value{name_}}));
  }
  Status take() {
    const std::array<Value, 2> params{Value{name_}, Value{kLockWithin_s}};
    auto rows = connection_.query("SELECT GET_LOCK(?, ?)", params);
    if (!rows) return rows.error();
    is_held_ = !rows->at(0).is_null(0) && rows->at(0).integer(0) == 1;
    if (!is_held_)
      return Error{.message = "mysql: migrate: another migrator is at work", .is_retryable = true};
    return Done{};
  }

 private:
  Connection& connection_;
  std::string name_;
  bool is_held_ = false;
};

Result<bool> holds(Connection& connection, const Condition& condition) {
  constexpr const char* kTable =
      "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
  constexpr const char* kIndex =
      "SELECT 1 FROM information_schema.STATISTICS "
      "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND INDEX_NAME = ? LIMIT 1";
  constexpr const char* kColumn =
      "SELECT COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, EXTRA FROM information_schema.COLUMNS "
      "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ?";
  const std::array<Value, 2> names{Value{condition.table}, Value{condition.part}};
  const bool is_table = condition.kind == ConditionKind::table_exists;
  const bool is_index = condition.kind == ConditionKind::index_exists;
  auto rows = connection.query(is_table   ? kTable
                               : is_index ? kIndex
                                          : kColumn,
                               std::span(names).first(is_table ? 1 : 2));
  if (!rows) return rows.error();
  if (rows->empty()) return false;
  const Row& row = rows->front();
  switch (condition.kind) {
    case ConditionKind::table_exists:
    case ConditionKind::index_exists:
    case ConditionKind::column_exists:
      return true;
    case ConditionKind::column_updates_itself: {
      std::string extra(row.text(3));
      std::transform(extra.begin(), extra.end(), extra.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      });
      return extra.find("on update") != std::string::npos;
    }
    case ConditionKind::column_is:
      break;
  }
  std::string actual = plain_type(row.text(0));
  if (!row.is_null(1)) actual.append(" ").append(row.text(1));
  actual.append(row.text(2) == "YES" ? " null" : " not null");
  return actual == condition.expected;
}

Result<bool> is_done(Connection& connection, const Step& step) {
  for (const Condition& condition : step.done_when) {
    auto held = holds(connection, condition);
    if (!held || !*held) return held;
  }
  return true;
}

Status run_step(Connection& connection, const Migration& migration, const Step& step) {
  const std::string what = "migrate " + migration.name + ", step '" + step.what + "': ";
  const auto named = [&](Error error) {
    error.message.insert(error.message.starts_with("mysql: ") ? 7 : 0, what);
    return error;
  };
  auto done = is_done(connection, step);
  if (!done) return named(done.error());
  if (*done) return Done{};
  const Status ran = connection.run(step.statement);
  if (!ran && !connection.is_open()) return named(ran.error());
  // GET_LOCK is local to a node of a cluster: another node's migrator may have been faster.
  done = is_done(connection, step);
  if (!done) return named(done.error());
  if (*done) return Done{};
  if (!ran) return named(ran.error());
  return named({.message = "mysql: its statement ran, but its condition does not hold"});
}

Result<std::map<std::uint32_t, Recorded>> read_records(Connection& connection) {
  auto rows = connection.query(
      "SELECT version, checksum, applied_at IS NOT NULL FROM dd_schema_migrations");
  if (!rows) return rows.error();
  std::map<std::uint32_t, Recorded> records;
  for (const Row& row : *rows)
    records[static_cast<std::uint32_t>(row.integer(0))] = {.checksum = std::string(row.text(1)),
                                                           .is_applied = row.integer(2) != 0};
  return records;
}

// Nothing is touched when anything is wrong; all of it is said at once.
Status check_records(Connection& connection, std::span<const Migration> migrations,
                     std::string_view binary) {
  auto rows = connection.query(
      "SELECT version, name, checksum, applied_at IS NOT NULL, min_binary "
      "FROM dd_schema_migrations ORDER BY version");
  if (!rows) return rows.error();
  std::string problems;
  for (const Row& row : *rows) {
    const std::string name(row.text(1));
    const auto known = std::find_if(migrations.begin(), migrations.end(), [&](const Migration& m) {
      return m.version == row.integer(0);
    });
    if (is_newer_version(row.text(4), binary)) {
      problems.append("; the schema (").append(name).append(") needs version ").append(row.text(4));
      problems.append(" or newer, this is ").append(binary);
    }
    const bool is_applied = row.integer(3) != 0;
    if (is_applied && known != migrations.end() && known->checksum != row.text(2))
      problems.append("; ").append(name).append(
          " was applied with another text (its checksum differs)");
  }
  if (problems.empty()) return Done{};
  return Error{.message =
                   "mysql: migrate " + connection.options().database + ": " + problems.substr(2)};
}

Status record(Connection& connection, const Migration& migration, std::size_t steps) {
  const bool is_last = steps == migration.steps.size();
  const std::string sql =
      "INSERT INTO dd_schema_migrations (version, name, checksum, step, min_binary, applied_at) "
      "VALUES (?,?,?,?,?," +
      std::string(is_last ? "UTC_TIMESTAMP(6)" : "NULL") +
      ") ON DUPLICATE KEY UPDATE name = VALUES(name), checksum = VALUES(checksum), step = "
      "VALUES(step), "
      "min_binary = VALUES(min_binary), applied_at = VALUES(applied_at)";
  const std::array<Value, 5> params{Value{std::uint64_t{migration.version}}, Value{migration.name},
                                    Value{migration.checksum}, Value{std::uint64_t{steps}},
                                    Value{migration.min_binary}};
  auto written = connection.execute(sql, params);
  if (!written) return written.error();
  return Done{};
}

// Rows from before may hold what later rules forbid (zero dates of old defaults); they are kept as they are.
Status configure(Connection& connection) {
  return connection.run(
      "SET sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', lock_wait_timeout=60, "
      "innodb_lock_wait_timeout=60");
}

}  // namespace

Status apply_migrations(Connection& connection, std::span<const Migration> migrations,
                        std::string_view binary, std::size_t steps_max) {
  ConnectOptions patient = connection.options();
  patient.io_timeout = kDdlWithin;
  auto opened = Connection::connect(patient);
  if (!opened) return opened.error();
  Connection& own = *opened;
  if (Status done = configure(own); !done) return done;
  Lock lock(own);
  if (Status taken = lock.take(); !taken) return taken;
  if (Status made = own.run(std::string(kCreateRecords)); !made) return made;
  if (Status fine = check_records(own, migrations, binary); !fine) return fine;
  auto records = read_records(own);
  if (!records) return records.error();

  std::size_t steps_run = 0;
  for (const Migration& migration : migrations) {
    if ((*records)[migration.version].is_applied) continue;
    for (std::size_t i = 0; i < migration.steps.size(); ++i) {
      if (steps_run++ == steps_max)
        return Error{.message = "mysql: migrate: stopped after the steps allowed",
                     .is_retryable = true};
      if (Status noted = record(own, migration, i); !noted) return noted;
      if (Status ran = run_step(own, migration, migration.steps[i]); !ran) return ran;
    }
    if (Status noted = record(own, migration, migration.steps.size()); !noted) return noted;
  }
  return Done{};
}

Result<std::vector<Migration>> parse_migrations(std::span<const MigrationText> texts) {
  std::vector<Migration> migrations;
  for (const MigrationText& text : texts) {
    auto migration = parse_migration(text.name, text.text);
    if (!migration) return migration.error();
    if (!migrations.empty() && migration->version <= migrations.back().version)
      return Error{.message = "migration " + std::string(text.name) + ": its number is taken"};
    migrations.push_back(*std::move(migration));
  }
  return migrations;
}

Status migrate(Connection& connection) {
  const auto migrations = parse_migrations(embedded_migrations());
  if (!migrations) return migrations.error();
  return apply_migrations(connection, *migrations, binary_version());
}

Result<std::uint32_t> schema_version(Connection& connection) {
  const Condition there{ConditionKind::table_exists, "dd_schema_migrations", "", ""};
  auto exists = holds(connection, there);
  if (!exists) return exists.error();
  if (!*exists) return std::uint32_t{0};
  auto rows = connection.query(
      "SELECT COALESCE(MAX(version), 0) FROM dd_schema_migrations WHERE applied_at IS NOT NULL");
  if (!rows) return rows.error();
  return static_cast<std::uint32_t>(rows->at(0).integer(0));
}

std::uint32_t newest_schema_version() {
  const auto migrations = parse_migrations(embedded_migrations());
  return migrations && !migrations->empty() ? migrations->back().version : 0;
}

}  // namespace ddt::sql
