// ddt/telemetry.hpp — what a trading bot includes. One Telemetry object per bot; publishing costs what a
// store costs and never waits.
//
//   ddt::Telemetry telemetry({.profile_id = 7, .script_name = "order_monitor"});
//   auto orders = telemetry.order_monitor();
//   const ddt::NameId submit = telemetry.name("POST /v2/orders");
//   { auto timer = orders.time(submit); /* call the broker */ timer.outcome(200); }
//   orders.order({.order_id = "o-1", .symbol = "SPY", .order_type = "limit", .side = "buy",
//                 .status = "new", .quantity_e8 = ddt::e8_from_int(10)});
//
// Threads   Telemetry may be shared by all threads of a process; each publishing thread has its own Lane.
//           attach_thread() claims it; a thread that did not pays on its first publish, the only one that
//           may make system calls. Collectors are small values: copy them.
// Units     *_e8: decimal·10^8 (e8_from_double, e8_from_int, e8_from_string); kNullE8 = not said.
//           *_time_ns: nanoseconds since 1970 UTC; kNoTime = not said (event_time: now).
// Errors    publish never throws, blocks, allocates or logs. It answers Published: ok, or why not; what is
//           refused is counted and shows up in the ledger. Where there is no Segment (no room, no
//           permission, disabled) Telemetry is detached, status() says why, and the bot goes on.
// Fork      A child has no Segment until its first publish, which makes one of its own.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "shm/base/clock.hpp"
#include "shm/base/decimal.hpp"
#include "shm/lane.hpp"
#include "shm/record.hpp"
#include "shm/words.hpp"

namespace ddt {

// What became of a publish.
enum class Published : std::uint8_t {
  ok,
  full,       // the Lane has no room for this class: counted as dropped
  invalid,    // a bad number, time, profile or symbol: counted as rejected
  detached,   // no Segment: Telemetry::status() says why
  reentrant,  // a signal handler published during a publish of its own thread
};

struct TelemetryOptions {
  std::int32_t profile_id = 0;          // 1 … 2147483647; the profile of collectors made without one
  std::string_view script_name;         // up to 50 bytes: "order_monitor", …
  std::string_view directory = {};      // default: $DDT_DIR, else /dev/shm/ddt
  std::uint32_t lane_lines = kLaneLinesDefault;  // 64-byte lines per Lane, a power of two
  bool enabled = true;                  // false: every publish is a no-op
};

using NameId = std::uint16_t;  // a registered name (endpoint, metric); 0 = the empty name

// ── what a bot can say ─────────────────────────────────────────────────────────────────────────────
// Every struct: event_time_ns optional (now), metadata optional: a JSON object of at most 1,024 bytes.

struct Signal {
  std::string_view signal_id, symbol;
  Direction direction;
  std::int64_t bar_strength_e8 = kNullE8;
  std::int64_t close_price_e8 = kNullE8;  // of the underlying
  std::int64_t candle_size_e8 = kNullE8, volume_e8 = kNullE8;
  SignalFate fate = "detected";
  std::string_view reason = {};  // why suppressed
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

struct Order {
  std::string_view order_id, parent_order_id = {}, signal_id = {}, symbol;
  OrderType order_type;
  Side side;
  OrderStatus status;
  std::int64_t quantity_e8 = kNullE8, filled_quantity_e8 = kNullE8;
  std::int64_t limit_price_e8 = kNullE8, filled_price_e8 = kNullE8;
  std::int64_t api_latency_ns = kNoTime;  // of the call that told us
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

// One closing of (part of) a position, published once, by whoever closed it.
struct Trade {
  std::string_view symbol;
  TradeType trade_type;
  Side side;  // of the entry: buy = long. Never derived from direction.
  std::int64_t quantity_e8 = kNullE8;
  std::int64_t multiplier_e8 = kNullE8;  // not said: 100 for an OCC option symbol, else 1
  std::int64_t entry_price_e8 = kNullE8, exit_price_e8 = kNullE8;
  std::int64_t reference_price_e8 = kNullE8;  // of the traded instrument when the decision was made
  std::int64_t fees_e8 = 0;
  std::int64_t entry_time_ns = kNoTime, exit_time_ns = kNoTime;  // exit not said: the event time
  ExitReason exit_reason;
  Direction direction;
  std::int64_t bar_strength_e8 = kNullE8, candle_size_e8 = kNullE8;
  std::string_view trade_id = {}, order_id = {}, signal_id = {};
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

struct Equity {
  std::int64_t account_equity_e8 = kNullE8;
  std::int64_t unrealized_pnl_e8 = kNullE8, realized_pnl_e8 = kNullE8;
  std::int64_t margin_used_e8 = kNullE8, margin_available_e8 = kNullE8;
  std::int64_t cash_flow_e8 = kNullE8;     // deposits less withdrawals since the last reading
  std::int32_t open_positions_count = -1;  // -1 = not said
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

struct Position {
  std::string_view symbol;
  Side side;
  std::int64_t quantity_e8 = kNullE8, average_entry_e8 = kNullE8, current_price_e8 = kNullE8;
  std::int64_t market_value_e8 = kNullE8, unrealized_pnl_e8 = kNullE8;
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

struct RateLimit {
  std::int64_t remaining = -1, limit = -1;  // -1 = not said
  std::int64_t reset_time_ns = kNoTime;
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

struct Health {
  HealthStatus status;
  std::int64_t error_count = 0, warning_count = 0;  // since start
  std::int64_t cpu_usage_pct_e8 = kNullE8, memory_usage_mb_e8 = kNullE8;
  std::int64_t expected_interval_s = -1;  // how often this script reports; -1 = not said
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

struct ErrorReport {
  Severity severity = "error";
  std::string_view code;  // up to 50 bytes
  std::string_view text;  // up to 200 bytes, cut there
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

struct Latency {
  NameId endpoint = 0;
  std::int64_t duration_ns = 0;
  std::uint16_t outcome = 0;  // HTTP status, 0 = timeout
  std::int64_t event_time_ns = kNoTime;
};

enum class MetricType : std::uint8_t { counter = 1, gauge = 2, distribution = 3 };

struct Metric {
  NameId name = 0;
  MetricType type = MetricType::gauge;
  std::int64_t value_e8 = kNullE8;
  std::int64_t event_time_ns = kNoTime;
};
