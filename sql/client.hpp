// sql/client.hpp — the one door to MySQL and MariaDB: connections, prepared statements, rows.
//
// Threads   A Connection belongs to one thread at a time; any number of Connections may be open.
// Session   UTC, utf8mb4 compared by bytes, READ COMMITTED, strict sql_mode; never reconnects by
// itself. Values    Decimals and datetimes travel as text in both directions: no double touches
// money here. Errors    "mysql: <what>: <message> (<number>)"; code is MySQL's number. After a
// connection error the
//           Connection is dead (is_open() is false): make a new one. After a retryable error inside
//           a transaction, roll back and start the whole transaction again.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shm/base/result.hpp"

namespace ddt::sql {

struct ConnectOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 3306;
  std::string unix_socket;  // used instead of host and port when not empty
  std::string user = "root";
  std::string password;
  std::string database = "deltadyno";               // empty: no default database
  std::chrono::milliseconds connect_timeout{3000};  // both are rounded up to whole seconds
  std::chrono::milliseconds io_timeout{10000};      // lock waits give up at half of it
  bool only_reads = false;  // REPEATABLE READ for the session: a snapshot begins in one round trip
};

// Everything that is wrong with the options, for --check-config and the start.
std::vector<std::string> problems_in(const ConnectOptions& options);

struct Null {};
using Value = std::variant<Null, std::int64_t, std::uint64_t, std::string /* text or bytes */>;

inline constexpr std::size_t kStatementsCachedMax =
    128;  // per Connection; the least recently used goes first
inline constexpr std::size_t kParametersMax = 65'535;  // of one statement, the protocol's limit

// One row of a result, every column as text (or bytes). Reading a column that does not exist, a
// NULL as text or a number, or a text that is no whole number as a number is our own bug: checked.
class Row {
 public:
  std::size_t size() const noexcept { return cells_.size(); }
  bool is_null(std::size_t column) const;
  std::string_view text(std::size_t column) const;  // lives as long as the Row
  std::int64_t integer(std::size_t column) const;
  std::uint64_t unsigned_integer(std::size_t column) const;
  std::optional<std::string_view> optional_text(std::size_t column) const;
  std::optional<std::int64_t> optional_integer(std::size_t column) const;

  void append_null();
  void append(std::string_view bytes);

 private:
  struct Cell {
    std::size_t offset, length;
    bool is_null;
  };
  std::string bytes_;
  std::vector<Cell> cells_;
};
using Rows = std::vector<Row>;

class Connection {
 public:
  static Result<Connection> connect(const ConnectOptions& options);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  // One statement without parameters (DDL, SET …) over the text protocol; a result set is read and
  // dropped.
  Status run(const std::string& sql);

  // Prepared and cached by its text. Returns affected rows as MySQL counts them: for an upsert 1
  // per row inserted, 2 per row changed, 0 per row left as it was.
  Result<std::uint64_t> execute(const std::string& sql, std::span<const Value> params = {});

  // Prepared and cached by its text; the whole result set.
  Result<Rows> query(const std::string& sql, std::span<const Value> params = {});

  Status begin();
  // A transaction that only reads, and sees the moment of its begin throughout.
  Status begin_snapshot();
  Status commit();
  Status rollback();

  bool is_open() const noexcept;
  std::uint64_t connection_id() const noexcept;  // the server's CONNECTION_ID(), for KILL
  const ConnectOptions& options() const noexcept;

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Creates the database of the options (utf8mb4, compared by bytes) unless it is there already.
Status create_database_if_missing(const ConnectOptions& options);

// head + "(?,?),(?,?)" + tail, for `rows` rows of `columns` columns:
// multi_row("INSERT INTO t (a, b) VALUES ", 2, 2, " ON DUPLICATE KEY UPDATE b = VALUES(b)").
std::string multi_row(std::string_view head, std::size_t columns, std::size_t rows,
                      std::string_view tail = {});

}  // namespace ddt::sql
