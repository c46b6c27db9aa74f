#include "sidecar/model/window.hpp"

#include <algorithm>
#include <limits>

#include "sidecar/model/time.hpp"

namespace ddt::model {
namespace {

constexpr std::array<std::string_view, 4> kNames{"hour", "day", "week", "month"};

// Edges of the Window of any time up to here fit an int64: the year 2262 less two months.
constexpr std::int64_t kTimeMax = std::numeric_limits<std::int64_t>::max() - 62 * kNsPerDay;

Window month_containing(std::int64_t time_ns) noexcept {
  const CivilDate date = civil_from_days(floor_div(time_ns, kNsPerDay));
  const std::int64_t first = days_from_civil(date.year, date.month, 1);
  const std::int64_t next_first = date.month == 12 ? days_from_civil(date.year + 1, 1, 1)
                                                   : days_from_civil(date.year, date.month + 1, 1);
  return {
      .type = WindowType::month, .start_ns = first * kNsPerDay, .end_ns = next_first * kNsPerDay};
}

Window span_containing(WindowType type, std::int64_t time_ns, std::int64_t length_ns,
                       std::int64_t anchor_ns) noexcept {
  const std::int64_t start = floor_div(time_ns - anchor_ns, length_ns) * length_ns + anchor_ns;
  return {.type = type, .start_ns = start, .end_ns = start + length_ns};
}

}  // namespace

Window window_containing(WindowType type, std::int64_t time_ns) noexcept {
  time_ns = std::clamp(time_ns, -kTimeMax, kTimeMax);
  switch (type) {
    case WindowType::hour:
      return span_containing(type, time_ns, kNsPerHour, 0);
    case WindowType::day:
      return span_containing(type, time_ns, kNsPerDay, 0);
    // 1970-01-05 was a Monday.
    case WindowType::week:
      return span_containing(type, time_ns, 7 * kNsPerDay, 4 * kNsPerDay);
    case WindowType::month:
      break;
  }
  return month_containing(time_ns);
}

Window next(const Window& window) noexcept { return window_containing(window.type, window.end_ns); }

std::string_view name_of(WindowType type) noexcept {
  return kNames[static_cast<std::size_t>(type) % kNames.size()];
}

std::optional<WindowType> parse_window_type(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return kWindowTypes[i];
  }
  return std::nullopt;
}

}  // namespace ddt::model
