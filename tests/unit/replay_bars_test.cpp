// Bars, days and times: parsing says every problem, days move whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/replay/bars.hpp"
#include "bench/replay/calendar.hpp"
#include "shm/base/decimal.hpp"

namespace ddt::replay {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kHeader = "time_utc,open,high,low,close,volume,bid,ask\n";

std::vector<std::string> problems_of(const std::string& rows,
                                     const std::string& path = "d/SPY_20131004.csv") {
  std::vector<std::string> problems;
  market_from({{path, rows}}, problems);
  return problems;
}

TEST(Bars, ReadsARow) {
  std::vector<std::string> problems;
  const Market market = market_from(
      {{"d/SPY_20131004.csv",
        kHeader +
            "2013-10-04T14:31:00Z,168.1000,168.2500,168.0500,168.2000,1200,168.1900,168.2100\n"}},
      problems);
  ASSERT_THAT(problems, IsEmpty());
  ASSERT_THAT(market.symbols, ElementsAre("SPY"));
  ASSERT_EQ(market.days.size(), 1U);
  const Bar& bar = market.days[0].bars.at(0);
  EXPECT_EQ(rfc3339_micros(bar.time_ns), "2013-10-04T14:31:00.000000Z");
  EXPECT_EQ(bar.close_e8, 16'820'000'000);
  EXPECT_EQ(bar.volume_e8, 1200 * kE8);
  EXPECT_EQ(bar.ask_e8, 16'821'000'000);
}

TEST(Bars, NamesFileAndLineOfEveryBadRow) {
  const std::vector<std::string> problems = problems_of(kHeader +
                                                        "2013-10-04T14:31:00Z,1,2,1,1,5,1,1.1\n"
                                                        "2013-10-04T14:32:00Z,1,2,1,1,5,1\n"
                                                        "2013-13-04T14:33:00Z,1,2,1,1,5,1,1.1\n"
                                                        "2013-10-04T14:34:00Z,1,2,x,1,5,1,1.1\n"
                                                        "2013-10-04T14:35:00Z,1,2,1,3,5,1,1.1\n"
                                                        "2013-10-04T14:36:00Z,1,2,1,1,5,1.2,1.1\n"
                                                        "2013-10-04T14:37:00Z,1,2,1,1,-5,1,1.1\n"
                                                        "2013-10-04T14:31:00Z,1,2,1,1,5,1,1.1\n");
  EXPECT_THAT(
      problems,
      ElementsAre(EndsWith("_20131004.csv:3: expected 8 fields, found 7"),
                  HasSubstr(":4: time_utc '2013-13-"), HasSubstr(":5: low 'x' is not a number"),
                  HasSubstr(":6: open or close lies outside"), HasSubstr(":7: bid is above ask"),
                  HasSubstr(":8: volume '-5' is not positive"),
                  HasSubstr(":9: time_utc is not after")));
}

TEST(Bars, WantsTheHeaderAndAtLeastOneRow) {
  EXPECT_THAT(problems_of(""), ElementsAre(HasSubstr("no bars")));
  EXPECT_THAT(problems_of(kHeader), ElementsAre(HasSubstr(":1: no bars")));
  EXPECT_THAT(problems_of("time,open\n2013-10-04T14:31:00Z,1,2,1,1,5,1,1.1\n"),
              ElementsAre(HasSubstr(":1: the first line")));
}

TEST(Bars, ReportsABarOfTwoFiles) {
  const std::string text = kHeader + "2013-10-04T14:31:00Z,1,2,1,1,5,1,1.1\n";
  std::vector<std::string> problems;
  market_from({{"a/SPY_1.csv", text}, {"b/SPY_2.csv", text}}, problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("two files have a bar of SPY at 2013-10-04T14:31")));
}

TEST(Bars, StopsListingARuinedFileButCountsTheRest) {
  std::string rows = kHeader;
  for (int i = 0; i < 100; ++i) rows += "nothing\n";
  const std::vector<std::string> problems = problems_of(rows);
  ASSERT_EQ(problems.size(), 21U);
  EXPECT_THAT(problems.back(), HasSubstr("80 more bad rows"));
}

TEST(Bars, MergesSymbolsByTimeAndSplitsDays) {
  std::vector<std::string> problems;
  const Market market =
      market_from({{"SPY_1.csv", kHeader + "2013-10-04T14:31:00Z,1,2,1,1,5,1,1.1\n"
                                           "2013-10-07T14:31:00Z,1,2,1,1,5,1,1.1\n"},
                   {"IBM_1.csv", kHeader + "2013-10-04T14:30:00Z,1,2,1,1,5,1,1.1\n"
                                           "2013-10-04T14:31:00Z,1,2,1,1,5,1,1.1\n"}},
                  problems);
  ASSERT_THAT(problems, IsEmpty());
  EXPECT_THAT(market.symbols, ElementsAre("IBM", "SPY"));
  ASSERT_EQ(market.days.size(), 2U);
  std::vector<std::uint32_t> order;
  for (const Bar& bar : market.days[0].bars) order.push_back(bar.symbol);
  EXPECT_THAT(order, ElementsAre(0U, 0U, 1U));
}

TEST(Bars, ReportsAFileThatCannotBeRead) {
  std::vector<std::string> problems;
  market_from_paths({"/nowhere/SPY_20131004.csv"}, problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("/nowhere/SPY_20131004.csv: cannot read")));
}

TEST(MadeBars, AreTheSameForTheSameSeedAndSound) {
  const Market a = made_market(7, 3), b = made_market(7, 3), c = made_market(8, 3);
  ASSERT_EQ(a.days.size(), 3U);
  ASSERT_EQ(a.days[2].bars.size(), 2U * 390);
  bool differs = false;
  for (std::size_t i = 0; i < a.days[2].bars.size(); ++i) {
    const Bar& bar = a.days[2].bars[i];
    EXPECT_EQ(bar.close_e8, b.days[2].bars[i].close_e8);
    differs = differs || bar.close_e8 != c.days[2].bars[i].close_e8;
    EXPECT_LE(bar.low_e8, bar.close_e8);
    EXPECT_GE(bar.high_e8, bar.open_e8);
    EXPECT_LT(bar.bid_e8, bar.ask_e8);
  }
  EXPECT_TRUE(differs);
  for (const Day& day : a.days) EXPECT_LE(weekday_of(day.date), 4);
}

TEST(Times, ReadAndWriteRfc3339) {
  EXPECT_EQ(rfc3339_micros(*time_from_rfc3339("2013-10-04T14:31:00.1234569Z")),
            "2013-10-04T14:31:00.123456Z");
  EXPECT_EQ(rfc3339_micros(*time_from_rfc3339("2024-02-29T23:59:59Z")),
            "2024-02-29T23:59:59.000000Z");
  for (const char* bad : {"", "2013-10-04 14:31:00Z", "2013-10-04T14:31:00", "2023-02-29T00:00:00Z",
                          "2013-10-04T24:00:00Z", "2013-10-04T14:31:00.Z", "2013-1x-04T14:31:00Z"})
    EXPECT_FALSE(time_from_rfc3339(bad)) << bad;
}

TEST(DayPlans, MoveDaysToEndYesterdayOnWeekdays) {
  const std::int64_t tuesday = days_from_civil({2026, 11, 24});
  const std::vector<std::int64_t> dates{days_from_civil({2013, 10, 4}),
                                        days_from_civil({2013, 10, 7}),
                                        days_from_civil({2014, 6, 5})};
  const std::vector<DayPlan> plans = history_plans(dates, Placement::end_yesterday, tuesday);
  EXPECT_EQ(plans[2].date, tuesday - 1);
  EXPECT_EQ(plans[1].date, tuesday - 4);  // the Friday before
  EXPECT_EQ(plans[0].date, tuesday - 5);
  EXPECT_EQ(plans[2].tag, "20261123");
  const std::int64_t noon = dates[2] * kDayNs + 12 * 60 * kMinuteNs;
  EXPECT_EQ(rfc3339_micros(plans[2].published_ns(noon + 1'999)), "2026-11-23T12:00:00.000001Z");
  EXPECT_EQ(plans[2].due_ns(noon), 0);
  EXPECT_EQ(history_plans(dates, Placement::keep_times, tuesday)[0].shift_ns, 0);
}

TEST(DayPlans, ALiveDayHappensNow) {
  const std::int64_t start_ns = *time_from_rfc3339("2026-11-22T10:00:00Z");
  const std::int64_t first_ns = *time_from_rfc3339("2013-10-04T13:31:00Z");
  const DayPlan plan =
      live_plan(date_of(first_ns), first_ns, Placement::end_yesterday, start_ns, 60);
  EXPECT_EQ(plan.tag, "20261122T100000");
  EXPECT_EQ(plan.published_ns(first_ns + 60 * kMinuteNs), start_ns + kMinuteNs);
  EXPECT_EQ(plan.due_ns(first_ns + 60 * kMinuteNs), start_ns + kMinuteNs);
  const DayPlan kept = live_plan(date_of(first_ns), first_ns, Placement::keep_times, start_ns, 60);
  EXPECT_EQ(kept.published_ns(first_ns), first_ns);
  EXPECT_EQ(kept.due_ns(first_ns + 60 * kMinuteNs), start_ns + kMinuteNs);
}

}  // namespace
}  // namespace ddt::replay
