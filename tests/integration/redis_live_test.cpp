// Live values: written by the append script, read as the API reads them.
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "sidecar/model/codec.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/redis/live.hpp"
#include "sidecar/redis/live_latency.hpp"
#include "sidecar/redis/live_reader.hpp"
#include "tests/support/private_redis.hpp"

namespace ddt::redis {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kNow = 1'795'341'600'000'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

model::Origin origin(std::int64_t time_ns, std::string script_name = "order_monitor") {
  return {.profile_id = 7,
          .script_name = std::move(script_name),
          .position = 0,
          .event_time_ns = time_ns,
          .metadata = ""};
}

model::EquityEvent equity(std::int64_t time_ns, std::int64_t account_equity_e8) {
  model::EquityEvent event;
  event.origin = origin(time_ns, "equity_monitor");
  event.account_equity_e8 = account_equity_e8;
  return event;
}

model::Block latencies(std::int64_t time_ns, int count) {
  model::Block block;
  model::LatencyMinute minute{7, "order_monitor", "/orders", model::unix_minute(time_ns), {}};
  for (int i = 0; i < count; ++i) minute.summary.add(1'000'000, 200);
  block.latency_minutes.push_back(minute);
  return block;
}

class RedisLive : public ::testing::Test {
 protected:
  JournalWriter writer() {
    Result<JournalWriter> made = JournalWriter::connect(server_.options(), keys_);
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
  void write(JournalWriter& to, LiveValues& values, const std::vector<model::Block>& blocks,
             std::int64_t now_ns = kNow) {
    const Result<Appended> appended =
        to.append(model::encode_entry(blocks), {}, values.part(blocks, now_ns));
    ASSERT_TRUE(appended) << appended.error().message;
    EXPECT_EQ(appended->live.count, 0U) << appended->live.first;
  }
  std::uint64_t latency_count(std::int64_t now_ns) {
    const auto merged = reader_.latency_last_hour(7, "order_monitor", now_ns);
    return *merged ? (*merged)->n() : 0;
  }

  test::PrivateRedis server_;
  SidecarKeys keys_{"test-1"};
  LiveReader reader_{server_.options(), LiveKeys()};
};

TEST_F(RedisLive, WhatIsWrittenIsRead) {
  model::Block block;
  block.segment_name = "seg";
  model::HealthEvent health;
  health.origin = origin(kNow);
  health.status = "healthy";
  model::RateLimitEvent rate_limit;
  rate_limit.origin = origin(kNow);
  rate_limit.remaining = 199;
  model::PositionEvent spy, aapl;
  spy.origin = aapl.origin = origin(kNow, "equity_monitor");
  spy.symbol = "SPY";
  aapl.symbol = "AAPL";
  block.latest_states = {equity(kNow, 100'000 * kE8), health, rate_limit, spy, aapl};
  model::SignalEvent signal;
  signal.origin = origin(kNow, "breakout_detector");
  model::ErrorEvent error;
  error.origin = origin(kNow);
  model::OrderEvent order;
  order.origin = origin(kNow);
  order.order_id = "o-1";
  order.status = "filled";
  for (const char* id : {"s-1", "s-2"}) {
    signal.signal_id = id;
    error.code = id;
    block.fact_events.insert(block.fact_events.end(), {signal, error});
  }
  block.fact_events.emplace_back(order);
  JournalWriter to = writer();
  LiveValues values{LiveKeys()};
  write(to, values, {block});

  EXPECT_EQ((*reader_.equity(7))->object.string_or("account_equity"), "100000");
  EXPECT_EQ((*reader_.equity(7))->event_time_ns, kNow);
  EXPECT_EQ((*reader_.health(7, "order_monitor"))->object.string_or("status"), "healthy");
  EXPECT_EQ((*reader_.rate_limit(7, "order_monitor"))->object.int_or("remaining", 0), 199);
  EXPECT_EQ((*reader_.order(7, "o-1"))->object.string_or("status"), "filled");
  ASSERT_EQ(reader_.signals(7, 10)->size(), 2U);
  EXPECT_EQ(reader_.signals(7, 10)->front().object.string_or("signal_id"), "s-2") << "newest first";
  EXPECT_EQ(reader_.errors(7, "order_monitor", 1)->size(), 1U);
  ASSERT_EQ(reader_.positions(7)->size(), 2U);
  EXPECT_EQ(reader_.positions(7)->front().object.string_or("symbol"), "AAPL");
  const auto scripts = *reader_.scripts(7);
  ASSERT_EQ(scripts.size(), 3U);
  EXPECT_EQ(scripts[1].script_name, "equity_monitor");
  EXPECT_EQ(scripts[1].state, "online");
  EXPECT_EQ(scripts[1].segment, "seg");
  EXPECT_EQ(scripts[1].last_seen_ns, kNow);
  EXPECT_EQ(*reader_.profiles(), std::vector<std::int32_t>{7});
  EXPECT_EQ(*reader_.last_seq(7), 5 + 5);  // facts one by one, states
  EXPECT_EQ(*reader_.last_seq(8), 0);
  EXPECT_FALSE(*reader_.equity(8));
  EXPECT_TRUE(reader_.positions(8)->empty());
}

TEST_F(RedisLive, AnOlderReadingOfALaterBatchDoesNotReplace) {
  JournalWriter to = writer();
  LiveValues values{LiveKeys()};
  model::Block newer, older;
  newer.latest_states = {equity(kNow, 2 * kE8)};
  older.latest_states = {equity(kNow - 1, kE8)};
  write(to, values, {newer});
  write(to, values, {older});
  EXPECT_EQ((*reader_.equity(7))->object.string_or("account_equity"), "2");
}

// A sidecar as far as latencies are concerned: appends entries of one Lane, writes their minutes when told to.
class LatencyHost {
 public:
  LatencyHost(const ConnectOptions& options, const std::string& id, std::int64_t now_ns = kNow)
      : writer_(*JournalWriter::connect(options, SidecarKeys(id))),
        latency_(SidecarKeys(id), LiveKeys()) {
    JournalReader journal = *JournalReader::connect(options, SidecarKeys(id));
    if (!latency_.begin(writer_.client(), journal, now_ns)) throw std::runtime_error("begin");
  }
  void append(model::Block block, std::int64_t now_ns = kNow) {
    const std::vector<model::Block> blocks{std::move(block)};
    const Result<Appended> appended = writer_.append(model::encode_entry(blocks), {}, {});
    ASSERT_TRUE(appended && latency_.load(writer_.client(), blocks, now_ns));
    latency_.fold(blocks, appended->id, now_ns);
  }
  void write(std::int64_t now_ns = kNow) {
    const auto written = writer_.write_together(latency_.take(now_ns));
    ASSERT_TRUE(written && written->count == 0);
  }

 private:
  JournalWriter writer_;
  LiveLatency latency_;
};

model::Block latencies_at(std::uint64_t from, std::int64_t time_ns, int count) {
  model::Block block = latencies(time_ns, count);
  block.from = from;
  block.to = from + 1;
  return block;
}

TEST_F(RedisLive, LatenciesAreThereOnceWheneverTheSidecarIsKilled) {
  {
    LatencyHost host(server_.options(), "test-1");
    host.append(latencies_at(0, kNow, 3));
  }
  EXPECT_EQ(latency_count(kNow), 0U) << "killed before they were written";
  {
    LatencyHost host(server_.options(), "test-1");
    host.write();
    EXPECT_EQ(latency_count(kNow), 3U);
    host.append(latencies_at(1, kNow, 4));
    host.write();
    EXPECT_EQ(latency_count(kNow), 7U);
    host.append(latencies_at(2, kNow, 5));
    host.append(latencies_at(2, kNow, 5));  // as a Redis that was cut may hold it
  }
  {
    LatencyHost host(server_.options(), "test-1");
    host.write();
    EXPECT_EQ(latency_count(kNow), 12U);
  }
  LatencyHost host(server_.options(), "test-1");
  host.write();
  EXPECT_EQ(latency_count(kNow), 12U) << "nothing was new";
}

// As one of an earlier version, which wrote minutes with every append.
TEST_F(RedisLive, AJournalWithoutAMarkIsTakenForWritten) {
  {
    LatencyHost host(server_.options(), "test-1");
    host.append(latencies_at(0, kNow, 3));
    host.write();
  }
  ASSERT_TRUE(server_.client().run({"DEL", keys_.latency}));
  LatencyHost host(server_.options(), "test-1");
  host.append(latencies_at(1, kNow, 1));
  host.write();
  EXPECT_EQ(latency_count(kNow), 4U);
}

TEST_F(RedisLive, LatenciesOfTwoHostsAreMergedAndOldMinutesGo) {
  LatencyHost host(server_.options(), "test-1");
  host.append(latencies_at(0, kNow, 13));
  host.write();
  {
    LatencyHost other(server_.options(), "test-2");
    other.append(latencies_at(0, kNow, 10));
    other.write();
  }
  EXPECT_EQ(latency_count(kNow), 23U);
  const std::int64_t later = kNow + 30 * 60 * kSecond, much_later = kNow + 61 * 60 * kSecond;
  LatencyHost again(server_.options(), "test-1", later);  // the other has begun meanwhile
  again.append(latencies_at(1, later, 2), later);
  again.write(later);
  EXPECT_EQ(latency_count(later), 25U);
  EXPECT_EQ(latency_count(much_later), 2U);
  again.append(latencies_at(2, much_later, 1), much_later);
  again.write(much_later);
  EXPECT_EQ(latency_count(much_later), 3U);
  EXPECT_EQ(server_.client().run({"HLEN", "telemetry:latency_stats:7:order_monitor"})->integer, 3)
      << "its own old minute is removed, the other host's is its own business";
}

TEST_F(RedisLive, OfflineDoesNotHideASuccessorThatWasSeenLater) {
  JournalWriter to = writer();
  LiveValues values{LiveKeys()};
  model::Block block;
  block.segment_name = "first";
  block.latest_states = {equity(kNow, kE8)};
  write(to, values, {block});
  LivePart offline;
  offline.commands.push_back(offline_command(LiveKeys(), 7, "equity_monitor", "first", kNow));
  ASSERT_TRUE(to.append("", {}, offline));
  EXPECT_EQ(reader_.scripts(7)->front().state, "offline");
  block.segment_name = "second";
  block.latest_states = {equity(kNow + 1, kE8)};
  write(to, values, {block});
  ASSERT_TRUE(to.append("", {}, offline));
  EXPECT_EQ(reader_.scripts(7)->front().state, "online");
  EXPECT_EQ(reader_.scripts(7)->front().segment, "second");
}

TEST_F(RedisLive, ReadsWhatIsNoneOfOursAsAbsent) {
  Client client = server_.client();
  ASSERT_TRUE(client.run({"LPUSH", "telemetry:equity:7:latest", "x"}));
  ASSERT_TRUE(client.run({"SET", "telemetry:health:7:a:latest", "no json"}));
  ASSERT_TRUE(client.run({"SET", "telemetry:positions:7", "x"}));
  ASSERT_TRUE(client.run({"SET", "telemetry:breakout:7:signals", "x"}));
  ASSERT_TRUE(client.run({"HSET", "telemetry:scripts:7", "a", "[]"}));
  ASSERT_TRUE(client.run({"SADD", "telemetry:profiles", "x", "-1", "9", "99999999999"}));
  ASSERT_TRUE(client.run({"HSET", "telemetry:latency_stats:7:a", "x", "y", "29922360", "garbage"}));
  EXPECT_FALSE(*reader_.equity(7));
  EXPECT_FALSE(*reader_.health(7, "a"));
  EXPECT_TRUE(reader_.positions(7)->empty());
  EXPECT_TRUE(reader_.signals(7, 5)->empty());
  EXPECT_TRUE(reader_.scripts(7)->empty());
  EXPECT_EQ(*reader_.profiles(), std::vector<std::int32_t>{9});
  EXPECT_FALSE(*reader_.latency_last_hour(7, "a", kNow));
}

TEST_F(RedisLive, ReadsTheStatusOfEverySidecar) {
  EXPECT_TRUE(reader_.sidecar_ids()->empty());
  JournalWriter to = writer();
  EXPECT_EQ(*reader_.sidecar_ids(), std::vector<std::string>{"test-1"});
  EXPECT_FALSE(*reader_.sidecar_status("test-1"));
  ASSERT_TRUE(to.client().run({"SET", keys_.status, "{\"durability\":\"mysql\"}", "EX", "15"}));
  EXPECT_EQ((*reader_.sidecar_status("test-1"))->object.string_or("durability"), "mysql");
}

TEST_F(RedisLive, TheReaderOutlivesItsServer) {
  EXPECT_TRUE(reader_.ping());
  server_.kill();
  EXPECT_FALSE(reader_.ping());
  EXPECT_FALSE(reader_.equity(7));
  server_.start();
  const auto end = std::chrono::steady_clock::now() + 5s;
  bool is_back = false;
  while (!is_back && std::chrono::steady_clock::now() < end) {
    is_back = static_cast<bool>(reader_.ping());
    if (!is_back) std::this_thread::sleep_for(20ms);
  }
  EXPECT_TRUE(is_back);
  server_.stop();
  server_.start();
  EXPECT_TRUE(reader_.ping()) << "a dead connection is replaced at once";
}

TEST_F(RedisLive, MoreThanOneTransactionLosesNothing) {
  LivePart part;
  for (std::size_t i = 0; i < kLiveTogetherMax + 10; ++i) {
    part.commands.push_back({LiveCommand::Kind::plain, {"INCR", "counter"}, 0, 0});
  }
  for (std::size_t i = 0; i < kLiveTogetherMax + 10; ++i) {
    part.messages.push_back({7, "telemetry:live:7", ",\"data\":{}}"});
  }
  JournalWriter to = writer();
  const Result<Appended> appended = to.append("entry", {}, part);
  ASSERT_TRUE(appended);
  EXPECT_EQ(appended->live.count, 0U);
  EXPECT_EQ(server_.client().run({"GET", "counter"})->text, std::to_string(kLiveTogetherMax + 10));
  EXPECT_EQ(*reader_.last_seq(7), static_cast<std::int64_t>(kLiveTogetherMax + 10));
  EXPECT_EQ(server_.client().run({"XLEN", keys_.journal})->integer, 1);
}

}  // namespace
}  // namespace ddt::redis
