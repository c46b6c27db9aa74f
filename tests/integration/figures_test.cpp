// Facts and states go in as the rollup writes them, figures come out of dd_telemetry_metrics. Every expected
// figure is worked out by hand beside its facts.
#include "sidecar/figures/figures.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "sidecar/model/equity_span.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/rollup/write_facts.hpp"
#include "sidecar/rollup/write_states.hpp"
#include "tests/support/migrated_mysql.hpp"

namespace ddt::sidecar {
namespace {

std::int64_t at(const std::string& text) { return *model::parse_time(text); }
constexpr std::int64_t e8(std::int64_t whole) { return whole * kE8; }
const std::int64_t kLongAfter = at("2027-01-01T00:00:00Z");

class FiguresTest : public test::MigratedMysqlTest {
 protected:
  void SetUp() override {
    ++profile_id_;
    mysql_.emplace(connect());
    figures_ = std::make_unique<Figures>(config());
    must(figures_->connect());
  }

  static FiguresConfig config() { return {.mysql = server_->options(), .interval_ms = 0}; }

  model::Origin origin(std::int64_t time_ns, const std::string& script = "order_monitor") {
    return {.profile_id = profile_id_,
            .script_name = script,
            .position = ++position_,
            .event_time_ns = time_ns,
            .metadata = ""};
  }
  // One transaction of the rollup.
  void apply(const model::Block& block) {
    const std::span<const model::Block> blocks(&block, 1);
    DirtyHours dirty;
    must(mysql_->begin());
    must(write_facts(*mysql_, facts_of(blocks), dirty));
    must(write_equity_minutes(*mysql_, blocks, dirty));
    ReadingIds reading_ids;
    must(write_hour_states(*mysql_, blocks, reading_ids, dirty));
    must(write_samples(*mysql_, blocks, dirty));
    must(write_dirty(*mysql_, dirty));
    must(mysql_->commit());
  }
  void apply(std::vector<model::Event> facts) {
    model::Block block;
    block.lane.lane = 1;
    block.fact_events = std::move(facts);
    apply(block);
  }

  // Buys one at 100; the exit says the pnl.
  model::Event trade(std::int64_t exit_ns, std::int64_t pnl, const std::string& reason = "eod",
                     const std::string& trade_id = "") {
    model::TradeEvent trade;
    trade.origin = origin(exit_ns);
    trade.symbol = "SPY";
    trade.trade_type = "breakout";
    trade.side = "buy";
    trade.quantity_e8 = e8(1);
    trade.entry_price_e8 = e8(100);
    trade.exit_price_e8 = e8(100 + pnl);
    trade.exit_time_ns = exit_ns;
    trade.exit_reason = reason;
    trade.trade_id = trade_id;
    return trade;
  }
  model::Event order(std::int64_t time_ns, const std::string& order_id, const std::string& status,
                     const std::string& type = "limit", const std::string& parent = "") {
    model::OrderEvent order;
    order.origin = origin(time_ns);
    order.order_id = order_id;
    order.parent_order_id = parent;
    order.symbol = "SPY";
    order.order_type = type;
    order.side = "buy";
    order.status = status;
    return order;
  }
  void apply_equity(std::int64_t time_ns, std::int64_t equity) {
    model::EquityReading reading{
        .time_ns = time_ns, .account_equity_e8 = e8(equity), .metadata = {}};
    model::EquityMinuteOf of{.profile_id = profile_id_,
                             .minute = model::unix_minute(time_ns),
                             .script_name = "equity_monitor",
                             .equity = {}};
    of.equity.add(reading);
    model::Block block;
    block.equity_minutes.push_back(of);
    apply(block);
  }

