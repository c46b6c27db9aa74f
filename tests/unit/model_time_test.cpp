// Times as text, and Windows in UTC.
#include <gtest/gtest.h>

#include <random>

#include "sidecar/model/time.hpp"
#include "sidecar/model/window.hpp"

namespace ddt::model {
namespace {

std::int64_t at(std::string_view text) {
  const auto time = parse_time(text);
  EXPECT_TRUE(time.has_value()) << text;
  return time.value_or(0);
}

TEST(Time, PrintsMicrosecondsAsTheFloorOfNanoseconds) {
  EXPECT_EQ(rfc3339(1'795'341'600'123'456'999), "2026-11-22T10:00:00.123456Z");
  EXPECT_EQ(mysql_datetime(1'795'341'600'123'456'999), "2026-11-22 10:00:00.123456");
  EXPECT_EQ(mysql_datetime(-1), "1969-12-31 23:59:59.999999");
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000000Z");
}

TEST(Time, ParsesRfc3339WithOffsetsAndFractions) {
  EXPECT_EQ(at("2026-11-22T10:00:00Z"), 1'795'341'600'000'000'000);
  EXPECT_EQ(at("2026-11-22t10:00:00.5z"), 1'795'341'600'500'000'000);
  EXPECT_EQ(at("2026-11-22 11:30:00.000000001+01:30"), 1'795'341'600'000'000'001);
  EXPECT_EQ(at("2026-11-22T05:00:00-05:00"), 1'795'341'600'000'000'000);
  EXPECT_EQ(at("2026-11-22T10:00:00.1234567891234Z"), 1'795'341'600'123'456'789);
  EXPECT_EQ(at("2016-12-31T23:59:60Z"), at("2017-01-01T00:00:00Z"));
}

TEST(Time, ParsesUnixSeconds) {
  EXPECT_EQ(at("1795341600"), 1'795'341'600'000'000'000);
  EXPECT_EQ(at("1.5"), 1'500'000'000);
  EXPECT_EQ(at("-1.5"), -1'500'000'000);
  EXPECT_EQ(at("0"), 0);
}

TEST(Time, RefusesWhatIsNoTime) {
  for (const char* text : {"",
                           "-",
                           "x",
                           "1e9",
                           "12.",
                           ".5",
                           "2026-11-22",
                           "2026-11-22T10:00:00",
                           "2026-02-29T00:00:00Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-11-22T24:00:00Z",
                           "2026-11-22T10:60:00Z",
                           "2026-11-22T10:00:61Z",
                           "2026-11-22T10:00:00.Z",
                           "2026-11-22T10:00:00Zx",
                           "2026-11-22T10:00:00+24:00",
                           "2026-11-22T10:00:00+0100",
                           "9999-01-01T00:00:00Z",
                           "0001-01-01T00:00:00Z",
                           "99999999999",
                           "1000000000000000",
                           "+1795341600"}) {
    EXPECT_FALSE(parse_time(text).has_value()) << text;
  }
}

TEST(Time, ParsesWhatMysqlPrints) {
  EXPECT_EQ(parse_mysql_datetime("2026-11-22 10:00:00.123456"), 1'795'341'600'123'456'000);
  EXPECT_EQ(parse_mysql_datetime("2026-11-22 10:00:00"), 1'795'341'600'000'000'000);
  EXPECT_EQ(parse_mysql_datetime("2026-11-22"), 1'795'305'600'000'000'000);
  EXPECT_FALSE(parse_mysql_datetime("0000-00-00 00:00:00").has_value());
  EXPECT_FALSE(parse_mysql_datetime("2026-11-22T10:00:00").has_value());
  EXPECT_FALSE(parse_mysql_datetime("2026-11-22 10:00:00Z").has_value());
}

TEST(Time, TextAndBackLosesOnlyNanoseconds) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto time = static_cast<std::int64_t>(random() >> 1) - (std::int64_t{1} << 62);
    EXPECT_EQ(parse_time(rfc3339(time)), floor_to_us(time));
    EXPECT_EQ(parse_mysql_datetime(mysql_datetime(time)), floor_to_us(time));
  }
}

TEST(Time, FloorsBeforeTheEpoch) {
  EXPECT_EQ(unix_minute(-1), -1);
  EXPECT_EQ(unix_minute(59'999'999'999), 0);
  EXPECT_EQ(unix_hour(-kNsPerHour), -1);
  EXPECT_EQ(unix_hour(-kNsPerHour - 1), -2);
}

Window window(WindowType type, std::string_view start, std::string_view end) {
  return {.type = type, .start_ns = at(start), .end_ns = at(end)};
}

TEST(Window, WeekOfTheYearsEndBeginsOnMonday) {
  // 2020 has 53 ISO weeks: 2021-01-01 is a Friday of its last.
  EXPECT_EQ(window_containing(WindowType::week, at("2021-01-01T12:00:00Z")),
            window(WindowType::week, "2020-12-28T00:00:00Z", "2021-01-04T00:00:00Z"));
  EXPECT_EQ(window_containing(WindowType::week, at("2024-12-30T00:00:00Z")),
            window(WindowType::week, "2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"));
  EXPECT_EQ(window_containing(WindowType::week, at("2024-12-29T23:59:59.999999Z")).end_ns,
            at("2024-12-30T00:00:00Z"));
  EXPECT_EQ(window_containing(WindowType::week, at("1969-12-31T00:00:00Z")),
            window(WindowType::week, "1969-12-29T00:00:00Z", "1970-01-05T00:00:00Z"));
}

TEST(Window, MonthsFollowTheCalendar) {
  EXPECT_EQ(window_containing(WindowType::month, at("2024-02-29T23:59:59.999999Z")),
            window(WindowType::month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"));
  EXPECT_EQ(window_containing(WindowType::month, at("2025-12-31T00:00:00Z")),
            window(WindowType::month, "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"));
}

TEST(Window, IsHalfOpen) {
  const Window hour = window_containing(WindowType::hour, at("2026-11-22T10:00:00Z"));
  EXPECT_EQ(hour.start_ns, at("2026-11-22T10:00:00Z"));
  EXPECT_TRUE(hour.contains(hour.start_ns));
  EXPECT_FALSE(hour.contains(hour.end_ns));
  EXPECT_EQ(next(hour).start_ns, hour.end_ns);
}

TEST(Window, HoldsItsTimeAndTilesTheAxis) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    const auto time = static_cast<std::int64_t>(random() >> 2) - (std::int64_t{1} << 61);
    for (const WindowType type : kWindowTypes) {
      const Window found = window_containing(type, time);
      EXPECT_TRUE(found.contains(time));
      EXPECT_EQ(window_containing(type, found.start_ns), found);
      EXPECT_EQ(window_containing(type, found.end_ns - 1), found);
      EXPECT_EQ(next(found).start_ns, found.end_ns);
    }
    const Window day = window_containing(WindowType::day, time);
    const Window week = window_containing(WindowType::week, time);
    const Window month = window_containing(WindowType::month, time);
    EXPECT_TRUE(week.start_ns <= day.start_ns && day.end_ns <= week.end_ns);
    EXPECT_TRUE(month.start_ns <= day.start_ns && day.end_ns <= month.end_ns);
  }
}

TEST(Window, NamesAreReadBack) {
  for (const WindowType type : kWindowTypes) EXPECT_EQ(parse_window_type(name_of(type)), type);
  EXPECT_FALSE(parse_window_type("year").has_value());
}

}  // namespace
}  // namespace ddt::model
