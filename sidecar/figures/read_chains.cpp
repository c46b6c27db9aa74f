// Chains: the closure of an order over parent_order_id, both ways.
#include <algorithm>

#include "sidecar/figures/read_facts.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/rollup/rows.hpp"

namespace ddt::sidecar {
namespace {

const std::string kColumns =
    "SELECT order_id, parent_order_id, status, order_type, side, quantity, filled_quantity, "
    "limit_price, filled_price, event_time, script_name FROM dd_orders ";

std::string text_of(const sql::Row& row, std::size_t column) {
  return row.is_null(column) ? std::string() : std::string(row.text(column));
}
std::int64_t e8_of(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return kNullE8;
  return e8_from_string(row.text(column)).value_or(kNullE8);
}

void add(const sql::Rows& rows, model::OrderClosure& closure) {
  for (const sql::Row& row : rows) {
    closure.add({.order_id = text_of(row, 0),
                 .parent_order_id = text_of(row, 1),
                 .status = text_of(row, 2),
                 .order_type = text_of(row, 3),
                 .side = text_of(row, 4),
                 .quantity_e8 = e8_of(row, 5),
                 .filled_quantity_e8 = e8_of(row, 6),
                 .limit_price_e8 = e8_of(row, 7),
                 .filled_price_e8 = e8_of(row, 8),
                 .event_time_ns = model::parse_mysql_datetime(row.text(9)).value_or(0)},
                text_of(row, 10));
  }
}

Status read_legs(sql::Connection& mysql, std::int32_t profile_id,
                 std::span<const std::string> order_ids, model::OrderClosure& closure) {
  for (std::size_t at = 0; at < order_ids.size(); at += kKeysPerQuery) {
    RowSet ids{.columns = 2, .values = {}};
    for (const std::string& order_id :
         order_ids.subspan(at, std::min(kKeysPerQuery, order_ids.size() - at)))
      ids.values.insert(ids.values.end(), {value_of_id(profile_id), order_id});
    for (const char* column : {"order_id", "parent_order_id"}) {
      const auto rows =
          select_rows(mysql, kColumns + "WHERE (profile_id, " + column + ") IN", ids, "");
      if (!rows) return rows.error();
      add(*rows, closure);
    }
  }
  return Done{};
}

}  // namespace

Result<std::vector<model::KnownChain>> read_chains(sql::Connection& mysql, std::int32_t profile_id,
                                                   std::span<const TimeSpan> spans) {
  model::OrderClosure closure;
  for (const TimeSpan& span : spans) {
    const std::vector<sql::Value> params{value_of_id(profile_id), value_of_time(span.from_ns),
                                         value_of_time(span.to_ns)};
    const auto rows = mysql.query(
        kColumns + "WHERE profile_id = ? AND event_time >= ? AND event_time < ?", params);
    if (!rows) return rows.error();
    add(*rows, closure);
  }
  for (auto wanted = closure.take_wanted(); !wanted.empty(); wanted = closure.take_wanted()) {
    if (auto read = read_legs(mysql, profile_id, wanted, closure); !read) return read.error();
  }
  return closure.chains();
}

}  // namespace ddt::sidecar
