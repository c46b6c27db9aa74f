// The simulated bots: deterministic, split by script without overlap, legal orders, a ledger that adds up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bench/replay/bars.hpp"
#include "bench/replay/calendar.hpp"
#include "bench/replay/oracle.hpp"
#include "bench/replay/profile.hpp"
#include "bench/replay/record.hpp"
#include "bench/replay/simulation.hpp"
#include "shm/base/decimal.hpp"

namespace ddt::replay {
namespace {

class Collected final : public RecordSink {
 public:
  void accept(const Record& record) override { records.push_back(record); }
  bool is_stopping() const override { return false; }
  std::vector<Record> records;
};

const Market& market() {
  static const Market made = made_market(3, 8);
  return made;
}

std::vector<Record> play(const std::vector<std::int32_t>& profiles, std::uint64_t seed = 1) {
  Collected sink;
  Simulation simulation(market(), seed, profiles, sink);
  std::vector<std::int64_t> dates;
  for (const Day& day : market().days) dates.push_back(day.date);
  const std::vector<DayPlan> plans = history_plans(dates, Placement::keep_times, 0);
  for (std::size_t i = 0; i < dates.size(); ++i) simulation.play(market().days[i], plans[i]);
  return std::move(sink.records);
}

const std::vector<Record>& everything() {
  static const std::vector<Record> all = play({1, 2, 3, 4, 5, 6, 7, 8});
  return all;
}

template <typename Body>
std::vector<std::pair<const Record*, const Body*>> all_of_kind(const std::vector<Record>& records) {
  std::vector<std::pair<const Record*, const Body*>> found;
  for (const Record& record : records) {
    if (const auto* body = std::get_if<Body>(&record.body)) found.emplace_back(&record, body);
  }
  return found;
}

TEST(Simulation, SaysTheSameTwice) {
  EXPECT_EQ(play({1, 2, 3, 4, 5, 6, 7, 8}), everything());
  EXPECT_NE(play({1, 2, 3, 4, 5, 6, 7, 8}, 2), everything());
}

TEST(Simulation, ProcessesPartitionTheRecords) {
  std::map<std::pair<std::int32_t, Script>, std::vector<Record>> expected;
  for (const Record& record : everything())
    expected[{record.profile_id, record.script}].push_back(record);
  ASSERT_EQ(expected.size(), 8U * 3 + 1);
  for (const auto& [speaker, said] : expected) {
    const bool is_detector = speaker.second == Script::breakout_detector;
    EXPECT_EQ(is_detector, speaker.first == kDetectorProfile);
    // As a bot's process does it: the whole simulation of its profile, of which it keeps its script.
    std::vector<Record> own;
    for (const Record& record :
         play(is_detector ? std::vector<std::int32_t>{} : std::vector{speaker.first})) {
      if (record.script == speaker.second) own.push_back(record);
    }
    EXPECT_EQ(own, said) << speaker.first << " " << name_of(speaker.second);
  }
}

TEST(Simulation, TimesOfAScriptGrowAndAreWholeMicroseconds) {
  std::map<std::pair<std::int32_t, Script>, std::int64_t> last;
  for (const Record& record : everything()) {
    std::int64_t& before = last[{record.profile_id, record.script}];
    ASSERT_GT(record.event_time_ns, before) << oracle_line(record);
    ASSERT_EQ(record.event_time_ns % 1'000, 0);
    before = record.event_time_ns;
  }
}

TEST(Simulation, CoversEverythingABotCanSay) {
  std::set<std::string> statuses, reasons, fates, sides, types;
  std::set<std::size_t> kinds;
  bool has_option = false, has_fraction = false, has_cash_flow = false, has_flat = false,
       has_unsaid_reference = false, has_unsaid_id = false, has_signalless = false, has_put = false;
  for (const Record& record : everything()) kinds.insert(record.body.index());
  for (const auto& [record, order] : all_of_kind<OrderRecord>(everything()))
    statuses.insert(order->status);
  for (const auto& [record, signal] : all_of_kind<SignalRecord>(everything()))
    fates.insert(signal->fate);
  for (const auto& [record, equity] : all_of_kind<EquityRecord>(everything()))
    has_cash_flow = has_cash_flow || !is_null(equity->cash_flow_e8);
  for (const auto& [record, trade] : all_of_kind<TradeRecord>(everything())) {
    reasons.insert(trade->exit_reason);
    sides.insert(trade->side);
    types.insert(trade->trade_type);
    const bool is_option = trade->symbol.size() > 12;
    has_option = has_option || is_option;
    has_put = has_put ||
              (is_option && trade->symbol[trade->symbol.size() - 9] == 'P' && trade->side == "buy");
    has_fraction = has_fraction || trade->quantity_e8 % kE8 != 0;
    has_flat = has_flat || (trade->entry_price_e8 == trade->exit_price_e8 && trade->fees_e8 == 0);
    has_unsaid_reference = has_unsaid_reference || is_null(trade->reference_price_e8);
    has_unsaid_id = has_unsaid_id || trade->trade_id.empty();
    has_signalless = has_signalless || trade->signal_id.empty();
  }
  EXPECT_EQ(kinds.size(), kKindCount);
  EXPECT_THAT(statuses, ::testing::IsSupersetOf({"new", "accepted", "partially_filled", "filled",
                                                 "canceled", "pending_cancel", "rejected",
                                                 "expired", "converted", "replaced"}));
  EXPECT_THAT(reasons, ::testing::IsSupersetOf(
                           {"profit_target", "stop_loss", "choppy_day", "time_based", "eod"}));
  EXPECT_THAT(types, ::testing::IsSupersetOf({"breakout", "take_profit", "stop_loss",
                                              "choppy_day_close", "equity_close"}));
  EXPECT_THAT(fates, ::testing::ElementsAre("detected", "suppressed", "traded"));
  EXPECT_THAT(sides, ::testing::ElementsAre("buy", "sell"));
  EXPECT_TRUE(has_option && has_put && has_fraction && has_cash_flow);
  EXPECT_TRUE(has_flat);
  EXPECT_TRUE(has_unsaid_reference && has_unsaid_id && has_signalless);
}

// What may follow what; a repeat of the same status is always legal.
bool is_legal(const std::string& from, const std::string& to) {
  static const std::map<std::string, std::set<std::string>> next{
      {"", {"new"}},
      {"new",
       {"accepted", "partially_filled", "filled", "canceled", "rejected", "expired", "converted",
        "replaced", "pending_cancel"}},
      {"accepted",
       {"partially_filled", "filled", "canceled", "expired", "converted", "replaced",
        "pending_cancel"}},
      {"partially_filled", {"filled", "canceled", "expired", "converted", "pending_cancel"}},
      {"pending_cancel", {"canceled"}}};
  if (from == to) return true;
  const auto found = next.find(from);
  return found != next.end() && found->second.contains(to);
}

TEST(Orders, LiveLegalLivesAndEnd) {
  struct Life {
    std::string status, parent;
    std::int64_t filled_e8 = 0, quantity_e8 = 0;
  };
  std::vector<Record> orders;  // as a reader sees them: by time, across the profile's scripts
  for (const auto& [record, order] : all_of_kind<OrderRecord>(everything()))
    orders.push_back(*record);
  std::stable_sort(orders.begin(), orders.end(), [](const Record& a, const Record& b) {
    return a.event_time_ns < b.event_time_ns;
  });
  std::map<std::pair<std::int32_t, std::string>, Life> lives;
  for (const Record& record : orders) {
    const auto& order = std::get<OrderRecord>(record.body);
    Life& life = lives[{record.profile_id, order.order_id}];
    ASSERT_TRUE(is_legal(life.status, order.status)) << life.status << " → " << oracle_line(record);
    ASSERT_GE(order.filled_quantity_e8, life.filled_e8) << oracle_line(record);
    ASSERT_LE(order.filled_quantity_e8, order.quantity_e8);
    ASSERT_EQ(order.status == "filled", order.filled_quantity_e8 == order.quantity_e8)
        << oracle_line(record);
    ASSERT_EQ(is_null(order.filled_price_e8), order.filled_quantity_e8 == 0);
    ASSERT_EQ(is_null(order.limit_price_e8), order.order_type == "market");
    life = {order.status, order.parent_order_id, order.filled_quantity_e8, order.quantity_e8};
  }
  std::set<std::pair<std::int32_t, std::string>> parents;
  for (const auto& [key, life] : lives) {
    if (life.parent.empty()) continue;
    const std::pair<std::int32_t, std::string> parent{key.first, life.parent};
    EXPECT_TRUE(parents.insert(parent).second) << "two children of " << life.parent;
    ASSERT_TRUE(lives.contains(parent)) << life.parent;
    EXPECT_EQ(life.quantity_e8, lives[parent].quantity_e8 - lives[parent].filled_e8);
  }
  for (const auto& [key, life] : lives) {
    const bool goes_on = life.status == "converted" || life.status == "replaced";
    EXPECT_EQ(goes_on, goes_on && parents.contains(key)) << key.second;
    EXPECT_TRUE(
        goes_on ||
        std::set<std::string>({"filled", "canceled", "expired", "rejected"}).contains(life.status))
        << key.second << " ends " << life.status;
  }
}

TEST(Ledger, WhatWasBoughtWasSoldAndSaidInTrades) {
  // The day's end is flat, so per profile and instrument entries = exits = trades.
  std::map<std::pair<std::int32_t, std::string>, OrderRecord> last_of_order;
  for (const auto& [record, order] : all_of_kind<OrderRecord>(everything())) {
    OrderRecord& kept = last_of_order[{record->profile_id, order->order_id}];
    if (kept.order_id.empty() || order->filled_quantity_e8 >= kept.filled_quantity_e8)
      kept = *order;
  }
  struct Sums {
    std::int64_t bought_e8 = 0, sold_e8 = 0, traded_e8 = 0, open_e8 = 0;
  };
  std::map<std::pair<std::int32_t, std::string>, Sums> sums;
  for (const auto& [key, order] : last_of_order) {
    Sums& sum = sums[{key.first, order.symbol}];
    (order.side == "buy" ? sum.bought_e8 : sum.sold_e8) += order.filled_quantity_e8;
  }
  std::set<std::pair<std::int32_t, std::string>> seen_trades;
  for (const auto& [record, trade] : all_of_kind<TradeRecord>(everything())) {
    if (!trade->trade_id.empty() &&
        !seen_trades.emplace(record->profile_id, trade->trade_id).second)
      continue;
    sums[{record->profile_id, trade->symbol}].traded_e8 += trade->quantity_e8;
  }
  for (const auto& [record, position] : all_of_kind<PositionRecord>(everything()))
    sums[{record->profile_id, position->symbol}].open_e8 = position->quantity_e8;
  ASSERT_GT(sums.size(), 10U);
  for (const auto& [key, sum] : sums) {
    EXPECT_EQ(sum.bought_e8, sum.sold_e8) << key.first << " " << key.second;
    EXPECT_EQ(sum.traded_e8, sum.sold_e8) << key.first << " " << key.second;
    EXPECT_EQ(sum.open_e8, 0) << key.first << " " << key.second;
  }
}

TEST(Ledger, RealizedPnlIsTheSumOfTheTrades) {
  std::map<std::int32_t, std::int64_t> realized_e8;
  std::map<std::pair<std::int32_t, std::string>, std::int64_t> of_trade_e8;
  for (const Record& record : everything()) {
    if (const auto* trade = std::get_if<TradeRecord>(&record.body)) {
      const std::int64_t multiplier = trade->symbol.size() > 12 ? 100 : 1;
      const std::int64_t sign = trade->side == "buy" ? 1 : -1;
      const std::int64_t pnl_e8 =
          sign * value_of(trade->quantity_e8, trade->exit_price_e8 - trade->entry_price_e8,
                          multiplier) -
          trade->fees_e8;
      realized_e8[record.profile_id] += pnl_e8;
      if (trade->trade_id.empty()) continue;
      std::int64_t& before_e8 = of_trade_e8[{record.profile_id, trade->trade_id}];
      realized_e8[record.profile_id] -=
          before_e8;  // a correction takes the place of what it corrects
      before_e8 = pnl_e8;
    }
    if (const auto* equity = std::get_if<EquityRecord>(&record.body)) {
      ASSERT_EQ(equity->realized_pnl_e8, realized_e8[record.profile_id]) << oracle_line(record);
    }
  }
}

TEST(Signals, FatesNameADetectedSignalOfTheProfileOnce) {
  std::set<std::string> detected;
  std::set<std::pair<std::int32_t, std::string>> judged;
  for (const auto& [record, signal] : all_of_kind<SignalRecord>(everything())) {
    if (signal->fate == "detected") {
      EXPECT_TRUE(detected.insert(signal->signal_id).second);
      continue;
    }
    EXPECT_TRUE(detected.contains(signal->signal_id));
    EXPECT_TRUE(judged.emplace(record->profile_id, signal->signal_id).second);
    EXPECT_EQ(signal->reason.empty(), signal->fate == "traded");
  }
  EXPECT_FALSE(judged.empty());
}

TEST(OptionPrices, AreMonotoneExactAndNeverFree) {
  const Instrument call =
      option_near("SPY", 0, InstrumentKind::call, 168'210'000'00, days_from_civil({2013, 10, 3}));
  EXPECT_EQ(call.symbol, "SPY131004C00168000");
  EXPECT_EQ(
      option_near("IBM", 0, InstrumentKind::put, 184 * kE8, days_from_civil({2013, 10, 4})).symbol,
      "IBM131011P00184000");
  std::int64_t last_e8 = 0;
  for (std::int64_t price_e8 = 150 * kE8; price_e8 < 190 * kE8; price_e8 += kE8 / 100) {
    const std::int64_t value_e8 = option_price_e8(call, price_e8);
    ASSERT_GT(value_e8, 0);
    ASSERT_GE(value_e8, last_e8);
    ASSERT_EQ(value_e8 % (kE8 / 10'000), 0);
    last_e8 = value_e8;
  }
}

TEST(LiveDay, PassesHaveIdsAndTimesOfTheirOwn) {
  Collected sink;
  Simulation simulation(market(), 1, {1, 2}, sink);
  const Day& day = market().days.back();
  const std::int64_t first_ns = day.bars.front().time_ns + kMinuteNs;
  std::set<std::string> trade_ids;
  std::size_t with_id = 0;
  std::int64_t start_ns = 1'800'000'000 * kSecondNs;
  for (int pass = 0; pass < 2; ++pass, start_ns += 3600 * kSecondNs)
    simulation.play(day, live_plan(day.date, first_ns, Placement::end_yesterday, start_ns, 3600));
  for (const auto& [record, trade] : all_of_kind<TradeRecord>(sink.records)) {
    if (trade->trade_id.empty() || record->metadata.find("corrects") != std::string::npos) continue;
    trade_ids.insert(std::to_string(record->profile_id) + trade->trade_id);
    ++with_id;
  }
  EXPECT_GT(with_id, 0U);
  EXPECT_EQ(trade_ids.size(), with_id);
  for (const Record& record : sink.records) ASSERT_EQ(record.due_ns, record.event_time_ns);
}

}  // namespace
}  // namespace ddt::replay
