// Chains: the closure of an order over parent_order_id, both ways.
#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>
#include <utility>

#include "sidecar/figures/read_facts.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/rollup/rows.hpp"

namespace ddt::sidecar {
namespace {

const std::string kColumns =
    "SELECT order_id, parent_order_id, status, order_type, side, quantity, filled_quantity, "
    "limit_price, filled_price, event_time FROM dd_orders ";
constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();

std::string text_of(const sql::Row& row, std::size_t column) {
  return row.is_null(column) ? std::string() : std::string(row.text(column));
}
std::int64_t e8_of(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return kNullE8;
  return e8_from_string(row.text(column)).value_or(kNullE8);
}

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
          .event_time_ns = model::parse_mysql_datetime(row.text(9)).value_or(0)};
}

// Rows by (order_id, status), and the ids whose rows and children are still to be read.
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

Status read_legs(sql::Connection& mysql, std::int32_t profile_id,
                 const std::vector<std::string>& order_ids, Closure& closure) {
  for (const char* column : {"order_id", "parent_order_id"}) {
    RowSet ids{.columns = 2, .values = {}};
    for (const std::string& order_id : order_ids)
      ids.values.insert(ids.values.end(), {value_of_id(profile_id), order_id});
    const auto rows =
        select_rows(mysql, kColumns + "WHERE (profile_id, " + column + ") IN", ids, "");
    if (!rows) return rows.error();
    closure.add(*rows);
  }
  return Done{};
}

// Rows of one chain each: joined by parent_order_id, a parent that was never seen included.
std::vector<std::vector<model::OrderRow>> split(std::vector<model::OrderRow> orders) {
  std::vector<std::size_t> parent;
  const auto find = [&parent](std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  std::unordered_map<std::string, std::size_t> index_of;
  const auto index = [&](const std::string& order_id) {
    const auto [at, is_new] = index_of.try_emplace(order_id, parent.size());
    if (is_new) parent.push_back(at->second);
    return at->second;
  };
  for (const model::OrderRow& order : orders) {
    const std::size_t own = index(order.order_id);
    if (!order.parent_order_id.empty()) parent[find(own)] = find(index(order.parent_order_id));
  }
  std::map<std::size_t, std::vector<model::OrderRow>> chains;
  for (model::OrderRow& order : orders)
    chains[find(index(order.order_id))].push_back(std::move(order));
  std::vector<std::vector<model::OrderRow>> split_rows;
  for (auto& [set, rows] : chains) split_rows.push_back(std::move(rows));
  return split_rows;
}

}  // namespace

Result<std::vector<ChainRows>> read_chains(sql::Connection& mysql, std::int32_t profile_id,
                                           std::span<const TimeSpan> spans) {
  Closure closure;
  for (const TimeSpan& span : spans) {
    const std::vector<sql::Value> params{value_of_id(profile_id), value_of_time(span.from_ns),
                                         value_of_time(span.to_ns)};
    const auto rows = mysql.query(
        kColumns + "WHERE profile_id = ? AND event_time >= ? AND event_time < ?", params);
    if (!rows) return rows.error();
    closure.add(*rows);
  }
  for (auto wanted = closure.take_wanted(); !wanted.empty(); wanted = closure.take_wanted()) {
    if (auto read = read_legs(mysql, profile_id, wanted, closure); !read) return read.error();
  }
  std::vector<ChainRows> chains;
  for (const std::vector<model::OrderRow>& rows : split(closure.take_orders())) {
    auto judged = model::order_chains(rows, kEver);
    if (judged.empty()) continue;
    ChainRows chain{.chain = std::move(judged.front()), .times_ns = {}};
    for (const model::OrderRow& row : rows) chain.times_ns.push_back(row.event_time_ns);
    std::ranges::sort(chain.times_ns);
    chains.push_back(std::move(chain));
  }
  return chains;
}

}  // namespace ddt::sidecar