  // Until nothing is due any more.
  void compute_all(std::int64_t wall_ns = kLongAfter) {
    for (int rounds = 0; rounds < 1000; ++rounds) {
      if (figures_->work(++now_ns_, wall_ns) == 0) return;
    }
    FAIL() << "never settles";
  }
  std::string one(const std::string& sql, std::vector<sql::Value> params = {}) {
    const auto rows = mysql_->query(sql, params);
    if (!rows) return "error: " + rows.error().message;
    if (rows->empty()) return "no row";
    return rows->front().is_null(0) ? "NULL" : std::string(rows->front().text(0));
  }
  // A column of a figure's row.
  std::string column(const std::string& what, const std::string& metric_type,
                     const std::string& name, const std::string& window_type,
                     const std::string& start, const std::string& labels = "") {
    return one("SELECT " + what +
                   " FROM dd_telemetry_metrics WHERE profile_id = ? AND metric_type = ? AND "
                   "metric_name = ? AND window_type = ? AND window_start = ? AND labels = ?",
               {std::int64_t{profile_id_}, metric_type, name, window_type, start, labels});
  }
  // Its value, without zeros at the end; the reason in brackets where there is none.
  std::string figure(const std::string& metric_type, const std::string& name,
                     const std::string& window_type, const std::string& start,
                     const std::string& labels = "") {
    return column(
        "IFNULL(TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM metric_value)), "
        "CONCAT('(', status, ')'))",
        metric_type, name, window_type, start, labels);
  }
  std::string stale_count() {
    return one(
        "SELECT COUNT(*) FROM dd_window_state WHERE profile_id = ? AND (dirty IN (1, 2) OR "
        "(name = '' AND figures_revision <> revision))",
        {std::int64_t{profile_id_}});
  }
  std::string row_count() {
    return one("SELECT COUNT(*) FROM dd_telemetry_metrics WHERE profile_id = ?",
               {std::int64_t{profile_id_}});
  }

  static std::int32_t profile_id_;
  std::uint64_t position_ = static_cast<std::uint64_t>(profile_id_) * 1'000'000;
  std::int64_t now_ns_ = 0;
  std::optional<sql::Connection> mysql_;
  std::unique_ptr<Figures> figures_;
};
std::int32_t FiguresTest::profile_id_ = 0;

constexpr const char* kHour14 = "2026-03-19 14:00:00";
constexpr const char* kHour15 = "2026-03-19 15:00:00";
constexpr const char* kDay = "2026-03-19 00:00:00";

TEST_F(FiguresTest, TradesAndSignalsBecomeFiguresOfTheirWindows) {
  model::SignalEvent signal;
  signal.origin = origin(at("2026-03-19T14:00:00Z"));
  signal.signal_id = "s1";
  signal.symbol = "SPY";
  signal.fate = "detected";
  model::SignalEvent again = signal;
  again.origin = origin(at("2026-03-19T14:00:01Z"));
  again.fate = "suppressed";
  again.reason = "max_positions";
  apply({signal, again, trade(at("2026-03-19T14:59:59.999999Z"), 30, "profit_target"),
         trade(at("2026-03-19T15:00:00Z"), -10, "stop_loss"),
         trade(at("2026-03-19T15:10:00Z"), 0, "stop_loss")});
  compute_all();

  EXPECT_EQ(figure("breakout", "total_signals", "hour", kHour14), "1");
  EXPECT_EQ(figure("breakout", "signals_suppressed", "hour", kHour14, "reason=max_positions"), "1");
  EXPECT_EQ(figure("equity", "total_trades", "hour", kHour14), "1");
  EXPECT_EQ(figure("equity", "total_trades", "hour", kHour15), "2");
  EXPECT_EQ(figure("equity", "win_rate", "hour", kHour15), "0");
  EXPECT_EQ(figure("equity", "profit_factor", "hour", kHour14), "(no_losses)");
  EXPECT_EQ(figure("equity", "max_drawdown", "hour", kHour14), "(no_readings)");
  for (const auto& [type, start] : {std::pair{"day", kDay},
                                    {"week", "2026-03-16 00:00:00"},
                                    {"month", "2026-03-01 00:00:00"}}) {
    EXPECT_EQ(figure("equity", "closed_trade_pnl", type, start), "20") << type;
    EXPECT_EQ(figure("breakout", "success_rate", type, start), "33.33333333") << type;
    EXPECT_EQ(figure("breakout", "flat_trades", type, start), "1") << type;
    EXPECT_EQ(figure("equity", "closes", type, start, "exit_reason=stop_loss"), "2") << type;
    EXPECT_EQ(figure("equity", "pnl", type, start, "exit_reason=stop_loss"), "-10") << type;
    EXPECT_EQ(figure("equity", "win_streak_max", type, start), "1") << type;
  }
  EXPECT_EQ(column("final", "equity", "total_trades", "day", kDay), "1");
  EXPECT_EQ(column("metadata", "equity", "total_trades", "day", kDay), "NULL");
  EXPECT_EQ(column("window_end", "equity", "total_trades", "day", kDay),
            "2026-03-20 00:00:00.000000");
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, ALateEventChangesItsWindowsAndRaisesTheirRevision) {
  apply({trade(at("2026-03-19T14:10:00Z"), 5)});
  compute_all();
  const std::string before =
      column("revision", "equity", "closed_trade_pnl", "month", "2026-03-01 00:00:00");
  const std::string rows = row_count();
  apply({trade(at("2026-03-19T14:05:00Z"), 7)});
  EXPECT_NE(stale_count(), "0");
  compute_all();
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "hour", kHour14), "12");
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "month", "2026-03-01 00:00:00"), "12");
  EXPECT_EQ(column("revision", "equity", "closed_trade_pnl", "month", "2026-03-01 00:00:00"),
            std::to_string(std::stoi(before) + 1));
  EXPECT_EQ(row_count(), rows) << "rows are written again, not added";
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, AWeekReachesOverTheBorderOfMonths) {  // 2026-03-31 is a Tuesday
  apply({trade(at("2026-03-31T23:30:00Z"), 3), trade(at("2026-04-01T00:00:00Z"), 4)});
  compute_all();
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "week", "2026-03-30 00:00:00"), "7");
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "month", "2026-03-01 00:00:00"), "3");
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "month", "2026-04-01 00:00:00"), "4");
}

