#include "api/history/orders.hpp"

#include <algorithm>
#include <set>
#include <span>

#include "api/history/rows.hpp"
#include "sidecar/model/bytes.hpp"

namespace ddt::api {
namespace {

// Ids asked for at once. One size only, padded by repeating: one prepared statement serves all.
constexpr std::size_t kIdsPerQuery = 256;

const std::string kColumns =
    "o.order_id, o.parent_order_id, o.status, o.order_type, o.side, o.quantity, "
    "o.filled_quantity, o.limit_price, o.filled_price, o.event_time";

model::OrderRow order_of(const sql::Row& row) {
  return {.order_id = text_of(row, 0),
          .parent_order_id = text_of(row, 1),
          .status = text_of(row, 2),
          .order_type = text_of(row, 3),
          .side = text_of(row, 4),
          .quantity_e8 = e8_of(row, 5),
          .filled_quantity_e8 = e8_of(row, 6),
          .limit_price_e8 = e8_of(row, 7),
          .filled_price_e8 = e8_of(row, 8),
          .event_time_ns = time_ns_of(row, 9)};
}

std::string placeholders(std::size_t count) {
  std::string text = "?";
  for (std::size_t i = 1; i < count; ++i) text += ",?";
  return text;
}

// The closure under way: rows by (order_id, status), and ids whose rows and children are still to be read.
class Closure {
 public:
  void add(const sql::Rows& rows) {
    for (const sql::Row& row : rows) {
      model::OrderRow order = order_of(row);
      want(order.order_id);
      if (!order.parent_order_id.empty()) want(order.parent_order_id);
      if (keys_.emplace(order.order_id, order.status).second) orders_.push_back(std::move(order));
    }
  }
  std::vector<std::string> take_wanted() { return std::exchange(wanted_, {}); }
  std::vector<model::OrderRow> take_orders() { return std::move(orders_); }

 private:
  void want(const std::string& order_id) {
    if (seen_.insert(order_id).second) wanted_.push_back(order_id);
  }
  std::set<std::pair<std::string, std::string>> keys_;
  std::set<std::string> seen_;
  std::vector<std::string> wanted_;
  std::vector<model::OrderRow> orders_;
};

// Rows of these orders, and of orders that name one of them as parent.
Status read_legs(Stores& stores, std::int32_t profile_id, std::span<const std::string> order_ids,
                 Closure& closure) {
  static const std::string kList = placeholders(kIdsPerQuery);
  static const std::string kOwn = "SELECT " + kColumns +
                                  " FROM dd_orders o WHERE o.profile_id = ? AND o.order_id IN (" +
                                  kList + ")";
  static const std::string kChildren =
      "SELECT " + kColumns + " FROM dd_orders o WHERE o.profile_id = ? AND o.parent_order_id IN (" +
      kList + ")";
  for (std::size_t at = 0; at < order_ids.size(); at += kIdsPerQuery) {
    const auto part = order_ids.subspan(at, std::min(kIdsPerQuery, order_ids.size() - at));
    std::vector<sql::Value> params{std::int64_t{profile_id}};
    for (std::size_t i = 0; i < kIdsPerQuery; ++i) {
      params.emplace_back(part[std::min(i, part.size() - 1)]);
    }
    for (const std::string* sql : {&kOwn, &kChildren}) {
      const auto rows = stores.query(*sql, params);
      if (!rows) return rows.error();
      closure.add(*rows);
    }
  }
  return Done{};
}

}  // namespace

Result<OrderRows> order_rows(Stores& stores, std::int32_t profile_id, const Range& range,
                             const std::optional<std::string>& script_name) {
  std::vector<sql::Value> params{std::int64_t{profile_id}, time_value(range.from_ns),
                                 time_value(range.to_ns)};
  if (script_name) params.emplace_back(*script_name);
  const auto rows = stores.query(
      "SELECT " + kColumns +
          " FROM dd_orders o WHERE o.profile_id = ? AND o.event_time >= ? AND o.event_time < ?" +
          (script_name ? " AND o.script_name = ?" : "") + " ORDER BY o.event_time",
      params);
  if (!rows) return rows.error();
  OrderRows result;
  Closure closure;
  closure.add(*rows);
  if (!rows->empty()) result.newest_ns = time_ns_of(rows->back(), 9);
  for (auto wanted = closure.take_wanted(); !wanted.empty(); wanted = closure.take_wanted()) {
    if (auto done = read_legs(stores, profile_id, wanted, closure); !done) return done.error();
  }
  result.rows = closure.take_orders();
  return result;
}

Result<LatencyHours> latency_hours(Stores& stores, std::int32_t profile_id, const Range& hours,
                                   const std::optional<std::string>& script_name) {
  std::vector<sql::Value> params{std::int64_t{profile_id}, time_value(hours.from_ns),
                                 time_value(hours.to_ns)};
  if (script_name) params.emplace_back(*script_name);
  const auto rows = stores.query(
      std::string("SELECT script_name, window_start, state FROM dd_window_state "
                  "WHERE profile_id = ? AND metric_type = 'system' AND window_type = 'hour' "
                  "AND window_start >= ? AND window_start < ? AND name LIKE 'latency:%' "
                  "AND state IS NOT NULL") +
          (script_name ? " AND script_name = ?" : ""),
      params);
  if (!rows) return rows.error();
  LatencyHours latencies;
  for (const sql::Row& row : *rows) {
    model::ByteReader reader(row.text(2));
    const auto summary = model::LatencySummary::decode(reader);
    if (!summary) return Error{"mysql: dd_window_state: a latency state cannot be read"};
    latencies[text_of(row, 0)][time_ns_of(row, 1)].merge(*summary);
  }
  return latencies;
}

}  // namespace ddt::api
