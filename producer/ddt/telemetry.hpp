// ddt/telemetry.hpp — what a trading bot includes. One Telemetry object per bot; publishing costs
// what a store costs and never waits.
//
//   ddt::Telemetry telemetry({.profile_id = 7, .script_name = "order_monitor"});
//   auto orders = telemetry.order_monitor();
//   const ddt::NameId submit = telemetry.name("POST /v2/orders");
//   { auto timer = orders.time(submit); /* call the broker */ timer.outcome(200); }
//   orders.order({.order_id = "o-1", .symbol = "SPY", .order_type = "limit", .side = "buy",
//                 .status = "new", .quantity_e8 = ddt::e8_from_int(10)});
//
// Threads   Telemetry may be shared by all threads of a process; each publishing thread has its own
//           Lane. attach_thread() claims it; a thread that did not pays on its first publish, the
//           only one that may make system calls. Collectors are small values: copy them. A signal
//           handler may publish where the thread it interrupts is attached.
// Units     *_e8: decimal·10^8 (e8_from_double, e8_from_int, e8_from_string); kNullE8 = not said.
//           *_time_ns: nanoseconds since 1970 UTC; kNoTime = not said (event_time: now).
// Errors    publish never throws, blocks, allocates or logs. It answers Published: ok, or why not;
//           what is refused is counted and shows up in the ledger. Where there is no Segment (no
//           room, no permission, disabled) Telemetry is detached, status_text() says why, and the
//           bot goes on.
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
  std::int32_t profile_id = 0;  // 1 … 2147483647; the profile of collectors made without one
  std::string_view script_name = {};             // up to 50 bytes: "order_monitor", …
  std::string_view directory = {};               // default: $DDT_DIR, else /dev/shm/ddt
  std::uint32_t lane_lines = kLaneLinesDefault;  // 64-byte lines per Lane, a power of two
  bool enabled = true;                           // false: every publish is a no-op
};

using NameId = std::uint16_t;  // a registered name (endpoint, metric); 0 = the empty name

// ── what a bot can say ───────────────────────────────────────────────────────────────────────────
// Every struct: event_time_ns optional (now), metadata optional: a JSON object of at most 1,024
// bytes.

