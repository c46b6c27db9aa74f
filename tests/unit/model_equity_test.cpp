// Equity minutes and drawdown: against brute force over raw readings.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "sidecar/model/equity.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::model {
namespace {

constexpr std::int64_t kMinute = kNsPerMinute;

EquityReading reading(std::int64_t time_ns, std::int64_t equity_e8,
                      std::int64_t cash_flow_e8 = kNullE8) {
  EquityReading made;
  made.time_ns = time_ns;
  made.account_equity_e8 = equity_e8;
  made.cash_flow_e8 = cash_flow_e8;
  return made;
}

EquityMinute minute_of(const std::vector<EquityReading>& readings) {
  EquityMinute minute;
  for (const EquityReading& r : readings) minute.add(r);
  return minute;
}

std::vector<EquityMinute> minutes_of(const std::vector<EquityReading>& readings) {
  std::map<std::int64_t, EquityMinute> minutes;
  for (const EquityReading& r : readings) minutes[unix_minute(r.time_ns)].add(r);
  std::vector<EquityMinute> in_order;
  for (const auto& [minute, equity] : minutes) in_order.push_back(equity);
  return in_order;
}

Drawdown fold(const std::vector<EquityMinute>& minutes, std::optional<EquityReading> opening = {}) {
  DrawdownFold folding =
      opening ? DrawdownFold(opening->account_equity_e8, opening->time_ns) : DrawdownFold();
  for (const EquityMinute& minute : minutes) folding.add(minute);
  return folding.result().value_or(Drawdown{});
}

struct Brute {
  std::int64_t drawdown_e8 = 0, pct_e8 = 0, current_e8 = 0;
};

// Every pair of readings, on levels adjusted by all cash flow since the range's start.
Brute brute_force(const std::vector<EquityReading>& readings,
                  std::optional<EquityReading> opening) {
  std::vector<int128> levels;
  if (opening) levels.push_back(opening->account_equity_e8);
  int128 flow = 0;
  for (const EquityReading& r : readings) {
    flow += is_null(r.cash_flow_e8) ? 0 : r.cash_flow_e8;
    levels.push_back(r.account_equity_e8 - flow);
  }
  Brute brute;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    for (std::size_t j = i; j < levels.size(); ++j) {
      const int128 drop = levels[i] - levels[j];
      if (drop <= 0) continue;
      brute.drawdown_e8 = std::max(brute.drawdown_e8, static_cast<std::int64_t>(drop));
      if (levels[i] <= 0) continue;
      const int128 pct = divide_rounded(drop * 100 * kE8, levels[i]);
      brute.pct_e8 = std::max(brute.pct_e8, static_cast<std::int64_t>(pct));
    }
  }
  const int128 peak = *std::max_element(levels.begin(), levels.end());
  brute.current_e8 = static_cast<std::int64_t>(peak - levels.back());
  return brute;
}

// A random walk of levels that stay positive, `per_minute` readings a minute.
std::vector<EquityReading> walk(std::mt19937_64& random, int count, int per_minute,
                                bool with_flow) {
  std::vector<EquityReading> readings;
  std::int64_t level = 100'000 * kE8, flow_sum = 0;
  for (int i = 0; i < count; ++i) {
    level = std::max<std::int64_t>(
        level + static_cast<std::int64_t>(random() % 4'000) * 12'345'678 - 2'000LL * 12'345'678,
        kE8);
    std::int64_t flow = kNullE8;
    if (with_flow && random() % 5 == 0) {
      flow = (static_cast<std::int64_t>(random() % 20'000) - 8'000) * kE8;
      flow_sum += flow;
    }
    readings.push_back(reading(i * kMinute / per_minute, level + flow_sum, flow));
  }
  return readings;
}

void expect_like_brute_force(const std::vector<EquityReading>& readings,
                             std::optional<EquityReading> opening) {
  const Drawdown folded = fold(minutes_of(readings), opening);
  const Brute brute = brute_force(readings, opening);
  EXPECT_EQ(folded.max_drawdown_e8, brute.drawdown_e8);
  EXPECT_EQ(folded.max_drawdown_pct_e8, brute.pct_e8);
  EXPECT_EQ(folded.drawdown_current_e8, brute.current_e8);
}

TEST(Drawdown, EqualsBruteForceOverAllPairs) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    const int per_minute = 1 + round % 6;
    const auto readings = walk(random, 1 + static_cast<int>(random() % 120), per_minute, false);
    expect_like_brute_force(readings, std::nullopt);
    expect_like_brute_force(readings, reading(-kMinute, 101'000 * kE8));
  }
}

TEST(Drawdown, EqualsBruteForceWithCashFlowOneReadingAMinute) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 300; ++round) {
    const auto readings = walk(random, 1 + static_cast<int>(random() % 120), 1, true);
    expect_like_brute_force(readings, std::nullopt);
    expect_like_brute_force(readings, reading(-kMinute, 101'000 * kE8));
  }
}

TEST(Drawdown, WithCashFlowAndManyReadingsAMinuteMoneyIsExactAndPercentNearly) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    const auto readings = walk(random, 2 + static_cast<int>(random() % 120), 5, true);
    const Drawdown folded = fold(minutes_of(readings));
    const Brute brute = brute_force(readings, std::nullopt);
    EXPECT_EQ(folded.max_drawdown_e8, brute.drawdown_e8);
    EXPECT_EQ(folded.drawdown_current_e8, brute.current_e8);
    EXPECT_NEAR(static_cast<double>(folded.max_drawdown_pct_e8), static_cast<double>(brute.pct_e8),
                1e-4 * static_cast<double>(brute.pct_e8) + 1);
  }
}

