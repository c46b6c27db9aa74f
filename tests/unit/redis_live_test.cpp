// Blocks → live commands and messages, without a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/redis/live.hpp"
#include "sidecar/redis/live_latency.hpp"

namespace ddt::redis {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::int64_t kNow = 1'795'341'600'000'000'000;  // 2026-11-22T10:00:00Z
constexpr std::int64_t kSecond = 1'000'000'000;

model::Origin origin(std::int64_t time_ns, std::int32_t profile_id = 7,
                     std::string script_name = "order_monitor") {
  return {.profile_id = profile_id,
          .script_name = std::move(script_name),
          .position = 0,
          .event_time_ns = time_ns,
          .metadata = ""};
}

model::OrderEvent order(std::int64_t time_ns, std::string order_id, std::string status) {
  model::OrderEvent event;
  event.origin = origin(time_ns);
  event.order_id = std::move(order_id);
  event.status = std::move(status);
  return event;
}

model::EquityEvent equity(std::int64_t time_ns, std::int64_t account_equity_e8) {
  model::EquityEvent event;
  event.origin = origin(time_ns, 7, "equity_monitor");
  event.account_equity_e8 = account_equity_e8;
  return event;
}

LivePart part_of(const std::vector<model::Block>& blocks) {
  SeenScripts seen;
  RenewedTtls ttls;
  return live_part(blocks, kNow, LiveKeys(), seen, ttls);
}

std::vector<LiveCommand> on_key(const LivePart& part, const std::string& key) {
  std::vector<LiveCommand> found;
  for (const LiveCommand& command : part.commands) {
    if (std::ranges::find(command.arguments, key) != command.arguments.end())
      found.push_back(command);
  }
  return found;
}

TEST(LiveJson, HasTheOriginalModelsNames) {
  model::EquityEvent event = equity(kNow + 123'456'789, 100'000'50000000);
  event.realized_pnl_e8 = -1'00000000;
  event.unrealized_pnl_e8 = 3'50000000;
  event.margin_used_e8 = 50'000'25000000;
  event.origin.metadata = R"({"a":{"event_time_ns":"1"}})";
  EXPECT_EQ(
      live_json(event),
      R"({"event_time_ns":"1795341600123456789","timestamp":"2026-11-22T10:00:00.123456Z",)"
      R"("profile_id":7,"script_name":"equity_monitor","account_equity":"100000.5",)"
      R"("unrealized_pnl":"3.5","realized_pnl":"-1","total_pnl":"2.5","margin_used":"50000.25",)"
      R"("margin_available":null,"margin_utilization_pct":"50","open_positions_count":null,)"
      R"("cash_flow":null,"metadata":{"a":{"event_time_ns":"1"}}})");

  model::HealthEvent health;
  health.origin = origin(kNow);
  health.status = "healthy";
  health.error_count = 2;
  health.cpu_usage_pct_e8 = 12'50000000;
  health.expected_interval_s = 60;
  EXPECT_EQ(live_json(health),
            R"({"event_time_ns":"1795341600000000000","timestamp":"2026-11-22T10:00:00.000000Z",)"
            R"("profile_id":7,"script_name":"order_monitor","status":"healthy","error_count":2,)"
            R"("warning_count":0,"cpu_usage_pct":"12.5","memory_usage_mb":null,)"
            R"("expected_interval_s":60,"metadata":{}})");
}

TEST(LiveJson, OfATradeHasItsDerivedColumns) {
  model::TradeEvent trade;
  trade.origin = origin(kNow);
  trade.symbol = "SPY";
  trade.side = "buy";
  trade.quantity_e8 = 10 * kE8;
  trade.entry_price_e8 = 100 * kE8;
  trade.exit_price_e8 = 101 * kE8;
  trade.reference_price_e8 = 99'90000000;
  trade.fees_e8 = kE8;
  trade.entry_time_ns = kNow - 90 * kSecond;
  trade.exit_time_ns = kNow;
  const auto json = model::JsonValue::parse(live_json(trade));
  ASSERT_TRUE(json);
  EXPECT_EQ(json->string_or("pnl"), "9");
  EXPECT_EQ(json->string_or("slippage"), "0.1");
  EXPECT_EQ(json->string_or("duration_seconds"), "90");
  EXPECT_EQ(json->string_or("exit_time"), "2026-11-22T10:00:00.000000Z");
  EXPECT_TRUE(json->find("trade_id")->is_null());
}

TEST(LiveJson, OfEveryEventIsAnObjectThatBeginsWithItsTime) {
  model::SignalEvent signal;
  model::ErrorEvent error;
  error.text = "quote \" and \xff bad byte";
  model::PositionEvent position;
  model::RateLimitEvent rate_limit;
  model::LatencyEvent latency;
  model::MetricEvent metric;
  for (const model::Event& event : std::vector<model::Event>{
           signal, order(0, "o", "new"), model::TradeEvent{}, error, equity(0, 0), position,
           rate_limit, model::HealthEvent{}, latency, metric}) {
    const std::string json = live_json(event);
    EXPECT_THAT(json, StartsWith("{\"event_time_ns\":\"0\",\"timestamp\":\"1970-01-01T"));
    EXPECT_TRUE(model::is_json_object(json)) << json;
  }
}

TEST(LivePart, KeepsTheNewestStatusOfAnOrderAndPublishesEach) {
  model::Block block;
  block.fact_events = {order(kNow, "o-1", "filled"), order(kNow - 5, "o-1", "new"),
                       order(kNow - 5, "o-2", "new"), order(kNow - 5, "o-2", "accepted")};
  const LivePart part = part_of({block});
  const auto first = on_key(part, "telemetry:orders:7:o-1");
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].kind, LiveCommand::Kind::latest);
  EXPECT_EQ(first[0].event_time_ns, kNow);
  EXPECT_THAT(first[0].arguments[1], HasSubstr("\"status\":\"filled\""));
  const auto second = on_key(part, "telemetry:orders:7:o-2");
  ASSERT_EQ(second.size(), 1U);
  EXPECT_THAT(second[0].arguments[1], HasSubstr("\"status\":\"accepted\"")) << "Lane order decides";
  EXPECT_EQ(part.messages.size(), 4U);
  EXPECT_EQ(part.messages[0].channel, "telemetry:live:7");
  EXPECT_THAT(
      part.messages[0].tail,
      StartsWith(
          R"(,"ts":"2026-11-22T10:00:00.000000Z","data":{"kind":"order","event_time_ns":")"));
  EXPECT_TRUE(model::is_json_object("{\"seq\":1" + part.messages[0].tail));
}

