// sidecar/rollup/rows.hpp — values as MySQL takes them, and many rows in few statements.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/base/decimal.hpp"
#include "sidecar/model/event.hpp"
#include "sidecar/model/time.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

inline sql::Value value_of_e8(std::int64_t value_e8) {
  return is_null(value_e8) ? sql::Value{sql::Null{}} : sql::Value{e8_string(value_e8)};
}
inline sql::Value value_of_e8(std::optional<int128> value_e8) {
  return value_e8 ? sql::Value{decimal_string(*value_e8, 8)} : sql::Value{sql::Null{}};
}
inline sql::Value value_of_time(std::int64_t time_ns) {
  return time_ns == model::kNoTime ? sql::Value{sql::Null{}}
                                   : sql::Value{model::mysql_datetime(time_ns)};
}
inline sql::Value value_of_text(std::string_view text) {
  return text.empty() ? sql::Value{sql::Null{}} : sql::Value{std::string(text)};
}
inline sql::Value value_of_bytes(const model::SegmentId& id) {
  return std::string(id.begin(), id.end());
}
inline sql::Value value_of_bytes(std::string bytes) { return bytes; }
inline sql::Value value_of_count(std::uint64_t count) { return count; }
inline sql::Value value_of_id(std::int64_t id) { return id; }

// A row's values; those that are made for it are moved.
template <typename... Values>
void push(std::vector<sql::Value>& values, Values&&... row) {
  (values.emplace_back(std::forward<Values>(row)), ...);
}

// Rows of one statement: all values, row by row.
struct RowSet {
  std::size_t columns = 0;
  std::vector<sql::Value> values;
  std::size_t rows() const { return columns == 0 ? 0 : values.size() / columns; }
};

// "head (?,…),(?,…) tail" over all rows, in statements of 2^k rows, so that few texts are prepared.
Status insert_rows(sql::Connection& mysql, std::string_view head, const RowSet& rows,
                   std::string_view tail);

// The same for rows that are new, as a rule: a statement without a tail is cheaper, and nothing need be looked up
// before. Of a statement that meets a row that is there nothing is left; `otherwise` then has its rows to write, of
// which the first is the `first`-th of all.
Status insert_new_rows(
    sql::Connection& mysql, std::string_view head, const RowSet& rows,
    const std::function<Status(std::size_t first, const RowSet& run)>& otherwise);

// Rows of "head ((?,…),(?,…)) tail" over all keys, in statements of 2^k keys.
Result<sql::Rows> select_rows(sql::Connection& mysql, std::string_view head, const RowSet& keys,
                              std::string_view tail);

}  // namespace ddt::sidecar
