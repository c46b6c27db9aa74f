// sidecar/model/time.hpp — instants as text and whole minutes, hours, days of them. All UTC.
//
// Units     Nanoseconds since 1970 UTC; unix minutes and hours where the name says so.
// Rounding  Microseconds are the floor of nanoseconds, before 1970 too: 23:59:59.9999999 stays in
// its day. Errors    Text that is no time, or a time outside [1677-09-22, 2262-04-11], is nullopt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ddt::model {

inline constexpr std::int64_t kNsPerUs = 1'000;
inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;
inline constexpr std::int64_t kNsPerMinute = 60 * kNsPerSecond;
inline constexpr std::int64_t kNsPerHour = 60 * kNsPerMinute;
inline constexpr std::int64_t kNsPerDay = 24 * kNsPerHour;

// Greatest whole q with q·unit <= value; unit > 0.
constexpr std::int64_t floor_div(std::int64_t value, std::int64_t unit) noexcept {
  const std::int64_t quotient = value / unit;
  return value % unit < 0 ? quotient - 1 : quotient;
}
constexpr std::int64_t unix_minute(std::int64_t time_ns) noexcept {
  return floor_div(time_ns, kNsPerMinute);
}
constexpr std::int64_t unix_hour(std::int64_t time_ns) noexcept {
  return floor_div(time_ns, kNsPerHour);
}
constexpr std::int64_t minute_start_ns(std::int64_t minute) noexcept {
  return minute * kNsPerMinute;
}
constexpr std::int64_t hour_start_ns(std::int64_t hour) noexcept { return hour * kNsPerHour; }
// What a DATETIME(6) holds of it.
constexpr std::int64_t floor_to_us(std::int64_t time_ns) noexcept {
  return floor_div(time_ns, kNsPerUs) * kNsPerUs;
}

// Proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
struct CivilDate {
  std::int64_t year = 1970;
  int month = 1, day = 1;
};
CivilDate civil_from_days(std::int64_t days_since_1970) noexcept;
std::int64_t days_from_civil(std::int64_t year, int month, int day) noexcept;

std::string rfc3339(std::int64_t time_ns);         // "2026-11-22T10:00:00.123456Z"
std::string mysql_datetime(std::int64_t time_ns);  // "2026-11-22 10:00:00.123456"

// RFC 3339 ("2026-11-22T10:00:00Z", a fraction of any length, "+01:00", 't', 'z' or a blank
// between), or unix seconds ("1795341600", "-1.5"). Digits beyond nanoseconds are dropped.
std::optional<std::int64_t> parse_time(std::string_view text);

// "2026-11-22", "2026-11-22 10:00:00" or with a fraction of up to nine digits, as MySQL prints it.
std::optional<std::int64_t> parse_mysql_datetime(std::string_view text);

}  // namespace ddt::model