TEST_F(FiguresTest, AnOpenWindowSaysSoAndClosesByItself) {
  apply({trade(at("2026-03-19T14:10:00Z"), 5)});
  compute_all(at("2026-03-19T14:15:00Z"));
  EXPECT_EQ(figure("equity", "total_trades", "hour", kHour14), "1");
  EXPECT_EQ(column("final", "equity", "total_trades", "hour", kHour14), "0");
  EXPECT_EQ(column("metadata", "equity", "total_trades", "hour", kHour14), "{\"coverage\":0.25}");
  EXPECT_EQ(stale_count(), "0");
  EXPECT_EQ(figures_->stale_windows(), 0u);

  compute_all(at("2026-03-19T14:59:59.999Z"));
  EXPECT_EQ(column("final", "equity", "total_trades", "hour", kHour14), "0");
  compute_all(at("2026-03-19T15:00:00Z"));
  EXPECT_EQ(column("final", "equity", "total_trades", "hour", kHour14), "1");
  EXPECT_EQ(column("metadata", "equity", "total_trades", "hour", kHour14), "NULL");
  EXPECT_EQ(column("final", "equity", "total_trades", "day", kDay), "0");
  compute_all(at("2026-03-20T00:00:00Z"));
  EXPECT_EQ(column("final", "equity", "total_trades", "day", kDay), "1");
  EXPECT_EQ(column("final", "equity", "total_trades", "month", "2026-03-01 00:00:00"), "0");
}

