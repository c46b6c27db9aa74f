#include "bench/replay/calendar.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace ddt::replay {
namespace {

constexpr std::int64_t kMicroNs = 1'000;

std::int64_t floor_div(std::int64_t value, std::int64_t by) noexcept {
  const std::int64_t quotient = value / by;
  return value % by < 0 ? quotient - 1 : quotient;
}

// `count` decimal digits of text at `at`; -1 when one is none.
int digits(std::string_view text, std::size_t at, std::size_t count) noexcept {
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

std::string compact_date(std::int64_t date) {
  const CivilDate civil = civil_from_days(date);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d%02d%02d", civil.year, civil.month, civil.day);
  return text.data();
}

}  // namespace

std::int64_t days_from_civil(CivilDate date) noexcept {
  const std::chrono::year_month_day civil{std::chrono::year{date.year},
                                          std::chrono::month{static_cast<unsigned>(date.month)},
                                          std::chrono::day{static_cast<unsigned>(date.day)}};
  return std::chrono::sys_days{civil}.time_since_epoch().count();
}

CivilDate civil_from_days(std::int64_t days) noexcept {
  const std::chrono::year_month_day civil{
      std::chrono::sys_days{std::chrono::days{static_cast<int>(days)}}};
  return {static_cast<int>(civil.year()), static_cast<int>(static_cast<unsigned>(civil.month())),
          static_cast<int>(static_cast<unsigned>(civil.day()))};
}

int weekday_of(std::int64_t days) noexcept {
  const std::int64_t since_monday = days + 3;  // 1970-01-01 was a Thursday.
  return static_cast<int>(since_monday - floor_div(since_monday, 7) * 7);
}

std::int64_t date_of(std::int64_t time_ns) noexcept { return floor_div(time_ns, kDayNs); }

std::optional<std::int64_t> time_from_rfc3339(std::string_view text) noexcept {
  if (text.size() < 20 || text.back() != 'Z') return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
    return std::nullopt;
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (year < 1970 || year > 2199 || month < 0 || day < 0) return std::nullopt;
  const std::chrono::year_month_day civil{std::chrono::year{year},
                                          std::chrono::month{static_cast<unsigned>(month)},
                                          std::chrono::day{static_cast<unsigned>(day)}};
  if (!civil.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 59)
    return std::nullopt;
  std::int64_t fraction_ns = 0;
  if (text.size() > 20) {
    const std::size_t decimals = text.size() - 21;
    if (text[19] != '.' || decimals < 1 || decimals > 9) return std::nullopt;
    fraction_ns = digits(text, 20, decimals);
    if (fraction_ns < 0) return std::nullopt;
    for (std::size_t i = decimals; i < 9; ++i) fraction_ns *= 10;
  }
  return days_from_civil({year, month, day}) * kDayNs + hour * 60 * kMinuteNs + minute * kMinuteNs +
         second * kSecondNs + fraction_ns;
}

std::string rfc3339_micros(std::int64_t time_ns) {
  const std::int64_t date = date_of(time_ns);
  const std::int64_t in_day_us = floor_div(time_ns - date * kDayNs, kMicroNs);
  const CivilDate civil = civil_from_days(date);
  const std::int64_t second = in_day_us / 1'000'000;
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", civil.year,
                civil.month, civil.day, static_cast<int>(second / 3600),
                static_cast<int>(second / 60 % 60), static_cast<int>(second % 60),
                static_cast<int>(in_day_us % 1'000'000));
  return text.data();
}

std::int64_t DayPlan::due_ns(std::int64_t simulated_ns) const noexcept {
  if (!is_paced) return 0;
  const double ahead_ns = static_cast<double>(simulated_ns - first_time_ns) / speed;
  const std::int64_t due = start_ns + static_cast<std::int64_t>(ahead_ns);
  return due - due % kMicroNs;
}

std::int64_t DayPlan::published_ns(std::int64_t simulated_ns) const noexcept {
  if (moves_to_now) return due_ns(simulated_ns);
  return simulated_ns - simulated_ns % kMicroNs + shift_ns;
}

std::vector<DayPlan> history_plans(const std::vector<std::int64_t>& dates, Placement placement,
                                   std::int64_t today) {
  std::vector<DayPlan> plans(dates.size());
  std::int64_t target = today - 1;
  for (std::size_t i = dates.size(); i-- > 0;) {
    DayPlan& plan = plans[i];
    plan.date = placement == Placement::keep_times ? dates[i] : target;
    plan.shift_ns = (plan.date - dates[i]) * kDayNs;
    plan.tag = compact_date(plan.date);
    do --target;
    while (weekday_of(target) > 4);
  }
  return plans;
}

DayPlan live_plan(std::int64_t date, std::int64_t first_time_ns, Placement placement,
                  std::int64_t start_ns, double speed) {
  DayPlan plan;
  plan.is_paced = true;
  plan.first_time_ns = first_time_ns;
  plan.start_ns = start_ns;
  plan.speed = speed;
  plan.moves_to_now = placement == Placement::end_yesterday;
  plan.date = plan.moves_to_now ? date_of(start_ns) : date;
  plan.tag = compact_date(plan.date);
  if (plan.moves_to_now) {
    const std::int64_t second = floor_div(start_ns, kSecondNs) - plan.date * 86'400;
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "T%02d%02d%02d", static_cast<int>(second / 3600),
                  static_cast<int>(second / 60 % 60), static_cast<int>(second % 60));
    plan.tag += text.data();
  }
  return plan;
}

}  // namespace ddt::replay