TEST(LivePart, CoalescesStatesOverBlocks) {
  model::Block one, two;
  one.latest_states = {equity(kNow - 1, 5 * kE8)};
  two.latest_states = {equity(kNow - 2, 4 * kE8)};
  const LivePart part = part_of({one, two});
  const auto found = on_key(part, "telemetry:equity:7:latest");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0].arguments[1], HasSubstr("\"account_equity\":\"5\""));
  ASSERT_EQ(part.messages.size(), 1U);
  EXPECT_THAT(part.messages[0].tail, HasSubstr("\"kind\":\"equity\""));
}

TEST(LivePart, PutsPositionsUnderTheirSymbol) {
  model::Block block;
  model::PositionEvent position;
  position.origin = origin(kNow);
  position.symbol = "SPY";
  block.latest_states = {position};
  const auto found = on_key(part_of({block}), "telemetry:positions:7");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, LiveCommand::Kind::field);
  EXPECT_EQ(found[0].arguments[1], "SPY");
}

TEST(LivePart, PushesNoMoreThanAListKeeps) {
  model::Block block;
  model::ErrorEvent error;
  error.origin = origin(kNow);
  for (int i = 0; i < 250; ++i) {
    error.code = std::to_string(i);
    block.fact_events.emplace_back(error);
  }
  const auto found = on_key(part_of({block}), "telemetry:errors:7:order_monitor");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, LiveCommand::Kind::list);
  EXPECT_EQ(found[0].kept_max, 100U);
  EXPECT_EQ(found[0].ttl_s, 3'600);
  EXPECT_EQ(found[0].arguments.size(), 101U);
  EXPECT_THAT(found[0].arguments[1], HasSubstr("\"code\":\"150\""));
  EXPECT_THAT(found[0].arguments[100], HasSubstr("\"code\":\"249\""));
}

