// The drain by hand: a real Segment, no threads, no Redis, no MySQL.
#include "sidecar/drain/drain.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <ddt/telemetry.hpp>
#include <filesystem>
#include <optional>
#include <thread>

#include "shm/base/clock.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::uint32_t kLines = 256;

class DrainTest : public ::testing::Test {
 protected:
  DrainTest() {
    config_.directory = directory_.path();
    config_.round_interval_ns = 0;
    exchange_.mysql_committed_at_ns = monotonic_ns();
  }

  TelemetryOptions options() const {
    return {.profile_id = 7,
            .script_name = "order_monitor",
            .directory = config_.directory,
            .lane_lines = kLines};
  }
  Telemetry bot() const { return Telemetry(options()); }
  static void publish(const Telemetry& bot, int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_EQ(bot.publish(Latency{.duration_ns = 1'000, .outcome = 200}), Published::ok);
  }
  model::Block drained(Drain& drain) {
    drain.work(monotonic_ns());
    EXPECT_TRUE(drain.flush(monotonic_ns()));
    auto batch = batches_.pop();
    EXPECT_TRUE(batch && batch->blocks.size() == 1);
    model::Block block = batch ? batch->blocks.front() : model::Block{};
    if (batch) batches_.done(*batch);
    return block;
  }
  model::LaneName lane_of_only_segment() {
    const auto names = segment_names(config_.directory);
    const auto id = segment_id_of(names->front());
    return {.segment_id = *id, .lane = 0};
  }

  test::TempDirectory directory_;
  DrainConfig config_;
  BatchQueue batches_{1U << 20};
  Exchange exchange_;
};

TEST_F(DrainTest, MakesOneBlockOfWhatALaneHolds) {
  const Telemetry bot = this->bot();
  publish(bot, 3);
  Drain drain(config_, {}, batches_, exchange_);
  const model::Block block = drained(drain);
  EXPECT_EQ(block.from, 0U);
  EXPECT_EQ(block.to, 3U);
  EXPECT_EQ(block.samples, 3U);
  EXPECT_EQ(block.script_name, "order_monitor");
}

TEST_F(DrainTest, GivesLinesBackWhenMySqlHasThem) {
  const Telemetry bot = this->bot();
  publish(bot, 100);
  Drain drain(config_, {}, batches_, exchange_);
  const model::Block block = drained(drain);
  EXPECT_EQ(bot.lines_free(), kLines - 100);
  exchange_.committed.put({.lane = block.lane, .position = 100, .counts = block.counts});
  drain.work(monotonic_ns());
  EXPECT_EQ(bot.lines_free(), kLines);
}

// A predecessor may die between its commit and the release, and the bot then wait for room for ever.
TEST_F(DrainTest, GivesBackWhatAPredecessorSawCommitted) {
  const Telemetry bot = this->bot();
  publish(bot, 128);
  EXPECT_EQ(bot.publish(Latency{.duration_ns = 1, .outcome = 200}), Published::full);
  const StartPosition start{.acknowledged = 128, .committed = 128, .committed_published = 128};
  Drain drain(config_, {{lane_of_only_segment(), start}}, batches_, exchange_);
  drain.work(monotonic_ns());
  EXPECT_EQ(bot.lines_free(), kLines);
  publish(bot, 1);
}

TEST_F(DrainTest, GivesLinesBackOnRedissWordWhenMySqlIsSilent) {
  const Telemetry bot = this->bot();
  publish(bot, 100);
  Drain drain(config_, {}, batches_, exchange_);
  const model::Block block = drained(drain);
  exchange_.mysql_committed_at_ns = monotonic_ns() - 2 * config_.mysql_silence_max_ns;
  exchange_.acknowledged.put({.lane = block.lane, .position = 100});
  exchange_.redis_confirmed_at_ns = monotonic_ns() - 2 * kRedisWordMaxNs;
  drain.work(monotonic_ns());
  EXPECT_EQ(bot.lines_free(), kLines - 100) << "it may be gone by now";
  exchange_.redis_confirmed_at_ns = monotonic_ns();
  drain.work(monotonic_ns());
  EXPECT_EQ(bot.lines_free(), kLines);
}

TEST_F(DrainTest, DoesNotTrustARedisThatHasForgotten) {
  const Telemetry bot = this->bot();
  publish(bot, 100);
  Drain drain(config_, {}, batches_, exchange_);
  const model::Block block = drained(drain);
  exchange_.mysql_committed_at_ns = monotonic_ns() - 2 * config_.mysql_silence_max_ns;
  exchange_.redis_confirmed_at_ns = monotonic_ns();
  exchange_.acknowledged.put({.lane = block.lane, .position = 100, .forgotten_to = 90});
  drain.work(monotonic_ns());
  EXPECT_EQ(bot.lines_free(), kLines - 100) << "[0, 90) is nowhere but in the Lane";
  exchange_.committed.put({.lane = block.lane, .position = 90, .counts = {}});
  drain.work(monotonic_ns());
  EXPECT_EQ(bot.lines_free(), kLines);
}

TEST_F(DrainTest, ReadsAgainWhatRedisLost) {
  const Telemetry bot = this->bot();
  publish(bot, 10);
  Drain drain(config_, {}, batches_, exchange_);
  const model::Block block = drained(drain);
  exchange_.fill_requests.put({.lane = block.lane, .from = 4, .to = 9, .published_before = 4});
  drain.work(monotonic_ns());
  const auto answers = exchange_.fill_answers.take();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].lost_records, 0U);
  ASSERT_TRUE(answers[0].block);
  EXPECT_EQ(answers[0].block->from, 4U);
  EXPECT_EQ(answers[0].block->to, 9U);
  EXPECT_EQ(answers[0].block->samples, 5U);
}

TEST_F(DrainTest, CountsExactlyWhatTheLaneNoLongerHolds) {
  const Telemetry bot = this->bot();
  publish(bot, 128);
  EXPECT_EQ(bot.publish(Latency{.duration_ns = 1, .outcome = 200}),
            Published::full);  // refused ones are not lost
  Drain drain(config_, {}, batches_, exchange_);
  const model::Block block = drained(drain);
  exchange_.committed.put({.lane = block.lane, .position = 50, .counts = {}});
  drain.work(monotonic_ns());
  publish(bot, 1);
  exchange_.fill_requests.put({.lane = block.lane, .from = 20, .to = 60, .published_before = 20});
  drain.work(monotonic_ns());
  const auto answers = exchange_.fill_answers.take();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].lost_to, 50U);
  EXPECT_EQ(answers[0].lost_records, 30U);
}

