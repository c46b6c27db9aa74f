// Replies about ranges are the same, whether they come from the states of Windows or from every row. Random facts go in as
// the rollup writes them, late ones and corrections too; the figures stage makes the states; the API is asked about
// random ranges; then the states are taken away and it is asked again.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "api/app.hpp"
#include "sidecar/figures/figures.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/rollup/write_facts.hpp"
#include "sidecar/rollup/write_states.hpp"
#include "sql/migrator.hpp"
#include "tests/support/dice.hpp"
#include "tests/support/private_mysql.hpp"

namespace ddt {
namespace {

using namespace sidecar;
using test::Dice;

constexpr std::int32_t kProfile = 7;
const std::int64_t kBegin = *model::parse_time("2026-01-28T13:00:00Z");
const std::int64_t kEnd = *model::parse_time("2026-04-03T09:30:00Z");
const std::int64_t kNow = *model::parse_time("2026-04-03T09:31:00Z");

// Mostly in a few busy hours of a day, sometimes on the edge of one.
std::int64_t random_time(Dice& dice) {
  const std::int64_t day = dice.between(kBegin / model::kNsPerDay, kEnd / model::kNsPerDay);
  std::int64_t time_ns = day * model::kNsPerDay + dice.between(13, 16) * model::kNsPerHour;
  if (!dice.once_in(10)) time_ns += dice.between(0, model::kNsPerHour / 1'000 - 1) * 1'000;
  if (dice.once_in(15)) time_ns = day * model::kNsPerDay + dice.between(-1, 1) * 1'000;
  return std::clamp(time_ns, kBegin, kEnd);
}

std::int64_t e8(std::int64_t whole) { return whole * kE8; }

struct RangeStates : testing::Test {
  test::PrivateMysql server;
  Dice dice{20'260'401};
  std::optional<sql::Connection> mysql;
  std::uint64_t position = 0;

  void SetUp() override {
    must(sql::create_database_if_missing(server.options()));
    auto connection = sql::Connection::connect(server.options());
    ASSERT_TRUE(connection);
    mysql.emplace(std::move(*connection));
    must(sql::migrate(*mysql));
  }
  static void must(const Status& status) {
    if (!status) throw std::runtime_error(status.error().message);
  }

  model::Origin origin(std::int64_t time_ns, const char* script) {
    return {.profile_id = kProfile,
            .script_name = script,
            .position = ++position,
            .event_time_ns = time_ns,
            .metadata = dice.once_in(5) ? "{\"k\":1}" : ""};
  }

  void apply(const model::Block& block) {
    const std::span<const model::Block> blocks(&block, 1);
    DirtyHours dirty;
    must(mysql->begin());
    must(write_facts(*mysql, facts_of(blocks), dirty));
    must(write_equity_minutes(*mysql, blocks, dirty));
    ReadingIds reading_ids;
    must(write_hour_states(*mysql, blocks, reading_ids, dirty));
    must(write_samples(*mysql, blocks, dirty));
    must(write_dirty(*mysql, dirty));
    must(mysql->commit());
  }

  model::Event random_trade() {
    model::TradeEvent trade;
    const std::int64_t exit_ns = random_time(dice);
    trade.origin = origin(exit_ns, "profile_listener");
    trade.symbol = dice.once_in(3) ? "SPY241218C00604000" : "SPY";
    trade.trade_type = dice.once_in(3) ? "manual" : "breakout";
    trade.side = dice.once_in(8) ? "hold" : dice.once_in(2) ? "buy" : "sell";  // "hold": no pnl
    trade.quantity_e8 = e8(dice.between(1, 9));
    trade.multiplier_e8 = e8(dice.once_in(3) ? 100 : 1);
    trade.entry_price_e8 = e8(100) + dice.between(-50, 50) * kE8 / 7;
    trade.exit_price_e8 = dice.once_in(9) ? trade.entry_price_e8 : e8(dice.between(60, 140));
    if (dice.once_in(2)) trade.reference_price_e8 = trade.entry_price_e8 + dice.between(-99, 99);
    if (!dice.once_in(4)) trade.entry_time_ns = exit_ns - dice.between(0, 5'000'000) * 1'000;
    trade.exit_time_ns = exit_ns;
    trade.exit_reason = dice.once_in(2) ? "stop_loss" : "profit_target";
    if (dice.once_in(2))
      trade.trade_id = "t" + std::to_string(dice.between(1, 150));  // corrections
    if (dice.once_in(5)) trade.signal_id = "s" + std::to_string(dice.between(1, 400));
    return trade;
  }

  model::Event random_signal() {
    model::SignalEvent signal;
    signal.origin =
        origin(random_time(dice), dice.once_in(2) ? "breakout_detector" : "profile_listener");
    if (!dice.once_in(6)) signal.signal_id = "s" + std::to_string(dice.between(1, 400));
    signal.symbol = "SPY";
    signal.fate = dice.once_in(2) ? "detected" : "suppressed";
    signal.reason = "choppy_day";
    return signal;
  }

  model::Event random_order() {
    static constexpr const char* kStatuses[] = {
        "new", "partially_filled", "filled", "canceled", "replaced", "converted", "expired"};
    model::OrderEvent order;
    const std::int64_t id = dice.between(1, 220);
    // Statuses of one order lie near each other; some come days later.
    std::int64_t time_ns = kBegin + id * (kEnd - kBegin) / 230 +
                           dice.between(0, dice.once_in(6) ? 400'000 : 3'000) * model::kNsPerSecond;
    time_ns = std::min(time_ns, kEnd);
    order.origin = origin(time_ns, dice.once_in(3) ? "profile_listener" : "order_monitor");
    order.order_id = "o" + std::to_string(id);
    if (id % 5 == 0) order.parent_order_id = "o" + std::to_string(id - 1);
    order.symbol = "SPY";
    order.order_type = id % 5 == 0 ? "market" : "limit";
    order.side = "buy";
    order.status = kStatuses[dice.between(0, 6)];
    order.quantity_e8 = e8(5);
    if (dice.once_in(2)) order.filled_quantity_e8 = e8(dice.between(0, 5));
    order.limit_price_e8 = e8(10);
    if (dice.once_in(2)) order.filled_price_e8 = e8(dice.between(9, 11));
    return order;
  }

  void add_equity(model::Block& block) {
    static std::int64_t equity_e8 = e8(1'000);
    const std::int64_t time_ns = random_time(dice);
    model::EquityReading reading{.time_ns = time_ns, .metadata = {}};
    if (dice.once_in(60)) {
      reading.cash_flow_e8 = e8(dice.between(-100, 200));
      equity_e8 += reading.cash_flow_e8;
    }
    equity_e8 += e8(dice.between(-40, 42));
    reading.account_equity_e8 = equity_e8;
    reading.realized_pnl_e8 = e8(dice.between(-5, 5));
    reading.unrealized_pnl_e8 = e8(dice.between(-5, 5));
    if (dice.once_in(2)) reading.margin_used_e8 = e8(dice.between(0, 500));
    model::EquityMinuteOf of{.profile_id = kProfile,
                             .minute = model::unix_minute(time_ns),
                             .script_name = "equity_monitor",
                             .equity = {}};
    of.equity.add(reading);
    block.equity_minutes.push_back(of);
  }

  void add_system(model::Block& block) {
    const std::int64_t time_ns = random_time(dice);
    model::LatencyMinute minute;
    minute.profile_id = kProfile;
    minute.minute = model::unix_minute(time_ns);
    minute.script_name = dice.once_in(2) ? "order_monitor" : "equity_monitor";
    minute.endpoint = dice.once_in(2) ? "orders" : "account";
    minute.summary.add(dice.between(1, 900'000) * 1'000, dice.once_in(20) ? 429 : 200);
    block.latency_minutes.push_back(minute);
    model::HealthEvent health;
    health.origin = origin(random_time(dice), "order_monitor");
    health.status = dice.once_in(3) ? "degraded" : "ok";
    health.error_count = dice.between(0, 9);
    if (dice.once_in(2)) health.cpu_usage_pct_e8 = e8(dice.between(0, 100));
    block.hour_states.push_back(health);
    model::RateLimitEvent limit;
    limit.origin = origin(random_time(dice), "order_monitor");
    limit.remaining = dice.between(0, 200);
    block.hour_states.push_back(limit);
  }

  void apply_random(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      model::Block block;
      block.lane.lane = 1;
      for (int i = 0; i < 8; ++i) block.fact_events.push_back(random_trade());
      for (int i = 0; i < 8; ++i) block.fact_events.push_back(random_signal());
      for (int i = 0; i < 8; ++i) block.fact_events.push_back(random_order());
      for (int i = 0; i < 20; ++i) add_equity(block);
      add_system(block);
      std::map<std::int64_t, model::EquityMinuteOf> minutes;  // a Block holds each once
      for (const auto& of : block.equity_minutes) {
        const auto [at, is_new] = minutes.emplace(of.minute, of);
        if (!is_new) at->second.equity = model::merge(at->second.equity, of.equity);
      }
      block.equity_minutes.clear();
      for (const auto& [minute, of] : minutes) block.equity_minutes.push_back(of);
      apply(block);
    }
  }

  void settle() {
    Figures figures({.mysql = server.options(), .interval_ms = 0});
    must(figures.connect());
    figures.hurry();
    std::int64_t now_ns = 0;
    for (int i = 0; i < 100'000 && !figures.is_settled(); ++i) figures.work(++now_ns, kNow);
    ASSERT_TRUE(figures.is_settled());
  }

  // Some Windows' figures, others stay stale.
  void compute_some(int steps) {
    Figures figures({.mysql = server.options(), .interval_ms = 0});
    must(figures.connect());
    for (int i = 1; i <= steps; ++i) figures.work(i, kNow);
  }

  std::vector<std::string> random_questions(int count) {
    static constexpr const char* kPaths[] = {
        "/api/v1/metrics/breakout/7", "/api/v1/metrics/equity/7", "/api/v1/metrics/orders/7",
        "/api/v1/metrics/system/7", "/api/v1/trades/7/performance"};
    static constexpr const char* kMore[] = {
        "", "", "", "&window=hour", "&window=day", "&window=week", "&window=month"};
    std::vector<std::string> questions;
    for (int i = 0; i < count; ++i) {
      std::int64_t from_ns = random_time(dice), to_ns = random_time(dice);
      if (from_ns > to_ns) std::swap(from_ns, to_ns);
      std::string more = kMore[dice.between(0, 6)];
      if (more == "&window=hour") to_ns = std::min(to_ns, from_ns + 5 * model::kNsPerDay);
      std::string path = kPaths[i % 5];
      if (path.find("orders") != std::string::npos && dice.once_in(3))
        more += "&script_name=order_monitor";
      questions.push_back(path + "?from=" + model::rfc3339(from_ns) +
                          "&to=" + model::rfc3339(to_ns) + more);
    }
    return questions;
  }

  std::string one(const std::string& sql) {
    const auto rows = mysql->query(sql);
    if (!rows) throw std::runtime_error(rows.error().message);
    return std::string(rows->front().text(0));
  }

  std::vector<std::string> ask(const std::vector<std::string>& questions) {
    api::ApiOptions options;
    options.stores.mysql = server.options();
    options.stores.redis.port = 1;  // nobody: history needs no Redis
    api::App app(options, [] { return kNow; });
    std::vector<std::string> replies;
    for (const std::string& question : questions) {
      api::Request request;
      request.method = "GET";
      const std::size_t mark = question.find('?');
      request.path = question.substr(0, mark);
      request.query_string = question.substr(mark + 1);
      for (std::size_t at = 1; at < request.path.size();) {
        const std::size_t end = std::min(request.path.find('/', at), request.path.size());
        request.segments.push_back(request.path.substr(at, end - at));
        at = end + 1;
      }
      for (std::size_t at = 0; at < request.query_string.size();) {
        const std::size_t end =
            std::min(request.query_string.find('&', at), request.query_string.size());
        const std::string pair = request.query_string.substr(at, end - at);
        request.query.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
        at = end + 1;
      }
      const api::Response response = app.handle(request);
      EXPECT_EQ(response.status, 200) << question << response.body;
      replies.push_back(response.body);
    }
    return replies;
  }

  void expect_same_without_states(const std::string& when) {
    expect_same_without_states(when, random_questions(400));
  }
  void expect_same_without_states(const std::string& when,
                                  const std::vector<std::string>& questions) {
    const auto from_states = ask(questions);
    EXPECT_GT(std::stoi(one("SELECT COUNT(*) FROM dd_window_state WHERE name = '' AND "
                            "script_name = '' AND dirty IN (0, 3) AND state IS NOT NULL")),
              200);
    must(mysql->run("CREATE TABLE IF NOT EXISTS kept LIKE dd_window_state"));
    must(mysql->run("REPLACE INTO kept SELECT * FROM dd_window_state"));
    must(
        mysql->run("UPDATE dd_window_state SET state = NULL WHERE name = '' AND script_name = ''"));
    const auto from_rows = ask(questions);
    must(mysql->run("REPLACE INTO dd_window_state SELECT * FROM kept"));
    for (std::size_t i = 0; i < questions.size(); ++i)
      ASSERT_EQ(from_states[i], from_rows[i]) << when << ": " << questions[i];
  }
};

TEST_F(RangeStates, GiveTheRepliesThatTheRowsGive) {
  // A row from before, which no Window's control row knows.
  must(mysql->run(
      "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, pnl, exit_time) "
      "VALUES (7, 'OLD', 'breakout', 12.5, '2026-02-07 03:00:00')"));
  apply_random(60);
  settle();
  expect_same_without_states("after all figures");
  apply_random(3);  // late Events and corrections whose Windows are stale
  settle();
  expect_same_without_states("after late Events");
}

TEST_F(RangeStates, GiveTheRepliesThatTheRowsGiveBeforeAllFiguresAreComputed) {
  apply_random(40);
  settle();
  for (int round = 0; round < 12; ++round) {
    apply_random(round % 3 == 0 ? 1 : 0);
    compute_some(static_cast<int>(dice.between(0, 6)));
    const std::string when = "in round " + std::to_string(round);
    expect_same_without_states(when, random_questions(80));
  }
}

TEST_F(RangeStates, AreNotNeededWhereTheyAreDamaged) {
  apply_random(20);
  settle();
  const auto questions = random_questions(100);
  const auto whole = ask(questions);
  // Sections of the right lengths with nothing in them that any span could be.
  must(
      mysql->run("UPDATE dd_window_state SET state = CONCAT(SUBSTR(state, 1, 5), 0x017800) WHERE "
                 "name = '' AND script_name = '' AND LENGTH(state) > 5 AND "
                 "DAYOFMONTH(window_start) MOD 3 = 1"));
  EXPECT_GT(std::stoi(one("SELECT COUNT(*) FROM dd_window_state WHERE LENGTH(state) = 8")), 100);
  const auto damaged = ask(questions);
  for (std::size_t i = 0; i < questions.size(); ++i) ASSERT_EQ(damaged[i], whole[i]);
}

TEST_F(RangeStates, AreReadInOneMoment) {
  // One trade wanders about and is corrected all the time: it is one in every reply.
  apply_random(10);
  settle();
  const std::string question = "/api/v1/trades/7/performance?from=" + model::rfc3339(kBegin) +
                               "&to=" + model::rfc3339(kNow) + "&window=month";
  const auto wander = [&](std::int64_t exit_ns) {
    model::Block block;
    block.lane.lane = 2;
    model::Event event = random_trade();
    auto& trade = std::get<model::TradeEvent>(event);
    trade.trade_id = "wanderer";
    trade.exit_time_ns = trade.origin.event_time_ns = exit_ns;
    block.fact_events.push_back(event);
    apply(block);
  };
  wander(kBegin);
  const auto total_of = [](const std::string& reply) {
    const std::string name = "\"total_trades\":";
    return reply.substr(reply.find(name), 24);
  };
  const std::string total = total_of(ask({question}).front());
  std::atomic<bool> is_over = false;
  std::thread bot([&] {
    for (int i = 0; !is_over; ++i) wander(i % 2 == 0 ? kEnd - 1'000 : kBegin);
  });
  const auto replies = ask(std::vector<std::string>(400, question));
  is_over = true;
  bot.join();
  for (const std::string& reply : replies) ASSERT_EQ(total_of(reply), total) << reply;
}

TEST_F(RangeStates, RepliesNeedNoIndexThatAMigrationStillHasToMake) {
  apply_random(5);
  settle();
  const std::string range =
      "?from=" + model::rfc3339(kBegin) + "&to=" + model::rfc3339(kNow) + "&limit=1000";
  const std::vector<std::string> questions{
      "/api/v1/trades/7" + range, "/api/v1/trades/7" + range + "&symbol=SPY",
      "/api/v1/metrics/7" + range,
      "/api/v1/metrics/7" + range + "&metric_type=equity&metric_name=win_rate&window=day",
      "/api/v1/metrics/7" + range + "&window=day"};
  const auto with_indexes = ask(questions);
  for (const char* drop :
       {"dd_trade_performance DROP KEY idx_profile_symbol_exit",
        "dd_system_health DROP KEY idx_health_hour", "dd_window_state DROP KEY idx_window_profile",
        "dd_telemetry_metrics DROP KEY idx_profile_window",
        "dd_telemetry_metrics DROP KEY idx_profile_type_window"})
    must(mysql->run(std::string("ALTER TABLE ") + drop));
  const auto without = ask(questions);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    EXPECT_GT(with_indexes[i].size(), 100U) << questions[i];
    EXPECT_EQ(without[i], with_indexes[i]) << questions[i];
  }
}

}  // namespace
}  // namespace ddt