struct Signal {
  std::string_view signal_id = {}, symbol = {};
  Direction direction = {};
  std::int64_t bar_strength_e8 = kNullE8;
  std::int64_t close_price_e8 = kNullE8;  // of the underlying
  std::int64_t candle_size_e8 = kNullE8, volume_e8 = kNullE8;
  SignalFate fate = "detected";
  std::string_view reason = {};  // why suppressed
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

struct Order {
  std::string_view order_id = {}, parent_order_id = {}, signal_id = {}, symbol = {};
  OrderType order_type = {};
  Side side = {};
  OrderStatus status = {};
  std::int64_t quantity_e8 = kNullE8, filled_quantity_e8 = kNullE8;
  std::int64_t limit_price_e8 = kNullE8, filled_price_e8 = kNullE8;
  std::int64_t api_latency_ns = kNoTime;  // of the call that told us
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

// One closing of (part of) a position, published once, by whoever closed it.
struct Trade {
  std::string_view symbol = {};
  TradeType trade_type = {};
  Side side = {};  // of the entry: buy = long. Never derived from direction.
  std::int64_t quantity_e8 = kNullE8;
  std::int64_t multiplier_e8 = kNullE8;  // not said: 100 for an OCC option symbol, else 1
  std::int64_t entry_price_e8 = kNullE8, exit_price_e8 = kNullE8;
  std::int64_t reference_price_e8 = kNullE8;  // of the traded instrument when the decision was made
  std::int64_t fees_e8 = 0;
  std::int64_t entry_time_ns = kNoTime, exit_time_ns = kNoTime;  // exit not said: the event time
  ExitReason exit_reason = {};
  Direction direction = {};
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
  std::string_view symbol = {};
  Side side = {};
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
  HealthStatus status = {};
  std::int64_t error_count = 0, warning_count = 0;  // since start
  std::int64_t cpu_usage_pct_e8 = kNullE8, memory_usage_mb_e8 = kNullE8;
  std::int64_t expected_interval_s = -1;  // how often this script reports; -1 = not said
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

struct ErrorReport {
  Severity severity = "error";
  std::string_view code = {};  // up to 50 bytes
  std::string_view text = {};  // up to 200 bytes, cut there
  std::int64_t event_time_ns = kNoTime;
  std::string_view metadata = {};
};

// Samples may bring ticks the bot has taken already: `.stamp_ticks = end` saves most of what a sample
// costs. They are those of ddt::ticks_now(): the TSC, where has_invariant_tsc().
inline constexpr std::uint64_t kNoTicks = 0;  // not said: taken at publish

struct Latency {
  NameId endpoint = 0;
  std::int64_t duration_ns = 0;
  std::uint16_t outcome = 0;  // HTTP status, 0 = timeout
  std::int64_t event_time_ns = kNoTime;
  std::uint64_t stamp_ticks = kNoTicks;  // where there is no event time
};

enum class MetricType : std::uint8_t { counter = 1, gauge = 2, distribution = 3 };

struct Metric {
  NameId name = 0;
  MetricType type = MetricType::gauge;
  std::int64_t value_e8 = kNullE8;
  std::int64_t event_time_ns = kNoTime;
  std::uint64_t stamp_ticks = kNoTicks;  // as above
};

// ── the publishing side ──────────────────────────────────────────────────────────────────────────

namespace detail {

class TelemetryCore;

// The calling thread's Lane of the Telemetry it last published through: nullptr where this thread could
// not get one. Two variables, not one struct: GCC takes a struct's address and keeps it on the stack,
// and its load stands before everything else (1.3 ns; bench/publish_bench).
inline constexpr std::uint64_t kNoInstance = ~std::uint64_t{0};
inline constinit thread_local std::uint64_t t_lane_instance = kNoInstance;
inline constinit thread_local LaneWriter* t_lane = nullptr;

// Who speaks, as it stands in the last word of a RecordHead; 0 where the profile is none.
class Speaker {
 public:
  constexpr Speaker() noexcept = default;
  constexpr Speaker(std::int32_t profile_id, std::uint16_t script) noexcept {
    if (profile_id < 1) return;
    label_ = std::uint64_t{script} << 16U | static_cast<std::uint64_t>(profile_id) << 32U;
  }
  constexpr bool can_speak() const noexcept { return label_ != 0; }
  constexpr std::int32_t profile_id() const noexcept {
    return static_cast<std::int32_t>(label_ >> 32U);
  }
  constexpr std::uint16_t script() const noexcept {
    return static_cast<std::uint16_t>(label_ >> 16U);
  }
  constexpr std::uint64_t label(RecordKind kind, std::uint8_t flags) const noexcept {
    return label_ | static_cast<std::uint64_t>(kind) | std::uint64_t{flags} << 8U;
  }