TEST_F(FiguresTest, AFailureInTheMiddleLeavesTheWindowStaleAndNothingWritten) {
  apply({trade(at("2026-03-19T14:10:00Z"), 5)});
  must(
      mysql_->run("CREATE TRIGGER breaks BEFORE INSERT ON dd_telemetry_metrics FOR EACH ROW "
                  "IF NEW.metric_name = 'sqn' THEN SIGNAL SQLSTATE '45000'; END IF"));
  compute_all();
  EXPECT_EQ(row_count(), "0");
  EXPECT_NE(stale_count(), "0");
  must(mysql_->run("DROP TRIGGER breaks"));
  Figures fresh(config());
  while (fresh.work(++now_ns_, kLongAfter) > 0) {
  }
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "day", kDay), "5");
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, AKilledServerForgetsAnUnfinishedTransaction) {
  apply({trade(at("2026-03-19T14:10:00Z"), 5)});
  const auto stale = read_stale_windows(*mysql_, kLongAfter);
  ASSERT_TRUE(stale);
  std::vector<StaleWindow> equity;
  for (const StaleWindow& window : *stale) {
    if (window.key.metric_type == "equity" && window.key.profile_id == profile_id_)
      equity.push_back(window);
  }
  ASSERT_EQ(equity.size(), 4u);
  const auto computed = figures_->compute(equity);
  ASSERT_TRUE(computed);
  server_->kill();
  EXPECT_FALSE(figures_->commit(equity, *computed, kLongAfter));
  server_->start();
  mysql_.emplace(connect());
  EXPECT_EQ(row_count(), "0");
  for (int i = 0; i < 100 && stale_count() != "0"; ++i)
    figures_->work(now_ns_ += 1'000'000'000, kLongAfter);
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "day", kDay), "5");
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, WhatChangesWhileItIsComputedStaysStaleAndTheOlderNeverReplacesTheNewer) {
  apply({trade(at("2026-03-19T14:10:00Z"), 5)});
  const auto read_equity = [&] {
    const auto stale = read_stale_windows(*mysql_, kLongAfter);
    std::vector<StaleWindow> equity;
    for (const StaleWindow& window : *stale) {
      if (window.key.metric_type == "equity" && window.key.profile_id == profile_id_)
        equity.push_back(window);
    }
    return equity;
  };
  const auto older = read_equity();
  const auto older_figures = figures_->compute(older);
  ASSERT_TRUE(older_figures);
  apply({trade(at("2026-03-19T14:11:00Z"), 6)});

  Figures other_host(config());
  must(other_host.connect());
  const auto newer = read_equity();
  const auto newer_figures = other_host.compute(newer);
  ASSERT_TRUE(newer_figures);
  apply({trade(at("2026-03-19T14:12:00Z"), 7)});
  must(other_host.commit(newer, *newer_figures, kLongAfter));
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "day", kDay), "11") << "better than nothing";
  EXPECT_EQ(read_equity().size(), 4u) << "but still stale";

  must(figures_->commit(older, *older_figures, kLongAfter));
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "day", kDay), "11");
  compute_all();
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "day", kDay), "18");
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, SeveralHostsWorkOnTheSameWindowsWhileFactsArrive) {
  constexpr int kTrades = 150;
  std::atomic<bool> ends{false};
  const auto host = [&] {
    Figures figures(config());
    std::int64_t now_ns = 0;
    for (int idle = 0; idle < 50;) {
      const bool is_last = ends;
      const bool worked = figures.work(now_ns += 10'000'000, kLongAfter) > 0;
      idle = worked || !is_last ? 0 : idle + 1;
    }
  };
  std::thread first(host), second(host);
  for (int i = 0; i < kTrades; ++i)
    apply({trade(at("2026-03-19T12:00:00Z") + i * 3 * model::kNsPerMinute, 1)});
  ends = true;
  first.join();
  second.join();
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "day", kDay), "150");
  EXPECT_EQ(figure("equity", "closed_trade_pnl", "hour", kHour14), "20");
  EXPECT_EQ(figure("breakout", "profitable_trades", "month", "2026-03-01 00:00:00"), "150");
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, ACorrectedTradeLeavesNothingBehind) {
  apply({trade(at("2026-03-19T14:10:00Z"), 5, "manual", "t1")});
  compute_all();
  EXPECT_EQ(figure("equity", "pnl", "hour", kHour14, "exit_reason=manual"), "5");
  apply({trade(at("2026-03-19T15:10:00Z"), 6, "eod", "t1")});
  compute_all();
  EXPECT_EQ(figure("equity", "pnl", "hour", kHour14, "exit_reason=manual"), "0");
  EXPECT_EQ(figure("equity", "closes", "day", kDay, "exit_reason=manual"), "0");
  EXPECT_EQ(figure("equity", "closes", "day", kDay, "exit_reason=eod"), "1");
  EXPECT_EQ(figure("equity", "total_trades", "hour", kHour14), "0");
  EXPECT_EQ(figure("equity", "total_trades", "hour", kHour15), "1");
}