TEST(Drawdown, CountsALossInTheFirstReadingAfterTheOpeningLevel) {
  const Drawdown alone = fold(minutes_of({reading(0, 90 * kE8)}));
  EXPECT_EQ(alone.max_drawdown_e8, 0);
  EXPECT_EQ(alone.peak_time_ns, kNoTime);
  const Drawdown opened = fold(minutes_of({reading(0, 90 * kE8)}), reading(-5, 100 * kE8));
  EXPECT_EQ(opened.max_drawdown_e8, 10 * kE8);
  EXPECT_EQ(opened.max_drawdown_pct_e8, 10 * kE8);
  EXPECT_EQ(opened.peak_time_ns, -5);
  EXPECT_EQ(opened.trough_time_ns, 0);
  EXPECT_EQ(opened.longest_underwater_ns, 5);
}

TEST(Drawdown, TakesCashFlowOut) {
  // A deposit of 50 hides a loss of 10; a withdrawal of 30 is no loss.
  const Drawdown deposit =
      fold(minutes_of({reading(0, 100 * kE8), reading(kMinute, 140 * kE8, 50 * kE8)}));
  EXPECT_EQ(deposit.max_drawdown_e8, 10 * kE8);
  EXPECT_EQ(deposit.max_drawdown_pct_e8, 10 * kE8);
  EXPECT_FALSE(deposit.unadjusted);
  const Drawdown withdrawal =
      fold(minutes_of({reading(0, 100 * kE8), reading(kMinute, 70 * kE8, -30 * kE8)}));
  EXPECT_EQ(withdrawal.max_drawdown_e8, 0);
  EXPECT_TRUE(fold(minutes_of({reading(0, kE8)})).unadjusted);
  EXPECT_FALSE(fold(minutes_of({reading(0, kE8, 0)})).unadjusted);
}

TEST(Drawdown, KnowsPeakTroughRecoveryAndCurrent) {
  const Drawdown done = fold(minutes_of(
      {reading(0, 100 * kE8), reading(1 * kMinute, 120 * kE8), reading(2 * kMinute, 90 * kE8),
       reading(5 * kMinute, 121 * kE8), reading(6 * kMinute, 115 * kE8)}));
  EXPECT_EQ(done.max_drawdown_e8, 30 * kE8);
  EXPECT_EQ(done.max_drawdown_pct_e8, 25 * kE8);
  EXPECT_EQ(done.peak_time_ns, 1 * kMinute);
  EXPECT_EQ(done.trough_time_ns, 2 * kMinute);
  EXPECT_EQ(done.drawdown_current_e8, 6 * kE8);
  EXPECT_EQ(done.longest_underwater_ns, 4 * kMinute);
}

TEST(Drawdown, PercentOnlyWhileTheHighIsAboveZero) {
  const Drawdown done = fold(minutes_of({reading(0, -10 * kE8), reading(kMinute, -30 * kE8)}));
  EXPECT_EQ(done.max_drawdown_e8, 20 * kE8);
  EXPECT_EQ(done.max_drawdown_pct_e8, 0);
  const Drawdown ruin = fold(minutes_of({reading(0, 10 * kE8), reading(kMinute, -10 * kE8)}));
  EXPECT_EQ(ruin.max_drawdown_pct_e8, 200 * kE8);
}

