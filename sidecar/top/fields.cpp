#include "sidecar/top/fields.hpp"

#include <array>

#include "sidecar/model/time.hpp"
#include "sidecar/top/text.hpp"

namespace ddt::top {
namespace {

using model::Event;

Field text(std::string_view name, const std::string& value) {
  return {name, Field::Kind::text, !value.empty(), value, 0};
}
Field decimal(std::string_view name, std::int64_t value_e8) {
  return {name, Field::Kind::decimal, !is_null(value_e8), {}, value_e8};
}
Field integer(std::string_view name, std::int64_t value, bool is_said = true) {
  return {name, Field::Kind::integer, is_said, {}, value};
}
Field time(std::string_view name, std::int64_t time_ns) {
  return {name, Field::Kind::time, time_ns != model::kNoTime, {}, time_ns};
}

struct Lister {
  std::vector<Field> operator()(const model::SignalEvent& e) const {
    return {text("signal_id", e.signal_id),
            text("symbol", e.symbol),
            text("direction", e.direction),
            text("fate", e.fate),
            text("reason", e.reason),
            decimal("bar_strength", e.bar_strength_e8),
            decimal("close_price", e.close_price_e8),
            decimal("candle_size", e.candle_size_e8),
            decimal("volume", e.volume_e8)};
  }
  std::vector<Field> operator()(const model::OrderEvent& e) const {
    return {text("order_id", e.order_id),
            text("parent_order_id", e.parent_order_id),
            text("signal_id", e.signal_id),
            text("symbol", e.symbol),
            text("order_type", e.order_type),
            text("side", e.side),
            text("status", e.status),
            decimal("quantity", e.quantity_e8),
            decimal("filled_quantity", e.filled_quantity_e8),
            decimal("limit_price", e.limit_price_e8),
            decimal("filled_price", e.filled_price_e8),
            integer("api_latency_ns", e.api_latency_ns, e.api_latency_ns != model::kNoTime)};
  }
  std::vector<Field> operator()(const model::TradeEvent& e) const {
    return {text("symbol", e.symbol),
            text("trade_type", e.trade_type),
            text("side", e.side),
            decimal("quantity", e.quantity_e8),
            decimal("multiplier", e.multiplier_e8),
            decimal("entry_price", e.entry_price_e8),
            decimal("exit_price", e.exit_price_e8),
            decimal("reference_price", e.reference_price_e8),
            decimal("fees", e.fees_e8),
            time("entry_time", e.entry_time_ns),
            time("exit_time", e.exit_time_ns),
            text("exit_reason", e.exit_reason),
            text("direction", e.direction),
            decimal("bar_strength", e.bar_strength_e8),
            decimal("candle_size", e.candle_size_e8),
            text("trade_id", e.trade_id),
            text("order_id", e.order_id),
            text("signal_id", e.signal_id)};
  }
  std::vector<Field> operator()(const model::ErrorEvent& e) const {
    return {text("severity", e.severity), text("code", e.code), text("text", e.text)};
  }
  std::vector<Field> operator()(const model::EquityEvent& e) const {
    return {decimal("account_equity", e.account_equity_e8),
            decimal("unrealized_pnl", e.unrealized_pnl_e8),
            decimal("realized_pnl", e.realized_pnl_e8),
            decimal("margin_used", e.margin_used_e8),
            decimal("margin_available", e.margin_available_e8),
            decimal("cash_flow", e.cash_flow_e8),
            integer("open_positions_count", e.open_positions_count, e.open_positions_count >= 0)};
  }
  std::vector<Field> operator()(const model::PositionEvent& e) const {
    return {text("symbol", e.symbol),
            text("side", e.side),
            decimal("quantity", e.quantity_e8),
            decimal("average_entry", e.average_entry_e8),
            decimal("current_price", e.current_price_e8),
            decimal("market_value", e.market_value_e8),
            decimal("unrealized_pnl", e.unrealized_pnl_e8)};
  }
  std::vector<Field> operator()(const model::RateLimitEvent& e) const {
    return {integer("remaining", e.remaining, e.remaining >= 0),
            integer("limit", e.limit, e.limit >= 0), time("reset_time", e.reset_time_ns)};
  }
  std::vector<Field> operator()(const model::HealthEvent& e) const {
    return {text("status", e.status),
            integer("error_count", e.error_count),
            integer("warning_count", e.warning_count),
            decimal("cpu_usage_pct", e.cpu_usage_pct_e8),
            decimal("memory_usage_mb", e.memory_usage_mb_e8),
            integer("expected_interval_s", e.expected_interval_s, e.expected_interval_s >= 0)};
  }
  std::vector<Field> operator()(const model::LatencyEvent& e) const {
    return {text("endpoint", e.endpoint), integer("duration_ns", e.duration_ns),
            integer("outcome", e.outcome)};
  }
  std::vector<Field> operator()(const model::MetricEvent& e) const {
    static constexpr std::array<const char*, 4> kTypes{"", "counter", "gauge", "distribution"};
    return {text("name", e.name), text("metric_type", kTypes.at(static_cast<std::size_t>(e.kind))),
            decimal("value", e.value_e8)};
  }
};

// In quotes where it would not be one word.
std::string quoted(const std::string& value) {
  const std::string shown = escaped(value);
  if (shown.find_first_of(" =\"") == std::string::npos) return shown;
  std::string out = "\"";
  for (const char c : shown) out += c == '"' ? std::string("\\\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

std::string_view kind_of(const Event& event) {
  static constexpr std::array<std::string_view, std::variant_size_v<Event>> kNames{
      "signal",   "order",      "trade",  "error",   "equity",
      "position", "rate_limit", "health", "latency", "metric"};
  return kNames[event.index()];
}

std::vector<Field> fields_of(const Event& event) { return std::visit(Lister{}, event); }

std::string readable(const std::vector<Field>& fields) {
  std::string out;
  for (const Field& field : fields) {
    if (!field.is_said) continue;
    if (!out.empty()) out += " ";
    out += std::string(field.name) + "=";
    switch (field.kind) {
      case Field::Kind::text:
        out += quoted(field.text);
        break;
      case Field::Kind::decimal:
        out += e8_string(field.number);
        break;
      case Field::Kind::integer:
        out += std::to_string(field.number);
        break;
      case Field::Kind::time:
        out += model::rfc3339(field.number);
        break;
    }
  }
  return out;
}

void write_members(model::JsonWriter& json, const std::vector<Field>& fields) {
  for (const Field& field : fields) {
    json.key(field.name);
    if (!field.is_said) {
      json.null();
      continue;
    }
    switch (field.kind) {
      case Field::Kind::text:
        json.string(field.text);
        break;
      case Field::Kind::decimal:
        json.e8_text(field.number);
        break;
      case Field::Kind::integer:
        json.integer(field.number);
        break;
      case Field::Kind::time:
        json.string(model::rfc3339(field.number));
        break;
    }
  }
}

}  // namespace ddt::top