 private:
  std::uint64_t label_ = 0;
};

// Check, encode, publish on a Lane. Records with texts: producer/encode.cpp; samples: in line,
// below.
Published publish_record(LaneWriter& lane, Speaker speaker, const Signal& signal) noexcept;
Published publish_record(LaneWriter& lane, Speaker speaker, const Order& order) noexcept;
Published publish_record(LaneWriter& lane, Speaker speaker, const Trade& trade) noexcept;
Published publish_record(LaneWriter& lane, Speaker speaker, const Equity& equity) noexcept;
Published publish_record(LaneWriter& lane, Speaker speaker, const Position& position) noexcept;
Published publish_record(LaneWriter& lane, Speaker speaker, const RateLimit& rate_limit) noexcept;
Published publish_record(LaneWriter& lane, Speaker speaker, const Health& health) noexcept;
Published publish_record(LaneWriter& lane, Speaker speaker, const ErrorReport& error) noexcept;

// Wall times a Record may carry: 1970 … 2200.
inline constexpr std::int64_t kLatestTimeNs = 7'258'118'400'000'000'000;
constexpr bool is_possible_time(std::int64_t time_ns) noexcept {
  return time_ns >= 0 && time_ns < kLatestTimeNs;
}
constexpr bool is_possible_or_unsaid_time(std::int64_t time_ns) noexcept {
  return time_ns == kNoTime || is_possible_time(time_ns);
}

constexpr Published to_published(Publish result) noexcept {
  switch (result) {
    case Publish::ok:
      return Published::ok;
    case Publish::full:
      return Published::full;
    default:
      return Published::reentrant;
  }
}

inline RecordStamp stamp_of(RecordKind kind, Speaker speaker, std::int64_t event_time_ns) noexcept {
  RecordStamp stamp{.kind = kind,
                    .flags = 0,
                    .script = speaker.script(),
                    .profile_id = speaker.profile_id(),
                    .stamp = static_cast<std::uint64_t>(event_time_ns)};
  if (event_time_ns == kNoTime) [[likely]] {
    stamp.stamp = ticks_now();
  } else {
    stamp.flags = kEventTimeGiven;
  }
  return stamp;
}

inline Published refuse(LaneWriter& lane) noexcept {
  return lane.count_refused() ? Published::invalid : Published::reentrant;
}

// A sample's body is one line's payload, word by word.
template <typename Sample>
[[gnu::always_inline]] inline Published publish_sample(LaneWriter& lane, Speaker speaker,
                                                       RecordKind kind, const Sample& sample,
                                                       const FirstPayload& body) noexcept {
  const bool is_time_given = sample.event_time_ns != kNoTime;
  const auto take_stamp = [given = sample.event_time_ns, ticks = sample.stamp_ticks]() noexcept {
    if (given != kNoTime) return static_cast<std::uint64_t>(given);
    return ticks != kNoTicks ? ticks : ticks_now();
  };
  return to_published(lane.try_publish(
      RecordClass::sample, speaker.label(kind, is_time_given ? kEventTimeGiven : std::uint8_t{0}),
      take_stamp, body));
}

// Always in line: at -O2 GCC makes calls of these, and a sample half as dear again.
[[gnu::always_inline]] inline Published publish_record(LaneWriter& lane, Speaker speaker,
                                                       const Latency& latency) noexcept {
  if (latency.duration_ns < 0 || !is_possible_or_unsaid_time(latency.event_time_ns) ||
      !speaker.can_speak()) [[unlikely]] {
    return refuse(lane);
  }
  // A LatencyBody.
  return publish_sample(
      lane, speaker, RecordKind::latency, latency,
      {static_cast<std::uint64_t>(latency.duration_ns),
       std::uint64_t{latency.endpoint} | std::uint64_t{latency.outcome} << 16U, 0});
}

[[gnu::always_inline]] inline Published publish_record(LaneWriter& lane, Speaker speaker,
                                                       const Metric& metric) noexcept {
  if (!is_valid_number(metric.value_e8) || !is_possible_or_unsaid_time(metric.event_time_ns) ||
      !speaker.can_speak()) [[unlikely]] {
    return refuse(lane);
  }
  // A MetricBody.
  return publish_sample(
      lane, speaker, RecordKind::metric, metric,
      {static_cast<std::uint64_t>(metric.value_e8),
       std::uint64_t{metric.name} | static_cast<std::uint64_t>(metric.type) << 16U, 0});
}

}  // namespace detail

class Telemetry;

// Says how long a call took when it goes out of scope; outcome() tells how it ended (not told: a
// timeout).
class ApiTimer {
 public:
  ApiTimer(const ApiTimer&) = delete;
  ApiTimer& operator=(const ApiTimer&) = delete;
  ~ApiTimer();
  void outcome(std::uint16_t http_status) noexcept { outcome_ = http_status; }
  std::int64_t elapsed_ns() const noexcept { return monotonic_ns() - start_ns_; }

 private:
  friend class Collector;
  ApiTimer(const Telemetry& telemetry, detail::Speaker speaker, NameId endpoint) noexcept
      : telemetry_(telemetry), speaker_(speaker), endpoint_(endpoint), start_ns_(monotonic_ns()) {}

  const Telemetry& telemetry_;
  detail::Speaker speaker_;
  NameId endpoint_;
  std::uint16_t outcome_ = 0;
  std::int64_t start_ns_;
};

// What every script can say; the collectors below add what is theirs. Refers to its Telemetry.
class Collector {
 public:
  Published latency(const Latency& value) const noexcept { return publish(value); }
  [[nodiscard]] ApiTimer time(NameId endpoint) const noexcept {
    return {*telemetry_, speaker_, endpoint};
  }
  Published metric(const Metric& value) const noexcept { return publish(value); }
  Published health(const Health& value) const noexcept { return publish(value); }
  Published error(const ErrorReport& value) const noexcept { return publish(value); }
  Published rate_limit(const RateLimit& value) const noexcept { return publish(value); }