TEST(Drawdown, HasNoResultWithoutAMinute) {
  EXPECT_FALSE(DrawdownFold(kE8, 0).result().has_value());
}

TEST(Drawdown, PercentIsRoundedHalfAwayFromZero) {
  const Drawdown done = fold(minutes_of({reading(0, 300), reading(kMinute, 299)}));
  EXPECT_EQ(done.max_drawdown_pct_e8, 33'333'333);  // 1/3 %
  const Drawdown up = fold(minutes_of({reading(0, 300), reading(kMinute, 298)}));
  EXPECT_EQ(up.max_drawdown_pct_e8, 66'666'667);
}

TEST(EquityMinute, KeepsOpenHighLowCloseWithTheirTimes) {
  const EquityMinute minute = minute_of(
      {reading(1, 100), reading(2, 130), reading(3, 90), reading(4, 130), reading(5, 110)});
  EXPECT_EQ(minute.open_e8, 100);
  EXPECT_EQ(minute.high_e8, 130);
  EXPECT_EQ(minute.low_e8, 90);
  EXPECT_EQ(minute.close_e8, 110);
  EXPECT_EQ(minute.open_time_ns, 1);
  EXPECT_EQ(minute.high_time_ns, 2);
  EXPECT_EQ(minute.low_time_ns, 3);
  EXPECT_EQ(minute.close_time_ns, 5);
  EXPECT_EQ(minute.readings, 5U);
  EXPECT_EQ(minute.mdd_e8, 40);
  EXPECT_EQ(minute.mdd_pct_e8, 3'076'923'077);
  EXPECT_EQ(minute.level_high_e8, 130);
  EXPECT_FALSE(minute.has_cash_flow);
}

TEST(EquityMinute, LastReadingWinsByTimeNotByArrival) {
  EquityReading late = reading(10, 100);
  late.open_positions_count = 3;
  late.metadata = R"({"late":true})";
  EquityReading early = reading(5, 200);
  early.open_positions_count = 1;
  EquityMinute minute;
  minute.add(late);
  minute.add(early);
  EXPECT_EQ(minute.close_e8, 100);
  EXPECT_EQ(minute.open_e8, 200);
  EXPECT_EQ(minute.open_positions_count, 3);
  EXPECT_EQ(minute.metadata, R"({"late":true})");
  EXPECT_EQ(minute.mdd_e8, 100);
}

TEST(EquityMinute, MarginUtilisationSkipsReadingsWithoutIt) {
  EXPECT_EQ(margin_utilization_pct_e8(50, 200), 25 * kE8);
  EXPECT_EQ(margin_utilization_pct_e8(300, 200), 150 * kE8);
  EXPECT_FALSE(margin_utilization_pct_e8(50, 0).has_value());
  EXPECT_FALSE(margin_utilization_pct_e8(50, -1).has_value());
  EXPECT_FALSE(margin_utilization_pct_e8(kNullE8, 100).has_value());
  EquityReading with = reading(1, 200 * kE8), without = reading(2, 200 * kE8);
  with.margin_used_e8 = 50 * kE8;
  const EquityMinute minute = minute_of({with, without});
  EXPECT_EQ(minute.margin_readings, 1U);
  EXPECT_EQ(minute.margin_pct_max_e8, 25 * kE8);
  EXPECT_TRUE(minute.margin_pct_sum_e8 == 25 * kE8);
}

TEST(EquityMinute, MergeOfPartsIsTheWholeAndAssociative) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 300; ++round) {
    const auto readings = walk(random, 30, 30, round % 2 == 1);
    const std::size_t i = random() % 30, j = i + random() % (30 - i);
    const auto part = [&readings](std::size_t from, std::size_t to) {
      return minute_of({readings.begin() + static_cast<std::ptrdiff_t>(from),
                        readings.begin() + static_cast<std::ptrdiff_t>(to)});
    };
    const EquityMinute a = part(0, i), b = part(i, j), c = part(j, 30);
    const EquityMinute whole = part(0, 30);
    EquityMinute left = merge(merge(a, b), c), right = merge(a, merge(b, c));
    if (round % 2 == 1) {  // percent within shifted parts is recomputed from mdd/mdd_pct
      EXPECT_NEAR(static_cast<double>(left.mdd_pct_e8), static_cast<double>(whole.mdd_pct_e8),
                  1e-4 * static_cast<double>(whole.mdd_pct_e8) + 1);
      left.mdd_pct_e8 = right.mdd_pct_e8 = whole.mdd_pct_e8;
    }
    EXPECT_EQ(left, whole);
    EXPECT_EQ(right, whole);
    EXPECT_EQ(merge(c, merge(b, a)), merge(merge(a, b), c));  // order is by time, not by argument
  }
}

