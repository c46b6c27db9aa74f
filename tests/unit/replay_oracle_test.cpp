// Oracle lines, the oracle file, options and reports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "bench/replay/bot.hpp"
#include "bench/replay/options.hpp"
#include "bench/replay/oracle.hpp"
#include "bench/replay/record.hpp"

namespace ddt::replay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Record latency_record() {
  return {.script = Script::order_monitor,
          .profile_id = 7,
          .event_time_ns = 1'380'897'060'000'123'000,
          .metadata = {},
          .body = LatencyRecord{"POST /v2/orders", 12'345'000, 429}};
}

TEST(OracleLine, SaysLatencyExactly) {
  EXPECT_EQ(
      oracle_line(latency_record()),
      R"({"kind":"latency","profile_id":7,"script_name":"order_monitor",)"
      R"("event_time":"2013-10-04T14:31:00.000123Z","endpoint":"POST /v2/orders","latency_ms":"12.345",)"
      R"("outcome":429,"metadata":null})");
}

TEST(OracleLine, SaysDecimalsAsStringsAndNullForTheUnsaid) {
  const Record record{.script = Script::equity_monitor,
                      .profile_id = 3,
                      .event_time_ns = 0,
                      .metadata = R"({"a":1})",
                      .body = TradeRecord{.symbol = "SPY131004C00168000",
                                          .trade_type = "breakout",
                                          .side = "buy",
                                          .quantity_e8 = 200'000'000,
                                          .entry_price_e8 = 123'450'000,
                                          .exit_price_e8 = -1,
                                          .fees_e8 = 0,
                                          .exit_time_ns = 1'000,
                                          .exit_reason = "a \"quoted\" reason",
                                          .direction = "upward",
                                          .trade_id = {},
                                          .order_id = {},
                                          .signal_id = {}}};
  EXPECT_EQ(
      oracle_line(record),
      R"({"kind":"trade","profile_id":3,"script_name":"equity_monitor","event_time":"1970-01-01T00:00:00.000000Z",)"
      R"("symbol":"SPY131004C00168000","trade_type":"breakout","side":"buy","quantity":"2","multiplier":null,)"
      R"("entry_price":"1.2345","exit_price":"-0.00000001","reference_price":null,"fees":"0","entry_time":null,)"
      R"("exit_time":"1970-01-01T00:00:00.000001Z","exit_reason":"a \"quoted\" reason","direction":"upward",)"
      R"("bar_strength":null,"candle_size":null,"trade_id":null,"order_id":null,"signal_id":null,)"
      R"("metadata":{"a":1}})");
}

TEST(OracleFile, AppendsWholeLinesAndFlushesAtTheEnd) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("ddt-oracle-test-" + std::to_string(::getpid()));
  {
    Result<OracleFile> first = OracleFile::open(path), second = OracleFile::open(path);
    ASSERT_TRUE(first);
    ASSERT_TRUE(second);
    for (int i = 0; i < 1'000; ++i) {
      ASSERT_TRUE(first->append(latency_record()));
      ASSERT_TRUE(second->append(latency_record()));
    }
    ASSERT_TRUE(first->flush());
    ASSERT_TRUE(second->flush());
  }
  std::ifstream stream(path);
  std::size_t lines = 0;
  for (std::string line; std::getline(stream, line); ++lines)
    ASSERT_EQ(line, oracle_line(latency_record()));
  EXPECT_EQ(lines, 2'000U);
  std::filesystem::remove(path);
  EXPECT_FALSE(OracleFile::open("/nowhere/oracle"));
}

TEST(Options, AreReadTogether) {
  std::vector<std::string> problems;
  const Options options =
      parse_options({"--bars", "a.csv", "b.csv", "--profiles", "20", "--speed", "max", "--once",
                     "--keep-times", "--oracle", "o", "--dir", "d", "--seed", "9"},
                    problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_THAT(options.bars, ElementsAre("a.csv", "b.csv"));
  EXPECT_EQ(options.profiles, 20);
  EXPECT_TRUE(options.is_speed_max && options.once && options.keeps_times);
  EXPECT_FALSE(has_live_day(options));
  EXPECT_EQ(options.seed, 9U);
}

TEST(Options, SayAllProblemsAtOnce) {
  std::vector<std::string> problems;
  parse_options(
      {"--speed", "fast", "--profiles", "none", "--days", "3", "--bars", "--nonsense", "--oracle"},
      problems);
  EXPECT_THAT(problems,
              ElementsAre(HasSubstr("--speed 'fast'"), HasSubstr("--profiles 'none'"),
                          HasSubstr("--bars needs"), HasSubstr("unknown option '--nonsense'"),
                          HasSubstr("--oracle needs a value")));
}

TEST(Options, ReachTheBots) {
  std::vector<std::string> problems;
  const Options options =
      parse_options({"--speed", "2.5", "--days", "3", "--dir", "d", "--skip-history"}, problems);
  const Options bot = parse_options(bot_arguments(options, 4, Script::equity_monitor), problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(bot.role, Role::bot);
  EXPECT_EQ(bot.profile, 4);
  EXPECT_EQ(bot.script, Script::equity_monitor);
  EXPECT_EQ(bot.speed, 2.5);
  EXPECT_EQ(bot.days, 3);
  EXPECT_EQ(bot.directory, "d");
  EXPECT_TRUE(bot.skips_history);
  EXPECT_TRUE(has_live_day(bot));
}

TEST(Reports, AddUpAndNothingElseDoes) {
  PublishCounts counts;
  counts.published[2] = 5;
  counts.refused = 1;
  PublishCounts totals;
  EXPECT_TRUE(add_report(report_line(counts), totals));
  EXPECT_TRUE(add_report(report_line(counts), totals));
  EXPECT_FALSE(add_report("history", totals));
  EXPECT_FALSE(add_report("report 1 2", totals));
  EXPECT_EQ(totals.published[2], 10);
  EXPECT_EQ(totals.refused, 2);
}

}  // namespace
}  // namespace ddt::replay
