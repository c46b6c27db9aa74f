#include "sidecar/rollup/rows.hpp"

#include <algorithm>
#include <bit>
#include <span>

namespace ddt::sidecar {
namespace {

constexpr std::size_t kRowsPerStatementMax = 128;
constexpr int kErrorDuplicateKey = 1062;

// Calls statement(first row, number of rows) for runs of 2^k rows.
template <typename Statement>
Status in_runs(std::size_t rows, Statement statement) {
  for (std::size_t first = 0; first < rows;) {
    const std::size_t count = std::min(std::bit_floor(rows - first), kRowsPerStatementMax);
    if (auto done = statement(first, count); !done) return done;
    first += count;
  }
  return Done{};
}

std::span<const sql::Value> run_of(const RowSet& rows, std::size_t first, std::size_t count) {
  return std::span(rows.values).subspan(first * rows.columns, count * rows.columns);
}

}  // namespace

Status insert_rows(sql::Connection& mysql, std::string_view head, const RowSet& rows,
                   std::string_view tail) {
  return in_runs(rows.rows(), [&](std::size_t first, std::size_t count) -> Status {
    const auto done =
        mysql.execute(sql::multi_row(head, rows.columns, count, tail), run_of(rows, first, count));
    if (!done) return done.error();
    return Done{};
  });
}

Status insert_new_rows(
    sql::Connection& mysql, std::string_view head, const RowSet& rows,
    const std::function<Status(std::size_t first, const RowSet& run)>& otherwise) {
  return in_runs(rows.rows(), [&](std::size_t first, std::size_t count) -> Status {
    const auto values = run_of(rows, first, count);
    const auto done = mysql.execute(sql::multi_row(head, rows.columns, count), values);
    if (done) return Done{};
    if (done.error().code != kErrorDuplicateKey) return done.error();
    return otherwise(first, {.columns = rows.columns, .values = {values.begin(), values.end()}});
  });
}

Result<sql::Rows> select_rows(sql::Connection& mysql, std::string_view head, const RowSet& keys,
                              std::string_view tail) {
  sql::Rows all;
  const std::string opened = std::string(head) + " (";
  const std::string closed = ") " + std::string(tail);
  const Status done = in_runs(keys.rows(), [&](std::size_t first, std::size_t count) -> Status {
    auto rows = mysql.query(sql::multi_row(opened, keys.columns, count, closed),
                            run_of(keys, first, count));
    if (!rows) return rows.error();
    std::ranges::move(*rows, std::back_inserter(all));
    return Done{};
  });
  if (!done) return done.error();
  return all;
}

}  // namespace ddt::sidecar