 protected:
  friend class Telemetry;
  Collector(const Telemetry& telemetry, detail::Speaker speaker) noexcept
      : telemetry_(&telemetry), speaker_(speaker) {}
  template <typename Said>
  Published publish(const Said& said) const noexcept;

 private:
  const Telemetry* telemetry_;
  detail::Speaker speaker_;
};

class BreakoutDetector : public Collector {
 public:
  using Collector::Collector;
  Published signal(const Signal& value) const noexcept { return publish(value); }
};

class ProfileListener : public Collector {
 public:
  using Collector::Collector;
  Published signal(const Signal& value) const noexcept {
    return publish(value);
  }  // its fate for this profile
  Published order(const Order& value) const noexcept { return publish(value); }
};

class OrderMonitor : public Collector {
 public:
  using Collector::Collector;
  Published order(const Order& value) const noexcept { return publish(value); }
  Published trade(const Trade& value) const noexcept { return publish(value); }
};

class EquityMonitor : public Collector {
 public:
  using Collector::Collector;
  Published equity(const Equity& value) const noexcept { return publish(value); }
  Published position(const Position& value) const noexcept { return publish(value); }
  Published trade(const Trade& value) const noexcept { return publish(value); }
};

using System = Collector;

// The one object a bot holds. Not copyable; must outlive its collectors.
class Telemetry {
 public:
  explicit Telemetry(const TelemetryOptions& options) noexcept;
  ~Telemetry();
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

  // Whether this process has a Segment, and if not, why. status_text() allocates: not for the hot
  // path.
  bool is_attached() const noexcept;
  std::string status_text() const;

  // Claims this thread's Lane: the system calls happen here instead of in the first publish.
  bool attach_thread() const noexcept { return this_thread_lane() != nullptr; }
  // Room and size of this thread's Lane in lines; 0 where there is none. For callers that pace
  // themselves.
  std::uint32_t lines_free() const noexcept;
  std::uint32_t lane_lines() const noexcept;

  // The id of a name (endpoint, metric), registered once; up to 63 bytes. Takes a lock: call it at
  // start. When the table of 512 is full: the id of "__overflow__".
  NameId name(std::string_view text) const noexcept;

  BreakoutDetector breakout_detector(std::int32_t profile_id = 0) const noexcept {
    return {*this, speaker(profile_id)};
  }
  ProfileListener profile_listener(std::int32_t profile_id = 0) const noexcept {
    return {*this, speaker(profile_id)};
  }
  OrderMonitor order_monitor(std::int32_t profile_id = 0) const noexcept {
    return {*this, speaker(profile_id)};
  }
  EquityMonitor equity_monitor(std::int32_t profile_id = 0) const noexcept {
    return {*this, speaker(profile_id)};
  }
  System system(std::int32_t profile_id = 0) const noexcept { return {*this, speaker(profile_id)}; }

  // Publishes one of the structs above for the given (default: own) profile.
  template <typename Said>
  [[gnu::always_inline]] Published publish(const Said& said) const noexcept {
    return publish_as(speaker_, said);
  }

  template <typename Said>
  [[gnu::always_inline]] Published publish_as(detail::Speaker speaker, const Said& said) const noexcept {
    LaneWriter* lane = this_thread_lane();
    if (lane == nullptr) [[unlikely]]
      return Published::detached;
    return detail::publish_record(*lane, speaker, said);
  }

 private:
  detail::Speaker speaker(std::int32_t profile_id) const noexcept {
    return {profile_id == 0 ? speaker_.profile_id() : profile_id, speaker_.script()};
  }
  LaneWriter* this_thread_lane() const noexcept {
    if (detail::t_lane_instance == instance_) [[likely]]
      return detail::t_lane;
    return instance_ == 0 ? nullptr : attach_this_thread();
  }
  LaneWriter* attach_this_thread() const noexcept;

  std::uint64_t instance_ = 0;  // unique per process; 0 = disabled
  detail::Speaker speaker_{};
  std::shared_ptr<detail::TelemetryCore>
      core_;  // shared with thread-exit handlers, which may run after us
};

template <typename Said>
Published Collector::publish(const Said& said) const noexcept {
  return telemetry_->publish_as(speaker_, said);
}

inline ApiTimer::~ApiTimer() {
  telemetry_.publish_as(
      speaker_, Latency{.endpoint = endpoint_, .duration_ns = elapsed_ns(), .outcome = outcome_});
}

}  // namespace ddt