TEST(RenewedTtls, AreGivenAtOnceThenOnceAMinute) {
  RenewedTtls ttls;
  const auto given = [&](std::int64_t now_ns) {
    std::vector<LiveCommand> commands{
        {.kind = LiveCommand::Kind::field, .arguments = {"positions", "SPY", "{}"}},
        {.kind = LiveCommand::Kind::field, .arguments = {"positions", "QQQ", "{}"}},
        {.kind = LiveCommand::Kind::plain, .arguments = {"HSET", "latencies", "a", "b"}},
        {.kind = LiveCommand::Kind::plain, .arguments = {"EXPIRE", "latencies", "3600"}},
        {.kind = LiveCommand::Kind::latest, .arguments = {"equity", "{}"}}};
    ttls.spare(commands, now_ns);
    std::vector<int> seconds;
    for (const LiveCommand& command : commands) seconds.push_back(command.ttl_s);
    return seconds;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(given(kNow), ElementsAre(3'600, 0, 3'600, 3'600, 3'600));
  EXPECT_THAT(given(kNow + 59 * kSecond), ElementsAre(0, 0, 3'600, 3'600)) << "the EXPIRE is gone";
  EXPECT_THAT(given(kNow + 60 * kSecond), ElementsAre(3'600, 0, 3'600, 3'600, 3'600));
  ttls.forget();
  EXPECT_THAT(given(kNow + 61 * kSecond), ElementsAre(3'600, 0, 3'600, 3'600, 3'600));
}

TEST(LivePart, LeavesOldFactsAloneButKeepsStatesAndScripts) {
  const std::int64_t old = kNow - 3'601 * kSecond;
  model::Block block;
  block.segment_name = "bot.ddt";
  model::SignalEvent signal;
  signal.origin = origin(old);
  block.fact_events = {order(old, "o-1", "new"), signal};
  block.latest_states = {equity(old, kE8)};
  model::LatencyMinute minute{7, "order_monitor", "/orders", model::unix_minute(old), {}};
  minute.summary.add(5, 200);
  block.latency_minutes = {minute};
  const LivePart part = part_of({block});
  EXPECT_THAT(part.messages, IsEmpty());
  EXPECT_THAT(on_key(part, "telemetry:orders:7:o-1"), IsEmpty());
  EXPECT_THAT(on_key(part, "telemetry:breakout:7:signals"), IsEmpty());
  EXPECT_THAT(on_key(part, "telemetry:latency_stats:7:order_monitor"), IsEmpty());
  EXPECT_EQ(on_key(part, "telemetry:equity:7:latest").size(), 1U);
  const auto scripts = on_key(part, "telemetry:scripts:7");
  ASSERT_EQ(scripts.size(), 2U);
  EXPECT_THAT(scripts[0].arguments[2], HasSubstr(R"("state":"online","segment":"bot.ddt")"));
  EXPECT_EQ(on_key(part, "telemetry:profiles").front().arguments,
            (Command{"SADD", "telemetry:profiles", "7"}));
}

TEST(LivePart, IsEmptyWithoutBlocks) {
  const LivePart part = part_of({model::Block{}});
  EXPECT_THAT(part.commands, IsEmpty());
  EXPECT_THAT(part.messages, IsEmpty());
}

TEST(LiveLatency, WritesWholeMinutesOfAllEndpointsOnceASecondAndForgetsOldOnes) {
  LiveLatency latency(SidecarKeys("s1"), LiveKeys());
  const auto block_at = [](std::int64_t time_ns) {
    model::Block block;
    for (const char* endpoint : {"/a", "/b"}) {
      model::LatencyMinute minute{7, "order_monitor", endpoint, model::unix_minute(time_ns), {}};
      minute.summary.add(1'000, 200);
      block.latency_minutes.push_back(minute);
    }
    return block;
  };
  const std::vector<model::Block> now{block_at(kNow)};
  const auto stored = [&](const std::vector<Command>& commands) {
    model::ByteReader reader(commands.at(0).at(3));
    return model::LatencySummary::decode(reader)->n();
  };
  EXPECT_FALSE(latency.is_due(kNow)) << "nothing was said";
  latency.fold(now, "1-1", kNow);
  ASSERT_TRUE(latency.is_due(kNow));
  const auto first = latency.take(kNow);
  ASSERT_EQ(first.size(), 4U);
  EXPECT_EQ(first[0][0], "HSET");
  EXPECT_EQ(first[0][2], std::to_string(model::unix_minute(kNow)) + ":s1");
  EXPECT_EQ(first[2][0], "HDEL");
  EXPECT_EQ(first[3], (Command{"SET", "ddt:{s1}:latency", "1-1"}));
  EXPECT_EQ(stored(first), 2U);
  latency.fold(now, "1-2", kNow);
  latency.fold(now, "1-3", kNow);
  EXPECT_FALSE(latency.is_due(kNow + kSecond - 1));
  ASSERT_TRUE(latency.is_due(kNow + kSecond));
  const auto second = latency.take(kNow + kSecond);
  EXPECT_EQ(second.size(), 3U) << "old minutes are removed once a minute";
  EXPECT_EQ(stored(second), 6U);
  EXPECT_EQ(second.back().back(), "1-3");
  EXPECT_FALSE(latency.is_due(kNow + 10 * kSecond)) << "Redis has it";
  EXPECT_EQ(latency.minutes_known(), 1U);
  const std::int64_t later = kNow + 4 * 60 * kSecond;
  latency.fold(std::vector{block_at(later)}, "1-4", later);
  (void)latency.take(later);
  EXPECT_EQ(latency.minutes_known(), 1U);
  latency.fold(std::vector{block_at(later + 3'600 * kSecond)}, "1-5", later);
  EXPECT_FALSE(latency.has_news());
}

// ── the registry ─────────────────────────────────────────────────────────────────────────────────────

TEST(SeenScripts, AreWrittenAtOnceThenOnceASecond) {
  SeenScripts seen;
  EXPECT_FALSE(seen.is_due(kNow)) << "nobody was seen";
  seen.see(7, "order_monitor", kNow, "seg-1");
  EXPECT_EQ(seen.take(kNow, LiveKeys()).size(), 1U);
  seen.see(7, "order_monitor", kNow + 1, "seg-1");
  seen.see(7, "order_monitor", kNow + 2, "seg-1");
  EXPECT_FALSE(seen.is_due(kNow + kSecond - 1));
  EXPECT_THAT(seen.take(kNow + kSecond - 1, LiveKeys()), IsEmpty());
  ASSERT_TRUE(seen.is_due(kNow + kSecond));
  const auto commands = seen.take(kNow + kSecond, LiveKeys());
  ASSERT_EQ(commands.size(), 1U);
  EXPECT_EQ(commands[0].event_time_ns, kNow + 2) << "the last word of one that fell silent, too";
  EXPECT_FALSE(seen.is_due(kNow + 10 * kSecond)) << "Redis has it";
}

TEST(SeenScripts, AnotherSegmentIsWrittenAtOnce) {
  SeenScripts seen;
  seen.see(7, "order_monitor", kNow, "seg-1");
  (void)seen.take(kNow, LiveKeys());
  seen.see(7, "order_monitor", kNow + 1, "seg-2");
  const auto commands = seen.take(kNow + 1, LiveKeys());
  ASSERT_EQ(commands.size(), 1U);
  EXPECT_THAT(commands[0].arguments[2], HasSubstr("seg-2"));
}

TEST(SeenScripts, AnOlderSightChangesNothing) {
  SeenScripts seen;
  seen.see(7, "order_monitor", kNow, "seg-2");
  (void)seen.take(kNow, LiveKeys());
  seen.see(7, "order_monitor", kNow - 1, "seg-1");
  EXPECT_FALSE(seen.is_due(kNow + 2 * kSecond));
}

TEST(SeenScripts, OneThatEndedIsNotWrittenBehindItsEnd) {
  SeenScripts seen;
  seen.see(7, "order_monitor", kNow, "seg-1");
  (void)seen.take(kNow, LiveKeys());
  seen.see(7, "order_monitor", kNow + 1, "seg-1");
  seen.ended(7, "order_monitor", "seg-0");
  EXPECT_TRUE(seen.is_due(kNow + kSecond)) << "a predecessor's end is not its own";
  seen.ended(7, "order_monitor", "seg-1");
  EXPECT_THAT(seen.take(kNow + kSecond, LiveKeys()), IsEmpty());
}

TEST(SeenScripts, ComeAgainWhenRedisMayNotHaveThem) {
  SeenScripts seen;
  seen.see(7, "order_monitor", kNow, "seg-1");
  (void)seen.take(kNow, LiveKeys());
  seen.forget();
  EXPECT_EQ(seen.take(kNow, LiveKeys()).size(), 1U);
}

}  // namespace
}  // namespace ddt::redis
