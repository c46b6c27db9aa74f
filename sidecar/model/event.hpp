// sidecar/model/event.hpp — Events: Records decoded and validated, and facts as they travel in the journal.
//
// Units     *_e8 are decimals scaled by 1e8 (shm/base/decimal.hpp), kNullE8 = not said. Times are
//           nanoseconds since 1970 UTC, kNoTime = not said. Words are canonical text, "" = not said.
// Identity  (segment, lane, position) names a fact for ever: it is its unique key in MySQL. Segment and
//           lane are the Block's; position is the fact's own.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>

#include "shm/base/decimal.hpp"

namespace ddt::model {

inline constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();

using SegmentId = std::array<std::uint8_t, 16>;

// What every Event carries.
struct Origin {
  std::int32_t profile_id = 0;
  std::string script_name;
  std::uint64_t position = 0;      // of the Record in its Lane, in lines
  std::int64_t event_time_ns = 0;  // the bot's, or the time of publish
  std::string metadata;            // a JSON object, or ""
};

struct SignalEvent {
  Origin origin;
  std::string signal_id, symbol, direction, fate, reason;  // fate: detected, traded, suppressed
  std::int64_t bar_strength_e8 = kNullE8, close_price_e8 = kNullE8, candle_size_e8 = kNullE8, volume_e8 = kNullE8;
};

struct OrderEvent {
  Origin origin;
  std::string order_id, parent_order_id, signal_id, symbol, order_type, side, status;
  std::int64_t quantity_e8 = kNullE8, filled_quantity_e8 = kNullE8;
  std::int64_t limit_price_e8 = kNullE8, filled_price_e8 = kNullE8;
  std::int64_t api_latency_ns = kNoTime;
};

struct TradeEvent {
  Origin origin;
  std::string symbol, trade_type, side, exit_reason, direction, trade_id, order_id, signal_id;
  std::int64_t quantity_e8 = kNullE8, multiplier_e8 = kE8;  // the multiplier is always known here
  std::int64_t entry_price_e8 = kNullE8, exit_price_e8 = kNullE8, reference_price_e8 = kNullE8;
  std::int64_t fees_e8 = 0, bar_strength_e8 = kNullE8, candle_size_e8 = kNullE8;
  std::int64_t entry_time_ns = kNoTime, exit_time_ns = 0;
};

struct ErrorEvent {
  Origin origin;
  std::string severity, code, text;
};

struct EquityEvent {
  Origin origin;
  std::int64_t account_equity_e8 = 0;
  std::int64_t unrealized_pnl_e8 = kNullE8, realized_pnl_e8 = kNullE8;
  std::int64_t margin_used_e8 = kNullE8, margin_available_e8 = kNullE8;
  std::int64_t cash_flow_e8 = kNullE8;      // deposits less withdrawals since the last reading
  std::int32_t open_positions_count = -1;   // -1 = not said
};

struct PositionEvent {
  Origin origin;
  std::string symbol, side;
  std::int64_t quantity_e8 = 0, average_entry_e8 = kNullE8, current_price_e8 = kNullE8;
  std::int64_t market_value_e8 = kNullE8, unrealized_pnl_e8 = kNullE8;
};

struct RateLimitEvent {
  Origin origin;
  std::int64_t remaining = -1, limit = -1;  // -1 = not said
  std::int64_t reset_time_ns = kNoTime;
};

struct HealthEvent {
  Origin origin;
  std::string status;
  std::int64_t error_count = 0, warning_count = 0;  // since the script's start
  std::int64_t cpu_usage_pct_e8 = kNullE8, memory_usage_mb_e8 = kNullE8;
  std::int64_t expected_interval_s = -1;  // -1 = not said
};

struct LatencyEvent {
  Origin origin;
  std::string endpoint;
  std::int64_t duration_ns = 0;
  std::int32_t outcome = 0;  // HTTP status, 0 = timeout
};

enum class MetricKind : std::uint8_t { counter = 1, gauge = 2, distribution = 3 };

struct MetricEvent {
  Origin origin;
  std::string name;
  MetricKind kind = MetricKind::gauge;
  std::int64_t value_e8 = 0;
};

using Event = std::variant<SignalEvent, OrderEvent, TradeEvent, ErrorEvent, EquityEvent, PositionEvent,
                           RateLimitEvent, HealthEvent, LatencyEvent, MetricEvent>;

inline const Origin& origin_of(const Event& event) {
  return std::visit([](const auto& e) -> const Origin& { return e.origin; }, event);
}

}  // namespace ddt::model
