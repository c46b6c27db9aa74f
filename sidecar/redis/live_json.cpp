// The JSON of live values: field names of the original models and of the columns.
#include <string>
#include <string_view>

#include "sidecar/model/equity.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/model/trades.hpp"
#include "sidecar/redis/live.hpp"

namespace ddt::redis {
namespace {

using model::JsonWriter;

void text(JsonWriter& json, std::string_view name, std::string_view value) {
  json.key(name);
  value.empty() ? json.null() : json.string(value);
}

void decimal(JsonWriter& json, std::string_view name, std::int64_t value_e8) {
  json.key(name).e8_text(value_e8);
}
void decimal(JsonWriter& json, std::string_view name, std::optional<int128> value_e8) {
  json.key(name).e8_text(value_e8);
}

void time(JsonWriter& json, std::string_view name, std::int64_t time_ns) {
  text(json, name, time_ns == model::kNoTime ? std::string() : model::rfc3339(time_ns));
}

// A count, or null where -1 says that it was not said.
void count(JsonWriter& json, std::string_view name, std::int64_t value) {
  json.key(name);
  value < 0 ? json.null() : json.integer(value);
}

void fields(JsonWriter& json, const model::SignalEvent& event) {
  text(json, "signal_id", event.signal_id);
  text(json, "symbol", event.symbol);
  text(json, "direction", event.direction);
  text(json, "fate", event.fate);
  text(json, "reason", event.reason);
  decimal(json, "bar_strength", event.bar_strength_e8);
  decimal(json, "close_price", event.close_price_e8);
  decimal(json, "candle_size", event.candle_size_e8);
  decimal(json, "volume", event.volume_e8);
}

void fields(JsonWriter& json, const model::OrderEvent& event) {
  text(json, "order_id", event.order_id);
  text(json, "parent_order_id", event.parent_order_id);
  text(json, "signal_id", event.signal_id);
  text(json, "symbol", event.symbol);
  text(json, "order_type", event.order_type);
  text(json, "side", event.side);
  text(json, "status", event.status);
  decimal(json, "quantity", event.quantity_e8);
  decimal(json, "filled_quantity", event.filled_quantity_e8);
  decimal(json, "limit_price", event.limit_price_e8);
  decimal(json, "filled_price", event.filled_price_e8);
  json.key("api_latency_ms");
  event.api_latency_ns == model::kNoTime ? json.null() : json.decimal_text(event.api_latency_ns, 6);
}

void fields(JsonWriter& json, const model::TradeEvent& event) {
  const model::TradeRow row = model::row_of(event);
  text(json, "symbol", event.symbol);
  text(json, "trade_type", event.trade_type);
  text(json, "side", event.side);
  decimal(json, "entry_price", event.entry_price_e8);
  decimal(json, "exit_price", event.exit_price_e8);
  decimal(json, "reference_price", event.reference_price_e8);
  decimal(json, "quantity", event.quantity_e8);
  decimal(json, "multiplier", event.multiplier_e8);
  decimal(json, "fees", event.fees_e8);
  decimal(json, "pnl", model::pnl_e8(row));
  decimal(json, "pnl_pct", model::pnl_pct_e8(row));
  decimal(json, "slippage", model::slippage_e8(row));
  time(json, "entry_time", event.entry_time_ns);
  time(json, "exit_time", event.exit_time_ns);
  const std::optional<std::int64_t> duration_us = model::duration_us(row);
  json.key("duration_seconds");
  duration_us ? json.decimal_text(*duration_us, 6) : json.null();
  decimal(json, "bar_strength", event.bar_strength_e8);
  decimal(json, "candle_size", event.candle_size_e8);
  text(json, "direction", event.direction);
  text(json, "exit_reason", event.exit_reason);
  text(json, "trade_id", event.trade_id);
  text(json, "order_id", event.order_id);
  text(json, "signal_id", event.signal_id);
}

void fields(JsonWriter& json, const model::ErrorEvent& event) {
  text(json, "severity", event.severity);
  text(json, "code", event.code);
  text(json, "text", event.text);
}

void fields(JsonWriter& json, const model::EquityEvent& event) {
  decimal(json, "account_equity", event.account_equity_e8);
  decimal(json, "unrealized_pnl", event.unrealized_pnl_e8);
  decimal(json, "realized_pnl", event.realized_pnl_e8);
  decimal(json, "total_pnl", model::total_pnl_e8(event.realized_pnl_e8, event.unrealized_pnl_e8));
  decimal(json, "margin_used", event.margin_used_e8);
  decimal(json, "margin_available", event.margin_available_e8);
  decimal(json, "margin_utilization_pct",
          model::margin_utilization_pct_e8(event.margin_used_e8, event.account_equity_e8)
              .value_or(kNullE8));
  count(json, "open_positions_count", event.open_positions_count);
  decimal(json, "cash_flow", event.cash_flow_e8);
}

void fields(JsonWriter& json, const model::PositionEvent& event) {
  text(json, "symbol", event.symbol);
  text(json, "side", event.side);
  decimal(json, "quantity", event.quantity_e8);
  decimal(json, "average_entry", event.average_entry_e8);
  decimal(json, "current_price", event.current_price_e8);
  decimal(json, "market_value", event.market_value_e8);
  decimal(json, "unrealized_pnl", event.unrealized_pnl_e8);
}

void fields(JsonWriter& json, const model::RateLimitEvent& event) {
  count(json, "remaining", event.remaining);
  count(json, "limit", event.limit);
  time(json, "reset_time", event.reset_time_ns);
}

void fields(JsonWriter& json, const model::HealthEvent& event) {
  text(json, "status", event.status);
  json.key("error_count").integer(event.error_count);
  json.key("warning_count").integer(event.warning_count);
  decimal(json, "cpu_usage_pct", event.cpu_usage_pct_e8);
  decimal(json, "memory_usage_mb", event.memory_usage_mb_e8);
  count(json, "expected_interval_s", event.expected_interval_s);
}

void fields(JsonWriter& json, const model::LatencyEvent& event) {
  text(json, "endpoint", event.endpoint);
  json.key("latency_ms").decimal_text(event.duration_ns, 6);
  json.key("outcome").integer(event.outcome);
}

void fields(JsonWriter& json, const model::MetricEvent& event) {
  text(json, "name", event.name);
  decimal(json, "value", event.value_e8);
}

}  // namespace

// event_time_ns is first: the append script looks for it there and nowhere else.
std::string live_json(const model::Event& event) {
  constexpr std::size_t kUsualBytes = 768;  // a trade's
  const model::Origin& origin = model::origin_of(event);
  JsonWriter json(kUsualBytes);
  json.begin_object();
  json.key("event_time_ns").string(std::to_string(origin.event_time_ns));
  time(json, "timestamp", origin.event_time_ns);
  json.key("profile_id").integer(origin.profile_id);
  json.key("script_name").string(origin.script_name);
  std::visit([&json](const auto& one) { fields(json, one); }, event);
  json.key("metadata");
  origin.metadata.empty() ? json.begin_object().end_object() : json.raw(origin.metadata);
  json.end_object();
  return std::move(json).take();
}

}  // namespace ddt::redis
