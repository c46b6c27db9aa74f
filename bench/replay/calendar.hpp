// bench/replay/calendar.hpp — days, RFC 3339 times, and where a day of bars is moved to.
//
// Units     *_time_ns: nanoseconds since 1970 UTC. A date is a count of days since 1970-01-01.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ddt::replay {

inline constexpr std::int64_t kSecondNs = 1'000'000'000;
inline constexpr std::int64_t kMinuteNs = 60 * kSecondNs;
inline constexpr std::int64_t kDayNs = 86'400 * kSecondNs;

struct CivilDate {
  int year = 1970, month = 1, day = 1;
};

std::int64_t days_from_civil(CivilDate date) noexcept;
CivilDate civil_from_days(std::int64_t days) noexcept;
int weekday_of(std::int64_t days) noexcept;  // 0 = Monday … 6 = Sunday
std::int64_t date_of(std::int64_t time_ns) noexcept;

// "2013-10-04T14:31:00Z", with up to nine decimals; nullopt for anything else.
std::optional<std::int64_t> time_from_rfc3339(std::string_view text) noexcept;
// "2013-10-04T14:31:00.000000Z": microseconds, truncated.
std::string rfc3339_micros(std::int64_t time_ns);

// What is published for a day of bars, and when. A pure function of simulated time, so every process of
// a run says the same thing.
struct DayPlan {
  std::string tag;                 // part of every id of the day, unique per published day or pass
  std::int64_t date = 0;           // as published
  std::int64_t shift_ns = 0;       // whole days, added to every time
  bool is_paced = false;           // published at its due time; otherwise at once
  bool moves_to_now = false;       // paced, and event time is the due time
  std::int64_t first_time_ns = 0;  // paced: simulated time that is due at start_ns
  std::int64_t start_ns = 0;
  double speed = 1;

  std::int64_t due_ns(std::int64_t simulated_ns) const noexcept;        // 0: at once
  std::int64_t published_ns(std::int64_t simulated_ns) const noexcept;  // whole microseconds
};

enum class Placement : std::uint8_t { keep_times, end_yesterday };

// One plan per date: all of them history. Moved days keep their order and end yesterday; those before
// fall on weekdays.
std::vector<DayPlan> history_plans(const std::vector<std::int64_t>& dates, Placement placement,
                                   std::int64_t today);

// The plan of a day that plays live from start_ns on.
DayPlan live_plan(std::int64_t date, std::int64_t first_time_ns, Placement placement,
                  std::int64_t start_ns, double speed);

}  // namespace ddt::replay
