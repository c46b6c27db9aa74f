// The append against a real Redis: what it says when Redis forgets, and where it stops.
#include "sidecar/append/append.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "shm/base/clock.hpp"
#include "sidecar/model/time.hpp"
#include "tests/support/private_redis.hpp"

namespace ddt::sidecar {
namespace {

const model::LaneName kLane{.segment_id = {1}, .lane = 0};

class AppendTest : public ::testing::Test {
 protected:
  AppendConfig config() {
    AppendConfig config;
    config.redis = server_.options();
    config.sidecar_id = "test-1";
    return config;
  }
  void push(std::uint64_t from, std::uint64_t to, std::size_t payload_bytes = 0) {
    model::Block block;
    block.lane = kLane;
    block.profile_id = 7;
    block.script_name = "order_monitor";
    block.from = block.ordinal_from = from;
    block.to = block.ordinal_to = to;
    if (payload_bytes > 0)
      block.rejected.push_back({from, "a reason", std::string(payload_bytes, 'x')});
    batches_.push({.blocks = {std::move(block)}, .bytes = 1'000 + payload_bytes});
  }
  // Works until `until` says so; false after 10 s.
  static bool work(Append& append, const std::function<bool()>& until) {
    const std::int64_t deadline = monotonic_ns() + 10'000'000'000;
    while (monotonic_ns() < deadline) {
      append.work(monotonic_ns());
      if (until()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  bool append_all(Append& append) {
    return work(append, [&] { return batches_.bytes() == 0 && !append.has_pending(); });
  }

  test::PrivateRedis server_;
  BatchQueue batches_{64U << 20};
  Exchange exchange_;
};

TEST_F(AppendTest, ConfessesWhatRedisForgotThoughNothingIsToBeSent) {
  Append append(config(), batches_, exchange_);
  push(0, 100);
  ASSERT_TRUE(append_all(append));
  EXPECT_EQ(exchange_.acknowledged.take().back().position, 100U);
  ASSERT_TRUE(server_.client().run({"FLUSHALL"}));
  std::vector<LanePosition> said;
  ASSERT_TRUE(work(append, [&] { return !(said = exchange_.acknowledged.take()).empty(); }));
  EXPECT_EQ(said.back().position, 0U);
  EXPECT_EQ(said.back().forgotten_to, 100U);

  push(100, 150);
  ASSERT_TRUE(append_all(append));
  EXPECT_EQ(exchange_.acknowledged.take().back().forgotten_to, 100U);
  Append successor(config(), batches_, exchange_);
  const auto read = successor.connect();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->at(kLane).position, 150U);
  EXPECT_EQ(read->at(kLane).forgotten_to, 100U);
}

TEST_F(AppendTest, AppendsTogetherWhatWaits) {
  for (std::uint64_t i = 0; i < 10; ++i) push(i, i + 1);
  Append append(config(), batches_, exchange_);
  ASSERT_TRUE(append_all(append));
  EXPECT_EQ(append.counters().entries, 1U);
  EXPECT_EQ(exchange_.acknowledged.take().back().position, 10U);
  EXPECT_EQ(batches_.bytes(), 0U);
}

TEST_F(AppendTest, LatenciesThatRedisRefusesStopNoEntry) {
  ASSERT_TRUE(server_.client().run(
      {"ACL", "SETUSER", "ddt", "on", ">secret", "~*", "&*", "+@all", "-expire"}));
  AppendConfig limited = config();
  limited.redis.username = "ddt";
  limited.redis.password = "secret";
  Append append(limited, batches_, exchange_);
  model::Block block;
  block.lane = kLane;
  block.to = block.ordinal_to = 1;
  block.latency_minutes.push_back(
      {7, "order_monitor", "/orders", model::unix_minute(wall_ns()), {}});
  block.latency_minutes.back().summary.add(1'000'000, 200);
  batches_.push({.blocks = {block}, .bytes = 1'000});
  ASSERT_TRUE(append_all(append));
  ASSERT_TRUE(work(append, [&] { return append.counters().live_failures > 0; }));
  push(1, 2);
  ASSERT_TRUE(append_all(append));
  EXPECT_EQ(exchange_.acknowledged.take().back().position, 2U);
  EXPECT_EQ(append.counters().reconnects, 1U);
}

TEST_F(AppendTest, ConfirmsRedisWhileItAnswers) {
  Append append(config(), batches_, exchange_);
  push(0, 1);
  ASSERT_TRUE(append_all(append));
  const std::int64_t before = exchange_.redis_confirmed_at_ns;
  EXPECT_TRUE(work(append, [&] { return exchange_.redis_confirmed_at_ns > before; }));
  server_.kill();
  work(append, [&, until = monotonic_ns() + 300'000'000] { return monotonic_ns() > until; });
  const std::int64_t last = exchange_.redis_confirmed_at_ns;
  work(append, [&, until = monotonic_ns() + 300'000'000] { return monotonic_ns() > until; });
  EXPECT_EQ(exchange_.redis_confirmed_at_ns, last);
  server_.start();
  EXPECT_TRUE(work(append, [&] { return exchange_.redis_confirmed_at_ns > last; }));
}

TEST_F(AppendTest, HoldsTheRestWhenTheJournalIsAtItsLimit) {
  AppendConfig limited = config();
  limited.journal_bytes_max = 4U << 20;
  Append append(limited, batches_, exchange_);
  constexpr std::uint64_t kBlocks = 20;
  for (std::uint64_t i = 0; i < kBlocks; ++i) push(i, i + 1, 1U << 20);
  std::size_t appended = 0;
  work(append, [&, until = monotonic_ns() + 3'000'000'000] {
    appended = static_cast<std::size_t>(
        server_.client().run({"XLEN", redis::SidecarKeys("test-1").journal})->integer);
    return monotonic_ns() > until;
  });
  EXPECT_GT(appended, 0U);
  EXPECT_LT(appended, kBlocks) << "the limit holds nothing back";
  EXPECT_TRUE(append.has_pending());
  ASSERT_TRUE(server_.client().run(
      {"XTRIM", redis::SidecarKeys("test-1").journal, "MAXLEN", "0"}));  // as the rollup would
  EXPECT_TRUE(work(append, [&] {
    EXPECT_TRUE(
        server_.client().run({"XTRIM", redis::SidecarKeys("test-1").journal, "MAXLEN", "0"}));
    return batches_.bytes() == 0;
  }));
  EXPECT_EQ(exchange_.acknowledged.take().back().position, kBlocks);
}

}  // namespace
}  // namespace ddt::sidecar