TEST_F(FiguresTest, TheFirstLossOfAWindowCountsAlsoWhenWhatWasBeforeComesLate) {
  apply_equity(at("2026-03-19T15:10:00Z"), 900);
  apply_equity(at("2026-03-19T15:20:00Z"), 950);
  compute_all();
  EXPECT_EQ(figure("equity", "max_drawdown", "hour", kHour15), "0");
  EXPECT_EQ(figure("equity", "current_equity", "hour", kHour15), "950");
  apply_equity(at("2026-03-19T14:30:00Z"), 1000);  // late, of the hour before
  compute_all();
  EXPECT_EQ(figure("equity", "max_drawdown", "hour", kHour15), "100");
  EXPECT_EQ(figure("equity", "max_drawdown_pct", "hour", kHour15), "10");
  EXPECT_EQ(figure("equity", "equity_open", "day", kDay), "1000");
  EXPECT_EQ(figure("equity", "equity_low", "day", kDay), "900");
  EXPECT_EQ(figure("equity", "equity_close", "day", kDay), "950");
  EXPECT_EQ(figure("equity", "cash_flow", "day", kDay), "(not_reported)");
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, AnOrderThatGoesOnInTheNextHourHasNotEndedInThisOne) {
  apply({order(at("2026-03-19T14:50:00Z"), "o1", "new"),
         order(at("2026-03-19T14:59:59Z"), "o1", "canceled")});
  compute_all();
  EXPECT_EQ(figure("order", "canceled_orders", "hour", kHour14), "1");
  apply({order(at("2026-03-19T15:00:01Z"), "o2", "filled", "market", "o1")});
  compute_all();
  EXPECT_EQ(figure("order", "total_orders", "hour", kHour14), "1");
  EXPECT_EQ(figure("order", "canceled_orders", "hour", kHour14), "0");
  EXPECT_EQ(figure("order", "conversion_rate", "hour", kHour14), "(undefined)");
  EXPECT_EQ(column("metadata", "order", "conversion_rate", "hour", kHour14),
            "{\"reason\":\"no_ended_limit_orders\"}");
  EXPECT_EQ(figure("order", "total_orders", "hour", kHour15), "0");
  EXPECT_EQ(figure("order", "filled_orders", "hour", kHour15), "1");
  EXPECT_EQ(figure("order", "conversion_rate", "hour", kHour15), "100");
  EXPECT_EQ(figure("order", "filled_orders", "day", kDay), "1");
  EXPECT_EQ(figure("order", "canceled_orders", "day", kDay), "0");
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, APollThatTellsMoreReachesTheHourOfTheOrder) {
  apply({order(at("2026-03-19T14:50:00Z"), "o1", "new"),
         order(at("2026-03-19T14:59:59Z"), "o1", "canceled")});
  compute_all();
  EXPECT_EQ(figure("order", "partially_filled", "hour", kHour14), "0");
  model::Event again = order(at("2026-03-19T15:00:01Z"), "o1", "canceled");
  std::get<model::OrderEvent>(again).filled_quantity_e8 = e8(2);
  apply({again});
  compute_all();
  EXPECT_EQ(figure("order", "partially_filled", "hour", kHour14), "1");
}

