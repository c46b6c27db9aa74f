#include "sidecar/model/time.hpp"

#include <array>
#include <limits>

#include "shm/base/decimal.hpp"

namespace ddt::model {
namespace {

// Reads text from the left; every step may refuse.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  void skip() { rest_.remove_prefix(1); }
  bool take(char c) {
    if (peek() != c) return false;
    skip();
    return true;
  }
  // Exactly `digits` digits.
  std::optional<int> number(std::size_t digits) {
    if (rest_.size() < digits) return std::nullopt;
    int value = 0;
    for (const char c : rest_.substr(0, digits)) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return value;
  }
  // Digits after a point, as nanoseconds; those beyond the ninth are dropped. At least one is needed.
  std::optional<std::int64_t> fraction_ns() {
    std::int64_t value = 0;
    std::size_t digits = 0;
    for (; peek() >= '0' && peek() <= '9'; skip(), ++digits) {
      if (digits < 9) value = value * 10 + (peek() - '0');
    }
    if (digits == 0) return std::nullopt;
    for (; digits < 9; ++digits) value *= 10;
    return value;
  }

 private:
  std::string_view rest_;
};

constexpr bool is_leap(std::int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int days_in_month(std::int64_t year, int month) {
  constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

std::optional<std::int64_t> fitting(int128 time_ns) {
  // INT64_MIN is kNoTime.
  if (time_ns > std::numeric_limits<std::int64_t>::max() ||
      time_ns <= std::numeric_limits<std::int64_t>::min()) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(time_ns);
}

std::optional<std::int64_t> parse_date_days(Cursor& cursor) {
  const auto year = cursor.number(4);
  if (!year || !cursor.take('-')) return std::nullopt;
  const auto month = cursor.number(2);
  if (!month || *month < 1 || *month > 12 || !cursor.take('-')) return std::nullopt;
  const auto day = cursor.number(2);
  if (!day || *day < 1 || *day > days_in_month(*year, *month)) return std::nullopt;
  return days_from_civil(*year, *month, *day);
}

// "10:00:00" with or without a fraction; second 60 is the next minute's first.
std::optional<std::int64_t> parse_clock_ns(Cursor& cursor) {
  const auto hour = cursor.number(2);
  if (!hour || *hour > 23 || !cursor.take(':')) return std::nullopt;
  const auto minute = cursor.number(2);
  if (!minute || *minute > 59 || !cursor.take(':')) return std::nullopt;
  const auto second = cursor.number(2);
  if (!second || *second > 60) return std::nullopt;
  std::int64_t fraction = 0;
  if (cursor.take('.')) {
    const auto parsed = cursor.fraction_ns();
    if (!parsed) return std::nullopt;
    fraction = *parsed;
  }
  return *hour * kNsPerHour + *minute * kNsPerMinute + *second * kNsPerSecond + fraction;
}

// "Z" or "+01:00"; how far the written clock is ahead of UTC.
std::optional<std::int64_t> parse_offset_ns(Cursor& cursor) {
  if (cursor.take('Z') || cursor.take('z')) return 0;
  const bool behind = cursor.peek() == '-';
  if (!behind && cursor.peek() != '+') return std::nullopt;
  cursor.skip();
  const auto hours = cursor.number(2);
  if (!hours || *hours > 23 || !cursor.take(':')) return std::nullopt;
  const auto minutes = cursor.number(2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const std::int64_t offset = *hours * kNsPerHour + *minutes * kNsPerMinute;
  return behind ? -offset : offset;
}

std::optional<std::int64_t> parse_unix(std::string_view text) {
  Cursor cursor(text);
  const bool negative = cursor.take('-');
  int128 seconds = 0;
  std::size_t digits = 0;
  for (; cursor.peek() >= '0' && cursor.peek() <= '9'; cursor.skip(), ++digits) {
    if (digits == 12) return std::nullopt;
    seconds = seconds * 10 + (cursor.peek() - '0');
  }
  if (digits == 0) return std::nullopt;
  int128 time_ns = seconds * kNsPerSecond;
  if (cursor.take('.')) {
    const auto fraction = cursor.fraction_ns();
    if (!fraction) return std::nullopt;
    time_ns += *fraction;
  }
  if (!cursor.at_end()) return std::nullopt;
  return fitting(negative ? -time_ns : time_ns);
}

// The digits that end at `end`, with zeros in front. 64 bits of nanoseconds are of the years 1677 to 2262.
void put_digits(char* end, std::int64_t value, int digits) {
  for (; digits > 0; --digits, value /= 10) *--end = static_cast<char>('0' + value % 10);
}

// `form` is the text with anything for digits; a row in MySQL has three of them, and snprintf takes 400 ns for one.
std::string print(std::int64_t time_ns, std::string form) {
  const std::int64_t day = floor_div(time_ns, kNsPerDay);
  const std::int64_t us = (time_ns - day * kNsPerDay) / kNsPerUs;
  const CivilDate date = civil_from_days(day);
  char* const text = form.data();
  put_digits(text + 4, date.year, 4);
  put_digits(text + 7, date.month, 2);
  put_digits(text + 10, date.day, 2);
  put_digits(text + 13, us / 3'600'000'000, 2);
  put_digits(text + 16, us / 60'000'000 % 60, 2);
  put_digits(text + 19, us / 1'000'000 % 60, 2);
  put_digits(text + 26, us % 1'000'000, 6);
  return form;
}

}  // namespace

CivilDate civil_from_days(std::int64_t days_since_1970) noexcept {
  const std::int64_t z = days_since_1970 + 719'468;
  const std::int64_t era = floor_div(z, 146'097);
  const std::int64_t day_of_era = z - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;  // 0 = March
  const int day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  const int month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  return {.year = year_of_era + era * 400 + (month <= 2 ? 1 : 0), .month = month, .day = day};
}

std::int64_t days_from_civil(std::int64_t year, int month, int day) noexcept {
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const std::int64_t era = floor_div(y, 400);
  const std::int64_t year_of_era = y - era * 400;
  const std::int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

std::string rfc3339(std::int64_t time_ns) { return print(time_ns, "yyyy-mm-ddThh:mm:ss.uuuuuuZ"); }

std::string mysql_datetime(std::int64_t time_ns) {
  return print(time_ns, "yyyy-mm-dd hh:mm:ss.uuuuuu");
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  const bool has_date = text.size() > 10 && text[4] == '-' && text[7] == '-';
  if (!has_date) return parse_unix(text);
  Cursor cursor(text);
  const auto days = parse_date_days(cursor);
  if (!days) return std::nullopt;
  if (!cursor.take('T') && !cursor.take('t') && !cursor.take(' ')) return std::nullopt;
  const auto clock = parse_clock_ns(cursor);
  if (!clock) return std::nullopt;
  const auto offset = parse_offset_ns(cursor);
  if (!offset || !cursor.at_end()) return std::nullopt;
  return fitting(int128{*days} * kNsPerDay + *clock - *offset);
}

std::optional<std::int64_t> parse_mysql_datetime(std::string_view text) {
  Cursor cursor(text);
  const auto days = parse_date_days(cursor);
  if (!days) return std::nullopt;
  if (cursor.at_end()) return fitting(int128{*days} * kNsPerDay);
  if (!cursor.take(' ')) return std::nullopt;
  const auto clock = parse_clock_ns(cursor);
  if (!clock || !cursor.at_end()) return std::nullopt;
  return fitting(int128{*days} * kNsPerDay + *clock);
}

}  // namespace ddt::model
