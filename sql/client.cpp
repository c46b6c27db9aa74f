#include "sql/client.hpp"

#include <mysql.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "shm/base/check.hpp"
#include "sql/errors.hpp"

namespace ddt::sql {
namespace {

// my_bool in MariaDB Connector/C, bool in MySQL 8.
using Flag = std::remove_pointer_t<decltype(MYSQL_BIND::is_null)>;

constexpr std::size_t kColumnBytesFirst =
    512;                                  // per column; longer values are fetched a second time
constexpr std::size_t kNumberBytes = 96;  // holds any number or time as text
constexpr std::size_t kPacketBytesSpare = 16384;  // headers and types around the values of a packet
constexpr unsigned kErrorPacketTooLarge = 1153;
constexpr unsigned kErrorUnknownDatabase = 1049;
constexpr unsigned kErrorTooManyParameters = 1390;

// The library wants to be told of every thread that uses it.
void register_thread() {
  static std::once_flag once;
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
  struct Registration {
    Registration() { mysql_thread_init(); }
    ~Registration() { mysql_thread_end(); }
  };
  thread_local const Registration registration;
  static_cast<void>(registration);
}

Error make_error(std::string_view what, std::string_view message, unsigned number) {
  Error error;
  error.message.append("mysql: ").append(what).append(": ").append(message);
  error.message.append(" (").append(std::to_string(number)).append(")");
  error.is_retryable = is_retryable_error(number);
  error.code = static_cast<int>(number);
  return error;
}

// The beginning of a statement on one line, as the <what> of its errors.
std::string in_short(std::string_view sql) {
  constexpr std::size_t kShown = 60;
  std::string text;
  for (const char c : sql) {
    const bool is_space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (is_space && (text.empty() || text.back() == ' ')) continue;
    text.push_back(is_space ? ' ' : c);
    if (text.size() == kShown) return text + "…";
  }
  return text;
}

// Text is sent as text, so that JSON columns take it; what is not UTF-8 is sent as bytes.
bool is_utf8(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned first = byte(i);
    if (first < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((byte(i + k) & 0xC0u) != 0x80) return false;
    const unsigned second = byte(i + 1);
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
        (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) {
      return false;
    }
    i += length;
  }
  return true;
}

unsigned whole_seconds(std::chrono::milliseconds time) {
  return static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(time).count());
}

struct CloseStatement {
  void operator()(MYSQL_STMT* statement) const noexcept { mysql_stmt_close(statement); }
};
struct FreeResult {
  void operator()(MYSQL_RES* result) const noexcept { mysql_free_result(result); }
};
using Statement = std::unique_ptr<MYSQL_STMT, CloseStatement>;
using Metadata = std::unique_ptr<MYSQL_RES, FreeResult>;

bool is_text_or_bytes(const MYSQL_FIELD& field) noexcept {
  switch (field.type) {
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_JSON:
    case MYSQL_TYPE_ENUM:
    case MYSQL_TYPE_SET:
    case MYSQL_TYPE_BIT:
    case MYSQL_TYPE_GEOMETRY:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::vector<std::string> problems_in(const ConnectOptions& options) {
  std::vector<std::string> problems;
  if (options.unix_socket.empty()) {
    if (options.host.empty()) problems.emplace_back("mysql: neither host nor unix_socket is set");
    if (options.port == 0) problems.emplace_back("mysql: port must be 1 to 65535");
  } else if (options.unix_socket.size() > 107) {
    problems.emplace_back("mysql: unix_socket is longer than 107 bytes");
  }
  if (options.user.empty()) problems.emplace_back("mysql: user is not set");
  if (options.database.empty()) problems.emplace_back("mysql: database is not set");
  if (options.database.size() > 64)
    problems.emplace_back("mysql: database is longer than 64 bytes");
  constexpr std::chrono::milliseconds kTimeoutMax = std::chrono::hours(24);
  if (options.connect_timeout.count() <= 0 || options.connect_timeout > kTimeoutMax)
    problems.emplace_back("mysql: connect_timeout must be above 0 and at most a day");
  if (options.io_timeout.count() <= 0 || options.io_timeout > kTimeoutMax)
    problems.emplace_back("mysql: io_timeout must be above 0 and at most a day");
  return problems;
}

struct Connection::Impl {
  struct Cached {
    std::string sql;
    Statement statement;
  };

  ConnectOptions options;
  MYSQL* mysql = nullptr;
  bool is_open = false;
  std::uint64_t connection_id = 0;
  std::size_t packet_bytes_max = 0;
  std::list<Cached> cached;  // most recently used first
  std::unordered_map<std::string_view, std::list<Cached>::iterator> by_sql;
  std::vector<MYSQL_BIND> binds;  // kept between calls: 30,000 of them are 3 MB
  std::vector<unsigned long> lengths;

  ~Impl() {
    register_thread();
    by_sql.clear();
    cached.clear();
    if (mysql != nullptr) mysql_close(mysql);
  }

  Error fail(std::string_view what, std::string_view message, unsigned number) {
    if (is_connection_error(number)) is_open = false;
    return make_error(what, message, number);
  }
  Error fail(std::string_view what) { return fail(what, mysql_error(mysql), mysql_errno(mysql)); }

  // A statement that failed is prepared anew next time: whatever state it is in goes with it.
  Error fail(MYSQL_STMT* statement, const std::string& sql) {
    const Error error =
        fail(in_short(sql), mysql_stmt_error(statement), mysql_stmt_errno(statement));
    forget(sql);
    return error;
  }

  void forget(const std::string& sql) {
    const auto found = by_sql.find(sql);
    if (found == by_sql.end()) return;
    const auto entry = found->second;
    by_sql.erase(found);
    cached.erase(entry);
  }

  std::optional<Error> refuse(const std::string& sql, std::span<const Value> params) {
    register_thread();
    if (!is_open) return make_error(in_short(sql), "the connection is closed", 2006);
    std::size_t bytes = sql.size();
    if (params.size() > kParametersMax)
      return make_error(in_short(sql), "more than 65535 parameters", kErrorTooManyParameters);
    for (const Value& value : params) {
      const auto* text = std::get_if<std::string>(&value);
      bytes += text != nullptr ? text->size() + 9 : 8;
    }
    // The server would hang up, and the caller would retry for ever.
    if (bytes + 2 * params.size() + kPacketBytesSpare > packet_bytes_max)
      return make_error(in_short(sql), std::to_string(bytes) + " bytes exceed max_allowed_packet",
                        kErrorPacketTooLarge);
    return std::nullopt;
  }

  Status run(const std::string& sql, std::string_view what);
  Status configure_session();
  Result<MYSQL_STMT*> prepare(const std::string& sql);
  Result<MYSQL_STMT*> start(const std::string& sql, std::span<const Value> params);
  void bind_parameters(std::span<const Value> params);
  Result<Rows> fetch(MYSQL_STMT* statement, const std::string& sql);
};

Status Connection::Impl::run(const std::string& sql, std::string_view what) {
  if (auto refused = refuse(sql, {})) return *std::move(refused);
  if (mysql_real_query(mysql, sql.data(), static_cast<unsigned long>(sql.size())) != 0)
    return fail(what);
  const Metadata result(mysql_store_result(mysql));
  if (result == nullptr && mysql_field_count(mysql) != 0) return fail(what);
  return Done{};
}

// Lock waits end before the read timeout does: an error number says more than a lost connection.
Status Connection::Impl::configure_session() {
  const std::string wait_s = std::to_string(std::max(1u, whole_seconds(options.io_timeout) / 2));
  const std::string statements[] = {
      "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
      "SET time_zone='+00:00', autocommit=1, "
      "sql_mode='STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,"
      "NO_ZERO_IN_DATE,NO_ZERO_DATE,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout=" +
          wait_s + ", lock_wait_timeout=" + wait_s,
      std::string("SET SESSION TRANSACTION ISOLATION LEVEL ") +
          (options.only_reads ? "REPEATABLE READ" : "READ COMMITTED"),
  };
  for (const std::string& statement : statements) {
    if (Status done = run(statement, "set up the session"); !done) return done;
  }
  auto started = start("SELECT @@max_allowed_packet", {});
  if (!started) return started.error();
  auto rows = fetch(*started, "SELECT @@max_allowed_packet");
  if (!rows) return rows.error();
  packet_bytes_max = rows->at(0).unsigned_integer(0);
  return Done{};
}

Result<MYSQL_STMT*> Connection::Impl::prepare(const std::string& sql) {
  if (const auto found = by_sql.find(sql); found != by_sql.end()) {
    cached.splice(cached.begin(), cached, found->second);
    return cached.front().statement.get();
  }
  if (cached.size() >= kStatementsCachedMax) {
    by_sql.erase(cached.back().sql);
    cached.pop_back();
  }
  Statement statement(mysql_stmt_init(mysql));
  if (statement == nullptr) return fail(in_short(sql));
  if (mysql_stmt_prepare(statement.get(), sql.data(), static_cast<unsigned long>(sql.size())) != 0)
    return fail(in_short(sql), mysql_stmt_error(statement.get()),
                mysql_stmt_errno(statement.get()));
  cached.push_front({.sql = sql, .statement = std::move(statement)});
  by_sql.emplace(cached.front().sql, cached.begin());
  return cached.front().statement.get();
}

// The values stay where they are until the statement has been sent.
void Connection::Impl::bind_parameters(std::span<const Value> params) {
  static unsigned long long nothing = 0;
  binds.assign(params.size(), MYSQL_BIND{});
  lengths.assign(params.size(), 0);
  for (std::size_t i = 0; i < params.size(); ++i) {
    MYSQL_BIND& bind = binds[i];
    bind.length = &lengths[i];
    if (const auto* number = std::get_if<std::int64_t>(&params[i])) {
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.buffer = const_cast<std::int64_t*>(number);  // read only, whatever the API says
    } else if (const auto* natural = std::get_if<std::uint64_t>(&params[i])) {
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.is_unsigned = 1;
      bind.buffer = const_cast<std::uint64_t*>(natural);
    } else if (const auto* text = std::get_if<std::string>(&params[i])) {
      bind.buffer_type = is_utf8(*text) ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
      bind.buffer = const_cast<char*>(text->data());
      lengths[i] = static_cast<unsigned long>(text->size());
      bind.buffer_length = lengths[i];
    } else {
      bind.buffer_type = MYSQL_TYPE_NULL;
      bind.buffer = &nothing;
    }
  }
}

// Prepared, bound and executed; the result set, if there is one, is still to be read.
Result<MYSQL_STMT*> Connection::Impl::start(const std::string& sql, std::span<const Value> params) {
  auto prepared = prepare(sql);
  if (!prepared) return prepared;
  MYSQL_STMT* const statement = *prepared;
  const unsigned long wanted = mysql_stmt_param_count(statement);
  if (wanted != params.size()) {
    return make_error(
        in_short(sql),
        std::to_string(params.size()) + " values for " + std::to_string(wanted) + " parameters",
        2034 /* CR_INVALID_PARAMETER_NO */);
  }
  bind_parameters(params);
  if (!binds.empty() && mysql_stmt_bind_param(statement, binds.data()) != 0)
    return fail(statement, sql);
  if (mysql_stmt_execute(statement) != 0) return fail(statement, sql);
  return statement;
}

Result<Rows> Connection::Impl::fetch(MYSQL_STMT* statement, const std::string& sql) {
  Rows rows;
  const Metadata metadata(mysql_stmt_result_metadata(statement));
  if (metadata == nullptr) {
    if (mysql_stmt_errno(statement) != 0) return fail(statement, sql);
    return rows;  // No result set.
  }
  const std::size_t columns = mysql_num_fields(metadata.get());
  const MYSQL_FIELD* const fields = mysql_fetch_fields(metadata.get());
  std::vector<std::string> buffers(columns);
  std::vector<unsigned long> sizes(columns);
  std::vector<Flag> nulls(columns);
  std::vector<Flag> errors(columns);
  std::vector<MYSQL_BIND> outputs(columns, MYSQL_BIND{});
  for (std::size_t i = 0; i < columns; ++i) {
    const std::size_t wanted = std::min<std::size_t>(fields[i].length + 1, kColumnBytesFirst);
    buffers[i].resize(is_text_or_bytes(fields[i]) ? wanted : kNumberBytes);
    outputs[i].buffer_type = MYSQL_TYPE_STRING;
    outputs[i].buffer = buffers[i].data();
    outputs[i].buffer_length = static_cast<unsigned long>(buffers[i].size());
    outputs[i].length = &sizes[i];
    outputs[i].is_null = &nulls[i];
    outputs[i].error = &errors[i];
  }
  if (mysql_stmt_bind_result(statement, outputs.data()) != 0) return fail(statement, sql);

  while (true) {
    const int fetched = mysql_stmt_fetch(statement);
    if (fetched == MYSQL_NO_DATA) break;
    if (fetched != 0 && fetched != MYSQL_DATA_TRUNCATED) return fail(statement, sql);
    Row& row = rows.emplace_back();
    for (std::size_t i = 0; i < columns; ++i) {
      if (nulls[i] != 0) {
        row.append_null();
      } else if (sizes[i] <= buffers[i].size()) {
        row.append({buffers[i].data(), sizes[i]});
      } else {  // Truncated: the true length is known now.
        std::string whole(sizes[i], '\0');
        unsigned long size = 0;
        MYSQL_BIND output{};
        output.buffer_type = MYSQL_TYPE_STRING;
        output.buffer = whole.data();
        output.buffer_length = sizes[i];
        output.length = &size;
        if (mysql_stmt_fetch_column(statement, &output, static_cast<unsigned>(i), 0) != 0)
          return fail(statement, sql);
        row.append({whole.data(), size});
      }
    }
  }
  mysql_stmt_free_result(statement);
  return rows;
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&& other) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept = default;
Connection::~Connection() = default;

Result<Connection> Connection::connect(const ConnectOptions& options) {
  register_thread();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  const bool is_local = !options.unix_socket.empty();
  const std::string what =
      "connect to " +
      (is_local ? options.unix_socket : options.host + ":" + std::to_string(options.port)) +
      " as " + options.user;
  MYSQL* const mysql = impl->mysql = mysql_init(nullptr);
  if (mysql == nullptr) return make_error(what, "out of memory", 2008);

  const unsigned connect_s = whole_seconds(options.connect_timeout);
  const unsigned io_s = whole_seconds(options.io_timeout);
  const unsigned protocol =
      is_local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;  // "localhost" too means TCP
  const unsigned no_local_infile = 0;
  const Flag no_reconnect = 0;
  mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
  mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &io_s);
  mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
  mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
  mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no_local_infile);
  mysql_options(mysql, MYSQL_OPT_RECONNECT, &no_reconnect);
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  const char* const database = options.database.empty() ? nullptr : options.database.c_str();
  if (mysql_real_connect(mysql, is_local ? nullptr : options.host.c_str(), options.user.c_str(),
                         options.password.c_str(), database, options.port,
                         is_local ? options.unix_socket.c_str() : nullptr, 0) == nullptr) {
    return impl->fail(what);
  }
  impl->is_open = true;
  impl->packet_bytes_max = 1 << 20;  // until the server has told
  impl->connection_id = mysql_thread_id(mysql);
  if (Status done = impl->configure_session(); !done) return done.error();
  return Connection(std::move(impl));
}

Status Connection::run(const std::string& sql) { return impl_->run(sql, in_short(sql)); }

Result<std::uint64_t> Connection::execute(const std::string& sql, std::span<const Value> params) {
  if (auto refused = impl_->refuse(sql, params)) return *std::move(refused);
  auto started = impl_->start(sql, params);
  if (!started) return started.error();
  if (mysql_stmt_field_count(*started) != 0) {
    auto rows = impl_->fetch(*started, sql);
    if (!rows) return rows.error();
    return std::uint64_t{0};
  }
  return static_cast<std::uint64_t>(mysql_stmt_affected_rows(*started));
}

Result<Rows> Connection::query(const std::string& sql, std::span<const Value> params) {
  if (auto refused = impl_->refuse(sql, params)) return *std::move(refused);
  auto started = impl_->start(sql, params);
  if (!started) return started.error();
  return impl_->fetch(*started, sql);
}

Status Connection::begin() { return impl_->run("START TRANSACTION", "begin"); }
Status Connection::begin_snapshot() {
  constexpr std::string_view kWhat = "begin a snapshot";
  // Of the next transaction only: the session's READ COMMITTED would see each statement's moment.
  if (!impl_->options.only_reads) {
    if (auto set = impl_->run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", kWhat); !set)
      return set;
  }
  return impl_->run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", kWhat);
}
Status Connection::commit() { return impl_->run("COMMIT", "commit"); }
Status Connection::rollback() { return impl_->run("ROLLBACK", "rollback"); }

bool Connection::is_open() const noexcept { return impl_ != nullptr && impl_->is_open; }
std::uint64_t Connection::connection_id() const noexcept { return impl_->connection_id; }
const ConnectOptions& Connection::options() const noexcept { return impl_->options; }

Status create_database_if_missing(const ConnectOptions& options) {
  // A user who may not create databases can still use one that is there.
  const auto there = Connection::connect(options);
  if (there) return Done{};
  if (there.error().code != static_cast<int>(kErrorUnknownDatabase)) return there.error();
  ConnectOptions without = options;
  without.database.clear();
  auto connection = Connection::connect(without);
  if (!connection) return connection.error();
  std::string name;
  for (const char c : options.database) name.append(c == '`' ? 2 : 1, c);
  return connection->run("CREATE DATABASE IF NOT EXISTS `" + name +
                         "` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
}

std::string multi_row(std::string_view head, std::size_t columns, std::size_t rows,
                      std::string_view tail) {
  DDT_CHECK(columns > 0 && rows > 0 && columns * rows <= kParametersMax);
  std::string group = "(?";
  for (std::size_t column = 1; column < columns; ++column) group += ",?";
  group += ')';
  std::string sql;
  sql.reserve(head.size() + rows * (group.size() + 1) + tail.size());
  sql.append(head).append(group);
  for (std::size_t row = 1; row < rows; ++row) sql.append(",").append(group);
  sql.append(tail);
  return sql;
}

}  // namespace ddt::sql