TEST(EquityMinute, AnOverlapNeverInventsADrawdown) {
  // b's high (150) lies after a's low (80): no fall from 150 to 80.
  const EquityMinute a = minute_of({reading(1, 100), reading(3, 80), reading(9, 100)});
  const EquityMinute b = minute_of({reading(2, 110), reading(5, 150), reading(8, 149)});
  const EquityMinute both = merge(a, b);
  EXPECT_EQ(both, merge(b, a));
  EXPECT_EQ(both.mdd_e8, 20);
  EXPECT_EQ(both.high_e8, 150);
  EXPECT_EQ(both.low_e8, 80);
  EXPECT_EQ(both.close_time_ns, 9);
}

TEST(EquityMinute, LevelsOfARowAreDerived) {
  EquityMinute plain = minute_of({reading(1, 100), reading(2, 130), reading(3, 90)});
  const EquityMinute expected = plain;
  plain.level_high_e8 = plain.level_low_e8 = 0;
  plain.derive_levels();
  EXPECT_EQ(plain, expected);
  EquityMinute single = minute_of({reading(1, 140, 50)});
  const EquityMinute single_expected = single;
  single.level_high_e8 = single.level_low_e8 = 0;
  single.derive_levels();
  EXPECT_EQ(single, single_expected);
}

TEST(EquityMinute, ExtremeNumbersNeverWrap) {
  std::mt19937_64 random(7);
  const std::int64_t extremes[] = {kMaxE8, -kMaxE8, 0, 1, -1, kE8};
  const auto pick = [&] { return extremes[random() % 6]; };
  for (int round = 0; round < 3'000; ++round) {
    DrawdownFold folding(pick(), pick());
    for (int i = 0; i < 4; ++i) {
      EquityMinute minute;
      for (int n = 0; n < 3; ++n) {
        EquityReading r = reading(pick(), pick(), pick());
        r.margin_used_e8 = pick();
        r.realized_pnl_e8 = r.unrealized_pnl_e8 = pick();
        (void)total_pnl_e8(r.realized_pnl_e8, r.unrealized_pnl_e8);
        minute.add(r);
      }
      folding.add(minute);
      minute.derive_levels();
      folding.add(minute);
    }
    const auto done = folding.result();
    ASSERT_TRUE(done.has_value());
    EXPECT_GE(done->max_drawdown_e8, 0);
    EXPECT_GE(done->max_drawdown_pct_e8, 0);
    EXPECT_GE(done->longest_underwater_ns, 0);
  }
}

TEST(EquityMinute, DecodeGivesBackWhatWasEncodedAndRefusesDamage) {
  std::mt19937_64 random(6);
  EquityReading full = reading(59, 100 * kE8, -5 * kE8);
  full.margin_used_e8 = 10 * kE8;
  full.metadata = "{}";
  for (const EquityMinute& minute :
       {EquityMinute{}, minute_of({full}), minute_of(walk(random, 9, 9, true))}) {
    std::string bytes;
    ByteWriter writer(bytes);
    minute.encode(writer);
    ByteReader reader(bytes);
    const auto decoded = EquityMinute::decode(reader);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(*decoded, minute);
    EXPECT_TRUE(reader.at_end());
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      ByteReader cut(std::string_view(bytes).substr(0, length));
      EXPECT_FALSE(EquityMinute::decode(cut).has_value());
    }
    for (int i = 0; i < 20'000; ++i) {
      std::string damaged = bytes;
      damaged[random() % damaged.size()] = static_cast<char>(random());
      ByteReader hurt(damaged);
      const auto survived = EquityMinute::decode(hurt);
      if (!survived) continue;
      DrawdownFold folding(kE8, 0);
      folding.add(merge(*survived, minute));
      folding.add(merge(minute, *survived));
      (void)folding.result();
    }
  }
}

}  // namespace
}  // namespace ddt::model
