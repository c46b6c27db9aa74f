// bench/replay/voice.hpp — turns what happens inside a bar into Records with times and latencies.
//
// Everything of one bar and symbol happens in a slot of its own within the minute after the bar, so all
// times of a profile only grow and no two equity readings share one.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "bench/replay/bars.hpp"
#include "bench/replay/calendar.hpp"
#include "bench/replay/dice.hpp"
#include "bench/replay/record.hpp"

namespace ddt::replay {

inline constexpr std::string_view kPostOrders = "POST /v2/orders";
inline constexpr std::string_view kListOrders = "GET /v2/orders";
inline constexpr std::string_view kDeleteOrder = "DELETE /v2/orders";
inline constexpr std::string_view kAccount = "GET /v2/account";
inline constexpr std::string_view kPositions = "GET /v2/positions";
inline constexpr std::string_view kBars = "GET /v2/stocks/bars";

// A call to the broker, as it went.
struct Call {
  std::int64_t duration_ns = 0;
  std::uint16_t outcome = 200;
  bool is_ok() const noexcept { return outcome == 200; }
};

class Voice {
 public:
  Voice(std::int32_t profile_id, std::size_t symbol_count, Dice dice, RecordSink& sink)
      : profile_id_(profile_id), symbol_count_(symbol_count), dice_(dice), sink_(sink) {}

  void begin_day(const DayPlan& plan);
  // `delay_divisor`: the first word comes a slot's 1/delay_divisor after its start.
  void begin_bar(const Bar& bar, std::int64_t delay_divisor);

  const DayPlan& plan() const noexcept { return plan_; }
  std::int64_t now_ns() const noexcept { return now_ns_; }  // simulated
  std::int64_t published_ns(std::int64_t simulated_ns) const noexcept {
    return plan_.published_ns(simulated_ns);
  }

  void say(Script script, RecordBody body, std::string metadata = {});
  // Makes up a call, publishes its latency; a failed one counts as an error and is reported.
  Call call(Script script, std::string_view endpoint);
  void warn(Script script, std::string_view code, std::string text);
  void say_health(Script script, std::int64_t expected_interval_s);

 private:
  struct Health {
    std::int64_t errors = 0, warnings = 0, errors_said = 0;
  };
  std::uint64_t next_question() noexcept { return question_++; }

  std::int32_t profile_id_;
  std::size_t symbol_count_;
  Dice dice_;
  Dice day_dice_{0};
  RecordSink& sink_;
  DayPlan plan_;
  std::int64_t now_ns_ = 0, step_ns_ = 1;
  std::uint64_t question_ = 0;
  std::array<Health, kScriptNames.size()> health_{};
};

}  // namespace ddt::replay