// ── turns between two scans ──────────────────────────────────────────────────────────────────────────

constexpr std::int64_t kNever = 1'000'000'000'000'000;

TEST_F(DrainTest, ReadsASilentLaneInTheTurnAfterItSpeaks) {
  config_.scan_interval_ns = config_.round_interval_ns = kNever;
  const Telemetry first = this->bot(), second = this->bot();
  Drain drain(config_, {}, batches_, exchange_);
  EXPECT_EQ(drain.work(monotonic_ns()), 0U);
  for (int i = 1; i <= 3; ++i) {
    publish(second, i);
    EXPECT_EQ(drain.work(monotonic_ns()), static_cast<std::size_t>(i));
    EXPECT_EQ(drain.work(monotonic_ns()), 0U);
  }
  publish(first, 1);
  publish(second, 1);
  EXPECT_EQ(drain.work(monotonic_ns()), 2U);
}

// A count has no Record that would be seen: the round looks at it.
TEST_F(DrainTest, TellsWithinARoundWhatASilentLaneHasRefused) {
  config_.scan_interval_ns = config_.round_interval_ns = 1'000'000'000;
  const Telemetry bot = this->bot();
  publish(bot, 1);
  Drain drain(config_, {}, batches_, exchange_);
  std::int64_t now_ns = monotonic_ns();
  drain.work(now_ns);
  while (auto batch = batches_.pop()) batches_.done(*batch);
  ASSERT_NE(bot.publish(Order{.order_id = ""}), Published::ok);
  drain.work(now_ns += config_.round_interval_ns);
  const auto batch = batches_.pop();
  ASSERT_TRUE(batch && batch->blocks.size() == 1);
  EXPECT_EQ(batch->blocks.front().counts.refused, 1U);
}

TEST_F(DrainTest, ReadsALaneThatWasClaimedAtItsOwnersLastMoment) {
  config_.scan_interval_ns = kNever;
  std::optional<Telemetry> bot;
  bot.emplace(options());
  Drain drain(config_, {}, batches_, exchange_);
  drain.work(monotonic_ns());
  std::thread([&] { publish(*bot, 5); }).join();
  bot.reset();
  EXPECT_EQ(drain.work(monotonic_ns()), 5U);
}

TEST_F(DrainTest, GoesOnWithTheOthersWhenASegmentHasRetired) {
  config_.scan_interval_ns = kNever;
  config_.round_interval_ns = 1'000'000'000;
  std::optional<Telemetry> ended;
  ended.emplace(options());
  const Telemetry before = this->bot(), after = this->bot();
  Drain drain(config_, {}, batches_, exchange_);
  std::int64_t now_ns = monotonic_ns();
  drain.work(now_ns);
  ended.reset();
  for (int i = 0; i < 3; ++i) drain.work(now_ns += config_.round_interval_ns);
  auto retirements = exchange_.retirements.take();
  ASSERT_EQ(retirements.size(), 1U);
  exchange_.retired.put(std::move(retirements.front()));
  publish(before, 1);
  publish(after, 2);
  EXPECT_EQ(drain.work(now_ns), 3U);
  EXPECT_EQ(segment_names(config_.directory)->size(), 2U);
}

// The directory's time does not tell two changes within one tick of the clock apart.
TEST_F(DrainTest, FindsASegmentThatAppearsRightAfterALook) {
  config_.scan_interval_ns = 0;
  Drain drain(config_, {}, batches_, exchange_);
  for (int i = 0; i < 50; ++i) {
    const Telemetry bot = this->bot();
    drain.work(monotonic_ns());
    const Telemetry another = this->bot();
    publish(another, 1);
    EXPECT_EQ(drain.work(monotonic_ns()), 1U);
  }
}

TEST_F(DrainTest, RetiresASegmentOnceItsOwnerIsGoneAndAllIsCommitted) {
  std::optional<Telemetry> bot;
  bot.emplace(options());
  publish(*bot, 5);
  Drain drain(config_, {}, batches_, exchange_);
  const model::Block block = drained(drain);
  bot.reset();
  drain.work(monotonic_ns());
  drain.work(monotonic_ns());
  EXPECT_TRUE(exchange_.retirements.take().empty()) << "not before MySQL has all of it";
  exchange_.committed.put({.lane = block.lane, .position = 5, .counts = block.counts});
  drain.work(monotonic_ns());
  auto retirements = exchange_.retirements.take();
  ASSERT_EQ(retirements.size(), 1U);
  EXPECT_EQ(segment_names(config_.directory)->size(), 1U) << "not before its tombstone is marked";
  exchange_.retired.put(std::move(retirements.front()));
  drain.work(monotonic_ns());
  EXPECT_TRUE(segment_names(config_.directory)->empty());
}

}  // namespace
}  // namespace ddt::sidecar
