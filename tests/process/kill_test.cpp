// A bot killed at any instruction leaves whole Records and nothing else.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <ddt/telemetry.hpp>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "shm/segment.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/nth_record.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

constexpr int kRounds = 300;
constexpr std::uint32_t kLines = 256;  // short: the bot goes round many times before it dies

// Reads what is there and gives it back.
bool read_all(test::NthRecordChecker& checker, LaneReader& lane) {
  const bool is_whole = checker.read_all(lane);
  lane.release(lane.next());
  return is_whole;
}

TEST(Kill, LeavesOnlyWholeRecordsWithConsecutiveOrdinals) {
  std::mt19937 random(20131004);
  std::uniform_int_distribution<std::uint64_t> life_lines(0, 4 * kLines);
  std::uniform_int_distribution<int> then_ns(0, 20'000);
  std::uint64_t records = 0, laps = 0;
  for (int round = 0; round < kRounds; ++round) {
    const test::TempDirectory directory;
    const test::Pipe started;
    test::ChildProcess bot([&] {
      const Telemetry telemetry({.profile_id = 7,
                                 .script_name = "bot",
                                 .directory = directory.path(),
                                 .lane_lines = kLines});
      started.send(telemetry.is_attached() ? 's' : 'x');
      for (std::int64_t n = 0;;) {
        if (test::publish_nth(telemetry, n) == Published::ok) ++n;
      }
      return 0;
    });
    ASSERT_EQ(started.receive(), 's');
    const auto names = segment_names(directory.path());
    ASSERT_TRUE(names);
    ASSERT_EQ(names->size(), 1U);
    auto segment = SegmentReader::open(directory.path(), names->front());
    ASSERT_TRUE(segment) << segment.error().message;
    LaneReader lane = segment->lane(0, 0);
    test::NthRecordChecker checker;
    const std::uint64_t life = life_lines(random);
    const std::int64_t deadline = monotonic_ns() + 30 * kNsPerSecond;
    while (lane.next() < life) {
      ASSERT_TRUE(read_all(checker, lane)) << "round " << round << ", Record " << checker.count();
      ASSERT_LT(monotonic_ns(), deadline) << "the bot says nothing";
    }
    const std::int64_t end = monotonic_ns() + then_ns(random);
    while (monotonic_ns() < end) {
    }
    EXPECT_EQ(segment->owner_lock(), LockState::held);
    bot.kill();
    EXPECT_EQ(segment->owner_lock(), LockState::free);
    ASSERT_TRUE(read_all(checker, lane)) << "round " << round << ", Record " << checker.count();
    const std::uint64_t at_death = checker.count();
    ASSERT_TRUE(read_all(checker, lane));
    EXPECT_EQ(checker.count(), at_death);  // the dead say no more
    records += at_death;
    laps += lane.next() / kLines;
  }
  EXPECT_GT(records, static_cast<std::uint64_t>(kRounds));
  EXPECT_GT(laps, static_cast<std::uint64_t>(kRounds));  // two a round by the draw above
}

TEST(Kill, WhileSegmentsAreMadeLeavesNoneThatIsHalfMade) {
  std::mt19937 random(4);
  std::uniform_int_distribution<int> life_us(0, 400);
  const test::TempDirectory directory;
  std::size_t complete = 0;
  for (int round = 0; round < kRounds / 3; ++round) {
    const test::Pipe started;
    test::ChildProcess bot([&] {
      started.send('s');
      for (;;) {
        const Telemetry telemetry({.profile_id = 7,
                                   .script_name = "bot",
                                   .directory = directory.path(),
                                   .lane_lines = kLaneLinesMin});
        telemetry.publish(Latency{});
      }
      return 0;
    });
    ASSERT_EQ(started.receive(), 's');
    const std::int64_t deadline = monotonic_ns() + 30 * kNsPerSecond;
    while (round % 2 == 1 && segment_names(directory.path())->empty())  // at the second one
      ASSERT_LT(monotonic_ns(), deadline) << "the bot makes nothing";
    std::this_thread::sleep_for(std::chrono::microseconds(life_us(random)));
    bot.kill();
    const auto names = segment_names(directory.path());
    ASSERT_TRUE(names);
    for (const std::string& name : *names) {
      auto segment = SegmentReader::open(directory.path(), name);
      ASSERT_TRUE(segment) << segment.error().message;
      EXPECT_EQ(segment->owner_lock(), LockState::free);
      EXPECT_EQ(segment->script_name(), "bot");
      ++complete;
      ::unlink((directory / name).c_str());
    }
  }
  EXPECT_GE(complete, static_cast<std::size_t>(kRounds / 6));
}

}  // namespace
}  // namespace ddt