TEST_F(FiguresTest, ADayIsTheMergeOfItsHours) {
  model::LatencySummary day;
  for (int hour = 9; hour < 18; ++hour) {
    model::Block block;
    model::LatencyMinute minute{
        .profile_id = profile_id_,
        .script_name = hour % 2 == 0 ? "order_monitor" : "equity_monitor",
        .endpoint = "orders",
        .minute = model::unix_minute(at("2026-03-19T00:05:00Z")) + hour * 60,
        .summary = {}};
    for (int call = 0; call < 50 * hour; ++call)
      minute.summary.add(std::int64_t{hour} * hour * call * 1'000 + 500'000,
                         call % 40 == 0 ? 500 : 200);
    day.merge(minute.summary);
    block.latency_minutes.push_back(minute);
    model::MetricHour metric{.profile_id = profile_id_,
                             .script_name = "order_monitor",
                             .name = "queue_depth",
                             .hour = model::unix_hour(at("2026-03-19T00:00:00Z")) + hour,
                             .summary = {}};
    metric.summary.add(model::MetricKind::counter, e8(hour), at("2026-03-19T00:00:00Z") + hour, {});
    block.metric_hours.push_back(metric);
    apply(block);
    compute_all();
  }
  const auto text = [](std::optional<int128> value_e8) { return decimal_string(*value_e8, 8); };
  for (const auto& [name, value_e8] : {std::pair{"avg_api_latency_ms", day.avg_ms_e8()},
                                       {"api_latency_p50", day.quantile_ms_e8(500)},
                                       {"api_latency_p95", day.quantile_ms_e8(950)},
                                       {"api_latency_p99", day.quantile_ms_e8(990)},
                                       {"api_latency_max", day.max_ms_e8()}})
    EXPECT_EQ(figure("order", name, "day", kDay), text(value_e8)) << name;
  EXPECT_EQ(figure("order", "api_calls", "day", kDay), std::to_string(day.n()));
  EXPECT_EQ(figure("order", "api_errors", "day", kDay), std::to_string(day.errors()));
  EXPECT_EQ(figure("order", "api_errors", "day", kDay, "code=500"), std::to_string(day.errors()));
  EXPECT_EQ(figure("system", "metric:queue_depth", "day", kDay, "script=order_monitor"), "117");
  EXPECT_EQ(figure("system", "api_calls", "hour", kHour14, "script=order_monitor"), "700");
}

TEST_F(FiguresTest, TheLastReadingOfAWindowIsItsFigure) {
  model::Block block;
  for (const auto& [time, errors] :
       {std::pair{"2026-03-19T14:20:00Z", 3}, {"2026-03-19T15:20:00Z", 1}}) {
    model::HealthEvent health;
    health.origin = origin(at(time));
    health.status = "ok";
    health.error_count = errors;
    block.hour_states.push_back(health);
  }
  model::RateLimitEvent limit;
  limit.origin = origin(at("2026-03-19T14:30:00Z"));
  limit.remaining = 150;
  block.hour_states.push_back(limit);
  apply(block);
  compute_all();
  const std::string labels = "script=order_monitor";
  EXPECT_EQ(figure("system", "error_count", "hour", kHour14, labels), "3");
  EXPECT_EQ(figure("system", "error_count", "day", kDay, labels), "1");
  EXPECT_EQ(figure("system", "rate_limit_remaining", "day", kDay, labels), "150");
  EXPECT_EQ(figure("system", "rate_limit_remaining", "hour", kHour15, labels), "(not_reported)");
  EXPECT_EQ(figure("system", "api_latency_p95_ms", "hour", kHour15, labels), "(no_samples)");
}

