// bench/harness/kinds.hpp — one thing of each kind that a bot says, made in the call as bots make it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <ddt/telemetry.hpp>

namespace ddt::bench {

enum class Kind : std::size_t {
  latency,
  metric,
  latency_own_ticks,  // the caller has a TSC already
  metric_own_ticks,
  signal,
  order,
  trade,
  equity,
  position,
  rate_limit,
  health,
  error,
};
inline constexpr std::size_t kKinds = 12;
struct KindName {
  const char* kind;
  bool is_own_ticks;
};
inline constexpr std::array<KindName, kKinds> kKindNames{{{"sample", false},
                                                          {"metric", false},
                                                          {"sample", true},
                                                          {"metric", true},
                                                          {"signal", false},
                                                          {"order", false},
                                                          {"trade", false},
                                                          {"equity", false},
                                                          {"position", false},
                                                          {"rate limit", false},
                                                          {"health", false},
                                                          {"error", false}}};

// What the makers take: registered once, as bots do.
struct Subject {
  NameId endpoint = 0;
  std::int64_t time_ns = 0;
  std::uint64_t ticks = 1;
};

inline Trade trade_of(std::int64_t time_ns) {
  return {.symbol = "SPY",
          .trade_type = "breakout",
          .side = "buy",
          .quantity_e8 = e8_from_int(10),
          .entry_price_e8 = e8_from_int(167),
          .exit_price_e8 = e8_from_int(168),
          .reference_price_e8 = e8_from_int(167),
          .entry_time_ns = time_ns,
          .exit_time_ns = time_ns,
          .exit_reason = "profit_target"};
}

// use(make): make(i) is the i-th thing to say, a struct of <ddt/telemetry.hpp>.
template <typename Use>
void with_sample(Kind kind, const Subject& subject, Use use) {
  const NameId name = subject.endpoint;
  const std::uint64_t ticks = subject.ticks;
  switch (kind) {
    case Kind::latency:
      return use([name](std::uint32_t i) {
        return Latency{.endpoint = name, .duration_ns = 1'500'000 + i, .outcome = 200};
      });
    case Kind::metric:
      return use([name](std::uint32_t i) { return Metric{.name = name, .value_e8 = i}; });
    case Kind::latency_own_ticks:
      return use([name, ticks](std::uint32_t i) {
        return Latency{.endpoint = name,
                       .duration_ns = 1'500'000 + i,
                       .outcome = 200,
                       .stamp_ticks = ticks + i};
      });
    default:
      return use([name, ticks](std::uint32_t i) {
        return Metric{.name = name, .value_e8 = i, .stamp_ticks = ticks + i};
      });
  }
}

template <typename Use>
void with_state(Kind kind, Use use) {
  constexpr std::int64_t kPrice = e8_from_int(167);
  switch (kind) {
    case Kind::equity:
      return use([](std::uint32_t i) { return Equity{.account_equity_e8 = kPrice + i}; });
    case Kind::position:
      return use([](std::uint32_t i) {
        return Position{.symbol = "SPY", .side = "buy", .quantity_e8 = kPrice + i};
      });
    case Kind::rate_limit:
      return use([](std::uint32_t i) { return RateLimit{.remaining = i, .limit = 200}; });
    default:
      return use([](std::uint32_t i) { return Health{.status = "healthy", .error_count = i}; });
  }
}

template <typename Use>
void with_kind(Kind kind, const Subject& subject, Use use) {
  constexpr std::int64_t kPrice = e8_from_int(167);
  switch (kind) {
    case Kind::latency:
    case Kind::metric:
    case Kind::latency_own_ticks:
    case Kind::metric_own_ticks:
      return with_sample(kind, subject, use);
    case Kind::signal:
      return use([](std::uint32_t i) {
        return Signal{.signal_id = "s-20240105-0931",
                      .symbol = "SPY",
                      .direction = "upward",
                      .close_price_e8 = kPrice + i};
      });
    case Kind::order:
      return use([](std::uint32_t i) {
        return Order{.order_id = "o-20240105-0931",
                     .symbol = "SPY",
                     .order_type = "limit",
                     .side = "buy",
                     .status = "new",
                     .quantity_e8 = e8_from_int(10),
                     .limit_price_e8 = kPrice + i};
      });
    case Kind::trade:
      return use([time_ns = subject.time_ns](std::uint32_t i) { return trade_of(time_ns + i); });
    case Kind::error:
      return use([](std::uint32_t) {
        return ErrorReport{.code = "timeout", .text = "the broker did not answer"};
      });
    default:
      return with_state(kind, use);
  }
}

}  // namespace ddt::bench
