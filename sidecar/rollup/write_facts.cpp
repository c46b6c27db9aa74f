#include "sidecar/rollup/write_facts.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <tuple>

#include "shm/base/clock.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/model/trades.hpp"
#include "sidecar/redis/keys.hpp"
#include "sidecar/rollup/rows.hpp"

namespace ddt::sidecar {
namespace {

void push_identity(std::vector<sql::Value>& values, const Fact& fact, const model::Origin& origin) {
  push(values, value_of_text(origin.script_name), value_of_time(origin.event_time_ns),
       value_of_bytes(fact.block->lane.segment_id), value_of_count(fact.block->lane.lane),
       value_of_count(origin.position), value_of_text(origin.metadata));
}

// Empty, with room for all that are an E: values that grow are moved one by one.
template <typename E>
RowSet rows_of(std::span<const Fact> facts, std::size_t columns) {
  RowSet rows{.columns = columns, .values = {}};
  const auto count = std::ranges::count_if(
      facts, [](const Fact& fact) { return std::holds_alternative<E>(*fact.event); });
  rows.values.reserve(static_cast<std::size_t>(count) * columns);
  return rows;
}

// ── trades ───────────────────────────────────────────────────────────────────────────────────────────

constexpr std::string_view kTradeHead =
    "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, side, entry_price, "
    "exit_price, "
    "reference_price, quantity, multiplier, fees, pnl, pnl_pct, slippage, entry_time, exit_time, "
    "duration_seconds, "
    "bar_strength, candle_size, direction, exit_reason, trade_id, order_id, signal_id, "
    "script_name, event_time, "
    "segment_id, lane, position, metadata) VALUES ";
// A repeated trade_id corrects the row. It is rare: rows are taken for new until MySQL knows better.
constexpr std::string_view kTradeTail =
    " ON DUPLICATE KEY UPDATE symbol = VALUES(symbol), trade_type = VALUES(trade_type), side = "
    "VALUES(side), "
    "entry_price = VALUES(entry_price), exit_price = VALUES(exit_price), reference_price = "
    "VALUES(reference_price), "
    "quantity = VALUES(quantity), multiplier = VALUES(multiplier), fees = VALUES(fees), pnl = "
    "VALUES(pnl), "
    "pnl_pct = VALUES(pnl_pct), slippage = VALUES(slippage), entry_time = VALUES(entry_time), "
    "exit_time = VALUES(exit_time), duration_seconds = VALUES(duration_seconds), "
    "bar_strength = VALUES(bar_strength), candle_size = VALUES(candle_size), direction = "
    "VALUES(direction), "
    "exit_reason = VALUES(exit_reason), order_id = VALUES(order_id), signal_id = "
    "VALUES(signal_id), "
    "script_name = VALUES(script_name), event_time = VALUES(event_time), segment_id = "
    "VALUES(segment_id), "
    "lane = VALUES(lane), position = VALUES(position), metadata = VALUES(metadata), revision = "
    "revision + 1";
constexpr std::size_t kTradeColumns = 29;
constexpr std::size_t kTradeIdColumn = 20;

sql::Value duration_value(const model::TradeRow& row) {
  const auto duration_us = model::duration_us(row);
  return duration_us ? sql::Value{decimal_string(*duration_us, 6)} : sql::Value{sql::Null{}};
}

void push_trade(RowSet& rows, const Fact& fact, const model::TradeEvent& trade) {
  const model::TradeRow row =
      model::row_of(trade, fact.block->lane.segment_id, fact.block->lane.lane);
  push(rows.values, value_of_id(trade.origin.profile_id), trade.symbol, trade.trade_type,
       value_of_text(trade.side), value_of_e8(trade.entry_price_e8),
       value_of_e8(trade.exit_price_e8), value_of_e8(trade.reference_price_e8),
       value_of_e8(trade.quantity_e8), value_of_e8(trade.multiplier_e8), value_of_e8(trade.fees_e8),
       value_of_e8(model::pnl_e8(row)), value_of_e8(model::pnl_pct_e8(row)),
       value_of_e8(model::slippage_e8(row)), value_of_time(trade.entry_time_ns),
       value_of_time(trade.exit_time_ns), duration_value(row), value_of_e8(trade.bar_strength_e8),
       value_of_e8(trade.candle_size_e8), value_of_text(trade.direction),
       value_of_text(trade.exit_reason), value_of_text(trade.trade_id),
       value_of_text(trade.order_id), value_of_text(trade.signal_id));
  push_identity(rows.values, fact, trade.origin);
}

// (profile, trade id) of those that have one.
RowSet ids_of(const RowSet& trades) {
  RowSet ids{.columns = 2, .values = {}};
  for (std::size_t row = 0; row < trades.rows(); ++row) {
    const auto values = std::span(trades.values).subspan(row * kTradeColumns, kTradeColumns);
    const sql::Value& trade_id = values[kTradeIdColumn];
    if (!std::holds_alternative<sql::Null>(trade_id)) push(ids.values, values[0], trade_id);
  }
  return ids;
}

// A correction may move a trade to another hour: the hour it leaves is stale too.
Status mark_corrected_hours(sql::Connection& mysql, const RowSet& ids, DirtyHours& dirty) {
  const auto rows = select_rows(
      mysql,
      "SELECT profile_id, exit_time FROM dd_trade_performance WHERE (profile_id, trade_id) IN", ids,
      "AND exit_time IS NOT NULL FOR UPDATE");
  if (!rows) return rows.error();
  for (const sql::Row& row : *rows) {
    const auto time_ns = model::parse_mysql_datetime(row.text(1));
    if (!time_ns) continue;
    mark(dirty, static_cast<std::int32_t>(row.integer(0)), "equity", *time_ns);
    mark(dirty, static_cast<std::int32_t>(row.integer(0)), "breakout", *time_ns);
  }
  return Done{};
}

Status write_trades(sql::Connection& mysql, std::span<const Fact> facts, DirtyHours& dirty) {
  RowSet rows = rows_of<model::TradeEvent>(facts, kTradeColumns);
  for (const Fact& fact : facts) {
    const auto* trade = std::get_if<model::TradeEvent>(fact.event);
    if (trade == nullptr) continue;
    push_trade(rows, fact, *trade);
    mark(dirty, trade->origin.profile_id, "equity", trade->exit_time_ns);
    mark(dirty, trade->origin.profile_id, "breakout", trade->exit_time_ns);
  }
  return insert_new_rows(mysql, kTradeHead, rows, [&](std::size_t, const RowSet& run) -> Status {
    if (auto done = mark_corrected_hours(mysql, ids_of(run), dirty); !done) return done;
    return insert_rows(mysql, kTradeHead, run, kTradeTail);
  });
}

// ── orders ───────────────────────────────────────────────────────────────────────────────────────────

constexpr std::string_view kOrderHead =
    "INSERT INTO dd_orders (profile_id, order_id, status, parent_order_id, signal_id, symbol, "
    "order_type, side, "
    "quantity, filled_quantity, limit_price, filled_price, api_latency_ms, script_name, "
    "event_time, segment_id, lane, "
    "position, metadata) VALUES ";
// Bots poll: a status seen again changes nothing but what the first sighting did not know. The first row of a run
// that is there already ends the attempt to insert it plainly, so that polling costs little more for it.
constexpr std::string_view kOrderTail =
    " ON DUPLICATE KEY UPDATE parent_order_id = COALESCE(parent_order_id, "
    "VALUES(parent_order_id)), "
    "signal_id = COALESCE(signal_id, VALUES(signal_id)), order_type = COALESCE(order_type, "
    "VALUES(order_type)), "
    "side = COALESCE(side, VALUES(side)), quantity = COALESCE(quantity, VALUES(quantity)), "
    "filled_quantity = GREATEST(COALESCE(filled_quantity, VALUES(filled_quantity)), "
    "COALESCE(VALUES(filled_quantity), filled_quantity)), "
    "limit_price = COALESCE(limit_price, VALUES(limit_price)), "
    "filled_price = COALESCE(filled_price, VALUES(filled_price)), "
    "api_latency_ms = COALESCE(api_latency_ms, VALUES(api_latency_ms)), "
    "event_time = LEAST(event_time, VALUES(event_time)), metadata = COALESCE(metadata, "
    "VALUES(metadata))";
constexpr std::size_t kOrderColumns = 19;

using OrderStatusKey = std::tuple<std::int32_t, std::string, std::string>;
constexpr std::size_t kOrderKeyColumns = 3;  // the first ones, as in OrderStatusKey

// A bot may not know an order's id: such a Record is an order of its own.
std::string order_key(const Fact& fact, const model::OrderEvent& order) {
  if (!order.order_id.empty()) return order.order_id;
  return "#" + redis::lane_field(fact.block->lane) + ":" + std::to_string(order.origin.position);
}

sql::Value latency_value(std::int64_t latency_ns) {
  return latency_ns == model::kNoTime ? sql::Value{sql::Null{}}
                                      : sql::Value{decimal_string(latency_ns, 6)};
}

// A status seen again may still tell its row something: an earlier time, more that is filled, what was
// NULL. Then the hour in which the row lay is stale, which need not be the Record's own.
bool tells_more(const model::OrderEvent& order, const sql::Row& row, std::int64_t row_time_ns) {
  const auto is_first = [&row](std::size_t column, bool is_said) {
    return is_said && row.is_null(column);
  };
  const auto filled_e8 = row.is_null(4) ? kNullE8 : e8_from_string(row.text(4)).value_or(kNullE8);
  return model::floor_to_us(order.origin.event_time_ns) < row_time_ns ||
         order.filled_quantity_e8 > filled_e8 || is_first(5, !is_null(order.quantity_e8)) ||
         is_first(6, !is_null(order.limit_price_e8)) ||
         is_first(7, !is_null(order.filled_price_e8)) ||
         is_first(8, !order.parent_order_id.empty()) || is_first(9, !order.order_type.empty()) ||
         is_first(10, !order.side.empty()) || is_first(11, !order.signal_id.empty()) ||
         is_first(12, order.api_latency_ns != model::kNoTime);
}

// `said` are the Events of the run's rows, in their order.
Status mark_told_hours(sql::Connection& mysql, const RowSet& run,
                       std::span<const model::OrderEvent* const> said, DirtyHours& dirty) {
  std::multimap<OrderStatusKey, const model::OrderEvent*> orders;
  RowSet keys{.columns = kOrderKeyColumns, .values = {}};
  for (std::size_t row = 0; row < run.rows(); ++row) {
    const auto key = std::span(run.values).subspan(row * kOrderColumns, kOrderKeyColumns);
    keys.values.insert(keys.values.end(), key.begin(), key.end());
    orders.emplace(OrderStatusKey(said[row]->origin.profile_id, std::get<std::string>(key[1]),
                                  said[row]->status),
                   said[row]);
  }
  const auto rows = select_rows(
      mysql,
      "SELECT profile_id, order_id, status, event_time, filled_quantity, quantity, limit_price, "
      "filled_price, parent_order_id, order_type, side, signal_id, api_latency_ms FROM dd_orders "
      "WHERE (profile_id, order_id, status) IN",
      keys, "");
  if (!rows) return rows.error();
  for (const sql::Row& row : *rows) {
    const auto profile_id = static_cast<std::int32_t>(row.integer(0));
    const auto time_ns = model::parse_mysql_datetime(row.text(3));
    if (!time_ns) continue;
    const auto [first, last] = orders.equal_range(
        OrderStatusKey(profile_id, std::string(row.text(1)), std::string(row.text(2))));
    if (std::none_of(first, last,
                     [&](const auto& order) { return tells_more(*order.second, row, *time_ns); }))
      continue;
    mark(dirty, profile_id, "order", *time_ns);
    mark(dirty, profile_id, "breakout", *time_ns);
  }
  return Done{};
}

Status write_orders(sql::Connection& mysql, std::span<const Fact> facts, DirtyHours& dirty) {
  RowSet rows = rows_of<model::OrderEvent>(facts, kOrderColumns);
  std::vector<const model::OrderEvent*> said;
  for (const Fact& fact : facts) {
    const auto* order = std::get_if<model::OrderEvent>(fact.event);
    if (order == nullptr) continue;
    push(rows.values, value_of_id(order->origin.profile_id), order_key(fact, *order), order->status,
         value_of_text(order->parent_order_id), value_of_text(order->signal_id), order->symbol,
         value_of_text(order->order_type), value_of_text(order->side),
         value_of_e8(order->quantity_e8), value_of_e8(order->filled_quantity_e8),
         value_of_e8(order->limit_price_e8), value_of_e8(order->filled_price_e8),
         latency_value(order->api_latency_ns));
    push_identity(rows.values, fact, order->origin);
    mark(dirty, order->origin.profile_id, "order", order->origin.event_time_ns);
    if (!order->signal_id.empty())  // its latency is a figure of the signals
      mark(dirty, order->origin.profile_id, "breakout", order->origin.event_time_ns);
    said.push_back(order);
  }
  return insert_new_rows(mysql, kOrderHead, rows,
                         [&](std::size_t first, const RowSet& run) -> Status {
                           const auto of_run = std::span(said).subspan(first, run.rows());
                           if (auto done = mark_told_hours(mysql, run, of_run, dirty); !done)
                             return done;
                           return insert_rows(mysql, kOrderHead, run, kOrderTail);
                         });
}

// ── signals and errors ───────────────────────────────────────────────────────────────────────────────

constexpr std::string_view kSignalHead =
    "INSERT INTO dd_signals (profile_id, signal_id, fate, reason, symbol, direction, bar_strength, "
    "close_price, "
    "candle_size, volume, script_name, event_time, segment_id, lane, position, metadata) VALUES ";
constexpr std::string_view kRepeatTail = " ON DUPLICATE KEY UPDATE position = VALUES(position)";

Status write_signals(sql::Connection& mysql, std::span<const Fact> facts, DirtyHours& dirty) {
  RowSet rows = rows_of<model::SignalEvent>(facts, 16);
  for (const Fact& fact : facts) {
    const auto* signal = std::get_if<model::SignalEvent>(fact.event);
    if (signal == nullptr) continue;
    push(rows.values, value_of_id(signal->origin.profile_id), value_of_text(signal->signal_id),
         signal->fate, value_of_text(signal->reason), signal->symbol,
         value_of_text(signal->direction), value_of_e8(signal->bar_strength_e8),
         value_of_e8(signal->close_price_e8), value_of_e8(signal->candle_size_e8),
         value_of_e8(signal->volume_e8));
    push_identity(rows.values, fact, signal->origin);
    mark(dirty, signal->origin.profile_id, "breakout", signal->origin.event_time_ns);
  }
  return insert_rows(mysql, kSignalHead, rows, kRepeatTail);
}

std::string error_metadata(const model::ErrorEvent& error) {
  model::JsonWriter json;
  json.begin_object().key("code").string(error.code).key("text").string(error.text);
  if (!error.origin.metadata.empty()) json.key("metadata").raw(error.origin.metadata);
  json.end_object();
  return std::move(json).take();
}

constexpr std::string_view kErrorHead =
    "INSERT INTO dd_system_health (profile_id, script_name, metric_name, status, timestamp, "
    "metadata, segment_id, lane, "
    "position) VALUES ";

Status write_errors(sql::Connection& mysql, std::span<const Fact> facts, DirtyHours& dirty) {
  RowSet rows = rows_of<model::ErrorEvent>(facts, 9);
  for (const Fact& fact : facts) {
    const auto* error = std::get_if<model::ErrorEvent>(fact.event);
    if (error == nullptr) continue;
    const model::Origin& origin = error->origin;
    push(rows.values, value_of_id(origin.profile_id), origin.script_name, std::string("error"),
         value_of_text(error->severity), value_of_time(origin.event_time_ns),
         error_metadata(*error), value_of_bytes(fact.block->lane.segment_id),
         value_of_count(fact.block->lane.lane), value_of_count(origin.position));
    mark(dirty, origin.profile_id, "system", origin.event_time_ns);
  }
  return insert_rows(mysql, kErrorHead, rows, kRepeatTail);
}

}  // namespace

std::vector<Fact> facts_of(std::span<const model::Block> blocks) {
  std::vector<Fact> facts;
  for (const model::Block& block : blocks) {
    for (const model::Event& event : block.fact_events)
      facts.push_back({.block = &block, .event = &event});
  }
  std::ranges::stable_sort(
      facts, {}, [](const Fact& fact) { return model::origin_of(*fact.event).profile_id; });
  return facts;
}

Status write_facts(sql::Connection& mysql, std::span<const Fact> facts, DirtyHours& dirty) {
  if (auto done = write_trades(mysql, facts, dirty); !done) return done;
  if (auto done = write_orders(mysql, facts, dirty); !done) return done;
  if (auto done = write_signals(mysql, facts, dirty); !done) return done;
  return write_errors(mysql, facts, dirty);
}

}  // namespace ddt::sidecar