TEST_F(FiguresTest, MakesTheStatesThatABinaryFromBeforeDidNotLeave) {
  apply({trade(at("2026-03-19T14:10:00Z"), 5), trade(at("2026-03-19T15:10:00Z"), -2)});
  compute_all();
  const auto with_state = [this] {
    return one(
        "SELECT COUNT(*) FROM dd_window_state WHERE profile_id = ? AND name = '' AND "
        "LEFT(state, 1) = CHAR(1) AND dirty = 0",
        {std::int64_t{profile_id_}});
  };
  EXPECT_EQ(with_state(), "8") << "two hours, a day and a month, of equity and of breakout";
  must(
      mysql_->run("UPDATE dd_window_state SET state = IF(window_type = 'day', CONCAT(CHAR(99), "
                  "'?'), NULL) WHERE profile_id = " +
                  std::to_string(profile_id_)));
  figures_ = std::make_unique<Figures>(config());
  must(figures_->connect());
  for (int i = 0; i < 100; ++i) figures_->work(++now_ns_, kLongAfter);
  EXPECT_EQ(with_state(), "8");
  EXPECT_EQ(stale_count(), "0");
  EXPECT_EQ(figure("equity", "total_trades", "day", kDay), "2");
}

TEST_F(FiguresTest, ASignalThatTwoWindowsKnowCountsOnceInTheDay) {
  const auto signal = [this](std::int64_t time_ns, const std::string& id) {
    model::SignalEvent event;
    event.origin = origin(time_ns);
    event.signal_id = id;
    event.symbol = "SPY";
    event.fate = "detected";
    return model::Event(event);
  };
  apply({signal(at("2026-03-19T14:59:59Z"), "a"), signal(at("2026-03-19T14:10:00Z"), "b")});
  compute_all();
  apply({signal(at("2026-03-19T15:00:01Z"), "a")});  // later: the hour before must hear of it
  compute_all();
  EXPECT_EQ(figure("breakout", "total_signals", "hour", kHour14), "2");
  EXPECT_EQ(figure("breakout", "total_signals", "hour", kHour15), "1");
  EXPECT_EQ(figure("breakout", "total_signals", "day", kDay), "2");
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, MakesAStateAgainThatIsNotOfTheFiguresBesideIt) {
  apply({trade(at("2026-03-19T14:10:00Z"), 5)});
  compute_all();
  // A binary that knows no states computes the figures of later facts: it leaves the state.
  apply({trade(at("2026-03-19T14:20:00Z"), 7)});
  const std::string profile = std::to_string(profile_id_);
  must(
      mysql_->run("UPDATE dd_window_state SET figures_revision = revision, dirty = 0 WHERE "
                  "profile_id = " +
                  profile));
  const auto hour = [this](const char* what) {
    return one(std::string("SELECT ") + what +
                   " FROM dd_window_state WHERE profile_id = ? AND metric_type = 'equity' AND "
                   "name = '' AND window_type = 'hour'",
               {std::int64_t{profile_id_}});
  };
  EXPECT_NE(hour("CONV(HEX(SUBSTR(state, 2, 4)), 16, 10)"), hour("figures_revision"));
  figures_ = std::make_unique<Figures>(config());
  must(figures_->connect());
  for (int i = 0; i < 100; ++i) figures_->work(++now_ns_, kLongAfter);
  EXPECT_EQ(hour("CONV(HEX(SUBSTR(state, 2, 4)), 16, 10)"), hour("figures_revision"));
  EXPECT_EQ(figure("equity", "total_trades", "month", "2026-03-01 00:00:00"), "2");
  EXPECT_EQ(stale_count(), "0");
}

TEST_F(FiguresTest, MakesADamagedStateAgain) {
  apply({trade(at("2026-03-19T14:10:00Z"), 5), trade(at("2026-03-19T15:10:00Z"), 3)});
  compute_all();
  must(
      mysql_->run("UPDATE dd_window_state SET state = CONCAT(SUBSTR(state, 1, 5), 0x017800) WHERE "
                  "name = '' AND LENGTH(state) > 5 AND profile_id = " +
                  std::to_string(profile_id_)));
  apply({trade(at("2026-03-19T15:20:00Z"), 7)});  // the day is made of its hours again
  compute_all();
  EXPECT_EQ(figure("equity", "total_trades", "day", kDay), "3");
  EXPECT_EQ(figure("equity", "total_trades", "month", "2026-03-01 00:00:00"), "3");
  EXPECT_EQ(stale_count(), "0");
  EXPECT_EQ(one("SELECT COUNT(*) FROM dd_window_state WHERE profile_id = ? AND name = '' AND "
                "LENGTH(state) = 8",
                {std::int64_t{profile_id_}}),
            "0");
}

