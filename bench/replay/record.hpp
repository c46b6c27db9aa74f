// bench/replay/record.hpp — what a simulated bot says, owning its text, before it goes anywhere.
//
// The fields and their meaning are those of ddt/telemetry.hpp; "" and kNullE8 are "not said". Times are
// as published, whole microseconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "shm/base/decimal.hpp"

namespace ddt::replay {

inline constexpr std::int64_t kUnsaidTime = std::numeric_limits<std::int64_t>::min();

enum class Script : std::uint8_t {
  breakout_detector,
  profile_listener,
  order_monitor,
  equity_monitor
};
inline constexpr std::array<std::string_view, 4> kScriptNames{
    "breakout_detector", "profile_listener", "order_monitor", "equity_monitor"};
constexpr std::string_view name_of(Script script) noexcept {
  return kScriptNames[static_cast<std::size_t>(script)];
}

struct SignalRecord {
  std::string signal_id, symbol, direction, fate, reason;
  std::int64_t bar_strength_e8 = kNullE8, close_price_e8 = kNullE8, candle_size_e8 = kNullE8,
               volume_e8 = kNullE8;
  bool operator==(const SignalRecord&) const = default;
};
struct OrderRecord {
  std::string order_id, parent_order_id, signal_id, symbol, order_type, side, status;
  std::int64_t quantity_e8 = kNullE8, filled_quantity_e8 = kNullE8, limit_price_e8 = kNullE8,
               filled_price_e8 = kNullE8;
  std::int64_t api_latency_ns = kUnsaidTime;
  bool operator==(const OrderRecord&) const = default;
};
struct TradeRecord {
  std::string symbol, trade_type, side;
  std::int64_t quantity_e8 = kNullE8, multiplier_e8 = kNullE8;
  std::int64_t entry_price_e8 = kNullE8, exit_price_e8 = kNullE8, reference_price_e8 = kNullE8;
  std::int64_t fees_e8 = 0;
  std::int64_t entry_time_ns = kUnsaidTime, exit_time_ns = kUnsaidTime;
  std::string exit_reason, direction;
  std::int64_t bar_strength_e8 = kNullE8, candle_size_e8 = kNullE8;
  std::string trade_id, order_id, signal_id;
  bool operator==(const TradeRecord&) const = default;
};
struct EquityRecord {
  std::int64_t account_equity_e8 = 0, unrealized_pnl_e8 = 0, realized_pnl_e8 = 0;
  std::int64_t margin_used_e8 = kNullE8, margin_available_e8 = kNullE8, cash_flow_e8 = kNullE8;
  std::int32_t open_positions_count = 0;
  bool operator==(const EquityRecord&) const = default;
};
struct PositionRecord {
  std::string symbol, side;
  std::int64_t quantity_e8 = 0, average_entry_e8 = kNullE8, current_price_e8 = kNullE8,
               market_value_e8 = kNullE8, unrealized_pnl_e8 = kNullE8;
  bool operator==(const PositionRecord&) const = default;
};
struct LatencyRecord {
  std::string endpoint;
  std::int64_t duration_ns = 0;  // whole microseconds
  std::uint16_t outcome = 0;     // HTTP status, 0 = timeout
  bool operator==(const LatencyRecord&) const = default;
};
struct RateLimitRecord {
  std::int64_t remaining = -1, limit = -1, reset_time_ns = kUnsaidTime;
  bool operator==(const RateLimitRecord&) const = default;
};
struct HealthRecord {
  std::string status;
  std::int64_t error_count = 0, warning_count = 0;
  std::int64_t cpu_usage_pct_e8 = kNullE8, memory_usage_mb_e8 = kNullE8;
  std::int64_t expected_interval_s = -1;
  bool operator==(const HealthRecord&) const = default;
};
struct ErrorRecord {
  std::string severity, code, text;
  bool operator==(const ErrorRecord&) const = default;
};
struct MetricRecord {
  std::string name, type;  // counter, gauge, distribution
  std::int64_t value_e8 = 0;
  bool operator==(const MetricRecord&) const = default;
};

// In the order of kKindNames.
using RecordBody =
    std::variant<SignalRecord, OrderRecord, TradeRecord, EquityRecord, PositionRecord,
                 LatencyRecord, RateLimitRecord, HealthRecord, ErrorRecord, MetricRecord>;
inline constexpr std::size_t kKindCount = std::variant_size_v<RecordBody>;
inline constexpr std::array<std::string_view, kKindCount> kKindNames{
    "signal",  "order",      "trade",  "equity", "position",
    "latency", "rate_limit", "health", "error",  "metric"};

struct Record {
  Script script = Script::breakout_detector;
  std::int32_t profile_id = 0;
  std::int64_t event_time_ns = 0;
  std::int64_t due_ns = 0;  // wall time at which it is to be published; 0 = at once
  std::string metadata;     // a JSON object, or ""
  RecordBody body;
  bool operator==(const Record&) const = default;
};

// Where Records go. The simulation asks between bars whether it should go on.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void accept(const Record& record) = 0;
  virtual bool is_stopping() const = 0;
};

}  // namespace ddt::replay
