#include "bench/replay/voice.hpp"

#include <utility>

#include "shm/base/decimal.hpp"

namespace ddt::replay {
namespace {

constexpr std::int64_t kMicroNs = 1'000;
constexpr std::int64_t kSlotsNs =
    48 * kSecondNs;  // of the minute; the rest is left to the day's end
constexpr std::int64_t kStepsPerSlot = 512;
constexpr std::int64_t kTimeoutNs = 10 * kSecondNs;

std::int64_t usual_duration_us(std::string_view endpoint) {
  if (endpoint == kPostOrders) return 38'000;
  if (endpoint == kDeleteOrder) return 31'000;
  if (endpoint == kBars) return 85'000;
  return 19'000;
}

std::string_view code_of(std::uint16_t outcome) {
  switch (outcome) {
    case 0:
      return "timeout";
    case 429:
      return "rate_limited";
    default:
      return "http_500";
  }
}

}  // namespace

void Voice::begin_day(const DayPlan& plan) {
  plan_ = plan;
  day_dice_ = dice_.of(static_cast<std::uint64_t>(plan.start_ns != 0 ? plan.start_ns : plan.date));
  question_ = 0;
}

void Voice::begin_bar(const Bar& bar, std::int64_t delay_divisor) {
  const std::int64_t slot_ns = kSlotsNs / static_cast<std::int64_t>(symbol_count_);
  step_ns_ = slot_ns / kStepsPerSlot;
  now_ns_ = bar.time_ns + kMinuteNs + static_cast<std::int64_t>(bar.symbol) * slot_ns +
            slot_ns / delay_divisor;
}

void Voice::say(Script script, RecordBody body, std::string metadata) {
  now_ns_ += step_ns_ * (1 + day_dice_.roll(next_question(), 4));
  sink_.accept({.script = script,
                .profile_id = profile_id_,
                .event_time_ns = plan_.published_ns(now_ns_),
                .due_ns = plan_.due_ns(now_ns_),
                .metadata = std::move(metadata),
                .body = std::move(body)});
}

Call Voice::call(Script script, std::string_view endpoint) {
  const Dice dice = day_dice_.of(next_question());
  Call call;
  const std::int64_t fate = dice.roll(0, 1'000);
  call.outcome = fate < 4 ? 429 : fate < 7 ? 500 : fate < 9 ? 0 : 200;
  const std::int64_t usual_us = usual_duration_us(endpoint);
  std::int64_t duration_us = usual_us / 2 + dice.roll(1, usual_us);
  if (dice.is_one_in(2, 12)) duration_us += dice.roll(3, 6 * usual_us);  // the tail
  call.duration_ns = call.outcome == 0 ? kTimeoutNs : duration_us * kMicroNs;
  say(script, LatencyRecord{std::string(endpoint), call.duration_ns, call.outcome});
  if (call.is_ok()) return call;
  if (call.outcome == 429) {
    warn(script, code_of(429),
         std::string(endpoint) + " was refused, trying again with the next bar");
    return call;
  }
  ++health_[static_cast<std::size_t>(script)].errors;
  say(script,
      ErrorRecord{"error", std::string(code_of(call.outcome)), std::string(endpoint) + " failed"},
      R"({"endpoint":")" + std::string(endpoint) + R"("})");
  return call;
}

void Voice::warn(Script script, std::string_view code, std::string text) {
  ++health_[static_cast<std::size_t>(script)].warnings;
  say(script, ErrorRecord{"warning", std::string(code), std::move(text)});
}

void Voice::say_health(Script script, std::int64_t expected_interval_s) {
  const Dice dice = day_dice_.of(next_question());
  Health& health = health_[static_cast<std::size_t>(script)];
  const bool is_degraded = health.errors > health.errors_said;
  health.errors_said = health.errors;
  say(script, HealthRecord{.status = is_degraded ? "degraded" : "healthy",
                           .error_count = health.errors,
                           .warning_count = health.warnings,
                           .cpu_usage_pct_e8 = (5 + dice.roll(0, 400)) * (kE8 / 10),
                           .memory_usage_mb_e8 = (480 + dice.roll(1, 640)) * (kE8 / 8),
                           .expected_interval_s = expected_interval_s});
}

}  // namespace ddt::replay