TEST_F(FiguresTest, DoesNotMakeAgainWhatCanHaveNoState) {
  model::Block block;
  constexpr std::int64_t kMinutes = model::EquitySpan::kRecordsMax + 100;  // each a new high
  for (std::int64_t i = 0; i < kMinutes; ++i) {
    const std::int64_t time_ns = at("2026-03-01T00:00:00Z") + i * model::kNsPerMinute;
    model::EquityReading reading{
        .time_ns = time_ns, .account_equity_e8 = e8(1'000 + i), .metadata = {}};
    model::EquityMinuteOf of{.profile_id = profile_id_,
                             .minute = model::unix_minute(time_ns),
                             .script_name = "equity_monitor",
                             .equity = {}};
    of.equity.add(reading);
    block.equity_minutes.push_back(of);
  }
  apply(block);
  compute_all();
  EXPECT_EQ(one("SELECT LENGTH(state) FROM dd_window_state WHERE profile_id = ? AND name = '' AND "
                "metric_type = 'equity' AND window_type = 'month'",
                {std::int64_t{profile_id_}}),
            "5");
  EXPECT_EQ(figure("equity", "equity_high", "month", "2026-03-01 00:00:00"),
            std::to_string(1'000 + kMinutes - 1));
  figures_ = std::make_unique<Figures>(config());
  must(figures_->connect());
  std::size_t computed = 0;
  for (int i = 0; i < 100; ++i) computed += figures_->work(++now_ns_, kLongAfter);
  EXPECT_EQ(computed, 0U);
  EXPECT_TRUE(figures_->is_settled());
}

TEST_F(FiguresTest, ADayIsNotCurrentWhileAnHourOfItHasNewsThatItsNeighboursDoNotKnow) {
  apply({order(at("2026-03-18T15:10:00Z"), "o1", "new"),
         order(at("2026-03-18T15:20:00Z"), "o1", "replaced")});
  compute_all();
  apply({order(at("2026-03-19T14:10:00Z"), "o2", "filled", "limit", "o1")});
  const auto windows = read_stale_windows(*mysql_, kLongAfter);
  ASSERT_TRUE(windows);
  const auto only = [&](model::WindowType type) {
    std::vector<StaleWindow> some;
    for (const StaleWindow& window : *windows) {
      if (window.key.profile_id == profile_id_ && window.key.metric_type == "order" &&
          window.key.window.type == type)
        some.push_back(window);
    }
    return some;
  };
  const auto compute = [&](const std::vector<StaleWindow>& some) {
    const auto computed = figures_->compute(some);
    ASSERT_TRUE(computed);
    must(figures_->commit(some, *computed, kLongAfter));
  };
  const auto dirty = [&](const char* day) {
    return one(
        "SELECT dirty FROM dd_window_state WHERE profile_id = ? AND metric_type = 'order' AND "
        "name = '' AND window_type = 'day' AND window_start = ?",
        {std::int64_t{profile_id_}, std::string(day)});
  };
  compute(only(model::WindowType::day));  // before its hour
  EXPECT_EQ(figure("order", "filled_orders", "day", kDay), "1");
  EXPECT_EQ(dirty(kDay), "2") << "the day before does not know yet that o1 goes on in o2";
  compute(only(model::WindowType::hour));
  EXPECT_EQ(dirty("2026-03-18 00:00:00"), "2");
  compute_all();
  EXPECT_EQ(dirty(kDay), "0");
  EXPECT_EQ(stale_count(), "0");
}

}  // namespace
}  // namespace ddt::sidecar
