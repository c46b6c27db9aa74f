// Trades: hand-computed P&L and slippage, figures with their reasons, merging.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "sidecar/model/trades.hpp"

namespace ddt::model {
namespace {

std::int64_t e8(std::string_view text) { return e8_from_string(text).value_or(kInvalidE8); }

std::string shown(const std::optional<int128>& value_e8) {
  return value_e8 ? decimal_string(*value_e8, 8) : "null";
}

TradeRow trade(std::string_view side, std::string_view entry, std::string_view exit,
               std::string_view quantity = "1", std::string_view multiplier = "1",
               std::string_view fees = "0") {
  TradeRow row;
  row.symbol = "SPY";
  row.trade_type = "breakout";
  row.side = side;
  row.entry_price_e8 = e8(entry);
  row.exit_price_e8 = e8(exit);
  row.quantity_e8 = e8(quantity);
  row.multiplier_e8 = e8(multiplier);
  row.fees_e8 = e8(fees);
  row.exit_time_ns = 1'000'000'000;
  return row;
}

TradeSummary summary_of(const std::vector<TradeRow>& rows) {
  TradeSummary summary;
  for (const TradeRow& row : rows) summary.add(row);
  return summary;
}

// "12.5" or "null:reason".
std::string figure(const std::vector<Figure>& figures, std::string_view name) {
  const Figure* found = find(figures, name);
  if (found == nullptr) return "absent";
  return found->value_e8 ? shown(found->value_e8) : "null:" + found->reason;
}

TEST(Pnl, IsSideTimesMoveTimesQuantityTimesMultiplierLessFees) {
  EXPECT_EQ(shown(pnl_e8(trade("buy", "168.16", "169.02", "100"))), "86");
  EXPECT_EQ(shown(pnl_e8(trade("sell", "168.16", "169.02", "100"))), "-86");
  EXPECT_EQ(shown(pnl_e8(trade("buy", "4.15", "5.05", "3", "100", "3.9"))), "266.1");
  EXPECT_EQ(shown(pnl_e8(trade("buy", "0.00001234", "0.00001235", "0.5"))),
            "0.00000001");  // .5e-8 up
  EXPECT_EQ(shown(pnl_e8(trade("sell", "0.00001234", "0.00001235", "0.5"))), "-0.00000001");
  EXPECT_EQ(shown(pnl_e8(trade("buy", "0.00001234", "0.00001235", "0.49999999"))), "0");
}

TEST(Pnl, IsUndefinedWithoutASideOrANumber) {
  EXPECT_EQ(shown(pnl_e8(trade("", "1", "2"))), "null");
  EXPECT_EQ(shown(pnl_e8(trade("neither", "1", "2"))), "null");
  for (auto field : {&TradeRow::entry_price_e8, &TradeRow::exit_price_e8, &TradeRow::quantity_e8,
                     &TradeRow::multiplier_e8}) {
    TradeRow row = trade("buy", "1", "2");
    row.*field = kNullE8;
    EXPECT_EQ(shown(pnl_e8(row)), "null");
    EXPECT_EQ(shown(pnl_pct_e8(row)), "null");
  }
  TradeRow without_fees = trade("buy", "1", "2");
  without_fees.fees_e8 = kNullE8;
  EXPECT_EQ(shown(pnl_e8(without_fees)), "1");
}

TEST(Pnl, ThatDoesNotFitIsNullNotWrapped) {
  TradeRow row = trade("buy", "0", "1");
  row.exit_price_e8 = row.quantity_e8 = row.multiplier_e8 = kMaxE8;
  EXPECT_FALSE(pnl_unrounded(row).has_value());
  EXPECT_FALSE(pnl_e8(row).has_value());
  EXPECT_FALSE(pnl_pct_e8(row).has_value());
}

TEST(PnlPct, IsOfTheEntryValueAndRoundedOnce) {
  EXPECT_EQ(shown(pnl_pct_e8(trade("buy", "300", "301", "10"))), "0.33333333");
  EXPECT_EQ(shown(pnl_pct_e8(trade("buy", "300", "302", "10"))), "0.66666667");
  EXPECT_EQ(shown(pnl_pct_e8(trade("sell", "4", "3", "2", "100", "8"))), "24");
  EXPECT_EQ(shown(pnl_pct_e8(trade("buy", "0", "1"))), "null");
  // Products beyond 128 bits on the way: 1e10·1e4·1e2 of base, percent still exact.
  EXPECT_EQ(shown(pnl_pct_e8(trade("buy", "90000000", "90000001", "10000", "100"))), "0.00000111");
  // 100/1e-8 = 1e10 percent fits; 1e18 does not fit DECIMAL(20,8).
  EXPECT_EQ(shown(pnl_pct_e8(trade("buy", "0.00000001", "1"))), "9999999900");
  EXPECT_EQ(shown(pnl_pct_e8(trade("buy", "0.00000001", "100000000"))), "null");
}

TEST(Slippage, IsSignedAndNullWithoutAReference) {
  TradeRow row = trade("buy", "10.05", "11");
  EXPECT_EQ(shown(slippage_e8(row)), "null");
  row.reference_price_e8 = e8("10");
  EXPECT_EQ(shown(slippage_e8(row)), "0.05");
  row.side = "sell";
  EXPECT_EQ(shown(slippage_e8(row)), "-0.05");
  row.side = "";
  EXPECT_EQ(shown(slippage_e8(row)), "null");
}

TEST(Duration, IsThatOfTheStoredMicroseconds) {
  TradeRow row = trade("buy", "1", "2");
  EXPECT_FALSE(duration_us(row).has_value());
  row.entry_time_ns = 1'999;
  row.exit_time_ns = 3'000;
  EXPECT_EQ(duration_us(row), 2);
}

TEST(Occ, RecognisesOptionSymbols) {
  for (const char* symbol : {"SPY241218C00604000", "F240119P00012500", "GOOGL1250117C00150000",
                             "BRKB7251219P00500000"}) {
    EXPECT_TRUE(is_occ_symbol(symbol)) << symbol;
    EXPECT_EQ(default_multiplier_e8(symbol), 100 * kE8);
  }
  for (const char* symbol :
       {"", "SPY", "BTC/USD", "241218C00604000", "SPY241318C00604000", "SPY241232C00604000",
        "SPY241218X00604000", "SPY241218C0060400", "spy241218C00604000", "ABCDEFG241218C00604000",
        "1SP241218C00604000", "SPY241218C0060400A", "SPY2412 8C00604000"}) {
    EXPECT_FALSE(is_occ_symbol(symbol)) << symbol;
    EXPECT_EQ(default_multiplier_e8(symbol), kE8);
  }
}

TEST(Breakout, IsByTypeOrBySignal) {
  TradeRow row = trade("buy", "1", "2");
  EXPECT_TRUE(is_breakout_trade(row));
  row.trade_type = "equity_close";
  EXPECT_FALSE(is_breakout_trade(row));
  row.signal_id = "s-1";
  EXPECT_TRUE(is_breakout_trade(row));
}

TEST(TradeFigures, WithoutTradesAreNullWithAReason) {
  const auto figures = trade_figures({});
  EXPECT_EQ(figure(figures, "total_trades"), "0");
  EXPECT_EQ(figure(figures, "closed_trade_pnl"), "0");
  for (const char* name :
       {"win_rate", "avg_pnl", "avg_win", "avg_loss", "profit_factor", "expectancy", "payoff_ratio",
        "largest_win", "largest_loss", "duration_avg", "duration_p50", "sqn"}) {
    EXPECT_EQ(figure(figures, name), "null:no_trades") << name;
  }
  const auto breakout = breakout_figures({});
  for (const char* name : {"success_rate", "avg_profit_per_trade", "avg_slippage",
                           "avg_slippage_bps", "slippage_bps_p95"}) {
    EXPECT_EQ(figure(breakout, name), "null:no_trades") << name;
  }
  EXPECT_EQ(figure(streak_figures({}), "win_streak_max"), "null:no_trades");
}

TEST(TradeFigures, OfAHandComputedSet) {
  // pnl: +10, +20, −15, 0.
  std::vector<TradeRow> rows{trade("buy", "100", "110"), trade("buy", "100", "101", "20"),
                             trade("sell", "100", "105", "3"), trade("buy", "100", "100")};
  rows[0].entry_time_ns = 0;
  const auto figures = trade_figures(summary_of(rows));
  EXPECT_EQ(figure(figures, "total_trades"), "4");
  EXPECT_EQ(figure(figures, "winning_trades"), "2");
  EXPECT_EQ(figure(figures, "losing_trades"), "1");
  EXPECT_EQ(figure(figures, "flat_trades"), "1");
  EXPECT_EQ(figure(figures, "win_rate"), "50");
  EXPECT_EQ(figure(figures, "closed_trade_pnl"), "15");
  EXPECT_EQ(figure(figures, "avg_pnl"), "3.75");
  EXPECT_EQ(figure(figures, "expectancy"), "3.75");
  EXPECT_EQ(figure(figures, "gross_profit"), "30");
  EXPECT_EQ(figure(figures, "gross_loss"), "15");
  EXPECT_EQ(figure(figures, "profit_factor"), "2");
  EXPECT_EQ(figure(figures, "avg_win"), "15");
  EXPECT_EQ(figure(figures, "avg_loss"), "-15");
  EXPECT_EQ(figure(figures, "payoff_ratio"), "1");
  EXPECT_EQ(figure(figures, "largest_win"), "20");
  EXPECT_EQ(figure(figures, "largest_loss"), "-15");
  EXPECT_EQ(figure(figures, "duration_avg"), "1");
  EXPECT_EQ(figure(figures, "duration_p50"), "1");
  // mean 3.75, Σ(x − mean)² = 668.75, stdev = 14.930394…, sqn = 2·3.75/14.930394…
  EXPECT_EQ(figure(figures, "sqn"), "0.50233101");
}

TEST(TradeFigures, SayWhyTheyAreUndefined) {
  const auto wins = trade_figures(summary_of({trade("buy", "1", "2"), trade("buy", "1", "2")}));
  EXPECT_EQ(figure(wins, "profit_factor"), "null:no_losses");
  EXPECT_EQ(figure(wins, "payoff_ratio"), "null:no_losses");
  EXPECT_EQ(figure(wins, "avg_loss"), "null:no_losses");
  EXPECT_EQ(figure(wins, "largest_loss"), "null:no_losses");
  EXPECT_EQ(figure(wins, "sqn"), "null:zero_variance");
  EXPECT_EQ(figure(wins, "duration_p50"), "null:no_durations");
  const auto loss = trade_figures(summary_of({trade("buy", "2", "1")}));
  EXPECT_EQ(figure(loss, "profit_factor"), "0");
  EXPECT_EQ(figure(loss, "payoff_ratio"), "null:no_wins");
  EXPECT_EQ(figure(loss, "avg_win"), "null:no_wins");
  EXPECT_EQ(figure(loss, "sqn"), "null:too_few_trades");
  const auto unknown = trade_figures(summary_of({trade("", "2", "1")}));
  EXPECT_EQ(figure(unknown, "total_trades"), "1");
  EXPECT_EQ(figure(unknown, "win_rate"), "null:no_pnl");
}

TEST(TradeFigures, RowsFromBeforeCountByTheirStoredPnl) {
  TradeRow old = trade("", "2", "1");
  old.stored_pnl_e8 = e8("-1.5");
  const auto figures = trade_figures(summary_of({old}));
  EXPECT_EQ(figure(figures, "losing_trades"), "1");
  EXPECT_EQ(figure(figures, "closed_trade_pnl"), "-1.5");
}

TEST(BreakoutFigures, WeighSlippageByQuantity) {
  std::vector<TradeRow> rows{trade("buy", "10.10", "11", "3", "100"),
                             trade("sell", "20.10", "19", "1"), trade("buy", "1", "2", "50")};
  rows[0].reference_price_e8 = e8("10");  // slip 0.1, cost 30
  rows[1].reference_price_e8 = e8("20");  // slip −0.1, cost −0.1
  const auto figures = breakout_figures(summary_of(rows));
  EXPECT_EQ(figure(figures, "avg_slippage"), "0.05");  // (0.3 − 0.1)/4
  EXPECT_EQ(figure(figures, "slippage_cost"), "29.9");
  EXPECT_EQ(figure(figures, "avg_slippage_bps"), "99.00662252");  // 29.9/3020·1e4
  EXPECT_EQ(figure(figures, "slippage_bps_p99"), "100");
  EXPECT_EQ(figure(figures, "success_rate"), "100");
  const auto none = breakout_figures(summary_of({trade("buy", "1", "2")}));
  EXPECT_EQ(figure(none, "avg_slippage"), "null:no_reference_price");
  EXPECT_EQ(figure(none, "slippage_bps_p50"), "null:no_reference_price");
}

TEST(TradeFigures, RoundOnceFromUnroundedSums) {
  // Three times 0.4e-8: rounded rows would sum to 0.
  const TradeRow tiny = trade("buy", "0.00000001", "0.00000002", "0.4");
  const auto figures = trade_figures(summary_of({tiny, tiny, tiny}));
  EXPECT_EQ(figure(figures, "closed_trade_pnl"), "0.00000001");
  EXPECT_EQ(figure(figures, "winning_trades"), "3");
}

TEST(TradeFigures, AnOverflowIsSaidAndTheRestSurvives) {
  TradeRow huge = trade("buy", "0", "1");
  huge.exit_price_e8 = huge.quantity_e8 = kMaxE8;
  huge.multiplier_e8 = e8("0.0000001");  // about 8e14 of 1.7e14: does not fit
  TradeRow large = huge;
  large.multiplier_e8 = e8("0.00000001");  // about 8.5e13: fits, three do not
  const auto single = trade_figures(summary_of({huge, trade("buy", "1", "2")}));
  EXPECT_EQ(figure(single, "closed_trade_pnl"), "1");
  const auto sum = trade_figures(summary_of({large, large, large}));
  EXPECT_EQ(figure(sum, "closed_trade_pnl"), "null:overflow");
  EXPECT_EQ(figure(sum, "avg_win"), "null:overflow");
  EXPECT_EQ(figure(sum, "win_rate"), "100");
}

TEST(Streaks, FollowExitTimeAndAFlatTradeBreaksBoth) {
  const auto at = [](TradeRow row, std::int64_t time, std::uint64_t position) {
    row.exit_time_ns = time;
    row.name.position = position;
    return row;
  };
  const TradeRow win = trade("buy", "1", "2"), loss = trade("buy", "2", "1"),
                 flat = trade("buy", "1", "1"), unknown = trade("", "1", "2");
  // By time: win win flat win loss loss(unknown between) loss
  const std::vector<TradeRow> rows{at(loss, 9, 1), at(win, 1, 1),     at(loss, 5, 2),
                                   at(flat, 3, 1), at(unknown, 6, 1), at(win, 2, 1),
                                   at(win, 5, 1),  at(loss, 7, 1)};
  EXPECT_EQ(streaks_of(rows), (Streaks{.win_max = 2, .loss_max = 3, .current = -3}));
  EXPECT_EQ(figure(streak_figures(rows), "current_streak"), "-3");
}

TradeRow random_trade(std::mt19937_64& random) {
  TradeRow row = trade(random() % 8 == 0 ? "" : random() % 2 == 0 ? "buy" : "sell", "0", "0");
  const auto number = [&random](std::uint64_t below) {
    return static_cast<std::int64_t>(random() % below);
  };
  row.entry_price_e8 = number(1'000'000'000'000);
  row.exit_price_e8 = random() % 10 == 0 ? row.entry_price_e8 : number(1'000'000'000'000);
  row.quantity_e8 = number(100'000'000'000);
  if (random() % 2 == 0) row.reference_price_e8 = row.entry_price_e8 + number(100'000) - 50'000;
  if (random() % 3 != 0) row.entry_time_ns = row.exit_time_ns - number(1'000'000'000'000);
  return row;
}

TEST(TradeSummary, MergesInAnyOrderAndGroupingAndTravels) {
  std::mt19937_64 random(31);
  for (int round = 0; round < 100; ++round) {
    TradeSummary parts[3], whole;
    for (TradeSummary& part : parts) {
      for (std::uint64_t i = random() % 20; i > 0; --i) {
        const TradeRow row = random_trade(random);
        part.add(row);
        whole.add(row);
      }
    }
    TradeSummary left = parts[0], right = parts[2];
    left.merge(parts[1]);
    left.merge(parts[2]);
    right.merge(parts[1]);
    right.merge(parts[0]);
    EXPECT_EQ(left, whole);
    EXPECT_EQ(right, whole);
    std::string bytes;
    ByteWriter writer(bytes);
    whole.encode(writer);
    ByteReader reader(bytes);
    EXPECT_EQ(TradeSummary::decode(reader), whole);
    EXPECT_TRUE(reader.at_end());
    for (int i = 0; i < 300; ++i) {
      std::string damaged =
          bytes.substr(0, random() % 4 == 0 ? random() % bytes.size() : bytes.size());
      if (!damaged.empty()) damaged[random() % damaged.size()] = static_cast<char>(random());
      ByteReader hurt(damaged);
      auto survived = TradeSummary::decode(hurt);
      if (!survived) continue;
      survived->merge(whole);
      (void)trade_figures(*survived);
      (void)breakout_figures(*survived);
    }
  }
}

TEST(TradeSummary, ExtremeNumbersAreSetAsideNotWrapped) {
  std::mt19937_64 random(43);
  const std::int64_t extremes[] = {kNullE8, kMaxE8, -kMaxE8, 0, 1, -1, kE8, -kE8};
  const auto pick = [&] { return extremes[random() % 8]; };
  for (int round = 0; round < 5'000; ++round) {
    TradeSummary summary;
    for (int i = 0; i < 5; ++i) {
      TradeRow row = trade(random() % 2 == 0 ? "buy" : "sell", "1", "2");
      row.entry_price_e8 = pick();
      row.exit_price_e8 = pick();
      row.quantity_e8 = pick();
      row.multiplier_e8 = pick();
      row.reference_price_e8 = pick();
      row.fees_e8 = pick();
      row.stored_pnl_e8 = pick();
      row.entry_time_ns = pick();
      row.exit_time_ns = pick();
      (void)pnl_pct_e8(row);
      summary.add(row);
    }
    EXPECT_EQ(summary.trades,
              summary.profitable + summary.losing + summary.flat + summary.without_pnl);
    for (const auto& figures : {trade_figures(summary), breakout_figures(summary)}) {
      for (const Figure& one : figures) EXPECT_NE(one.value_e8.has_value(), !one.reason.empty());
    }
  }
}

TEST(MultiplyDivide, IsExactWithA256BitProduct) {
  std::mt19937_64 random(37);
  for (int i = 0; i < 20'000; ++i) {
    const auto a = static_cast<int128>((static_cast<uint128>(random()) << 64 | random()) >>
                                       (1 + random() % 100));
    const auto b = static_cast<int128>((static_cast<uint128>(random()) << 64 | random()) >>
                                       (1 + random() % 100));
    if (b == 0) continue;
    EXPECT_TRUE(multiply_divide(a, b, b) == a);
    EXPECT_TRUE(multiply_divide(-a, b, b) == -a);
    if (const auto product = checked_multiply(a, b)) {
      const auto c = static_cast<int128>(random() >> 1) + 1;
      EXPECT_TRUE(multiply_divide(a, b, c) == divide_rounded(*product, c));
      EXPECT_TRUE(multiply_divide(a, -b, c) == divide_rounded(-*product, c));
    }
  }
  EXPECT_TRUE(multiply_divide(7, 1, 2) == 4);
  EXPECT_TRUE(multiply_divide(-7, 1, 2) == -4);
  EXPECT_FALSE(multiply_divide(1, 1, 0).has_value());
  const int128 widest = (((int128{1} << 126) - 1) << 1) + 1;
  EXPECT_FALSE(multiply_divide(widest, 2, 1).has_value());
  EXPECT_TRUE(multiply_divide(widest, widest, widest) == widest);
}

}  // namespace
}  // namespace ddt::model
