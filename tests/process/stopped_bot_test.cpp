// SIGSTOP of a bot for a long while: nobody else is disturbed, its Segment is not retired, and it goes on
// where it was.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/drain_by_hand.hpp"
#include "tests/support/nth_record.hpp"
#include "tests/support/single_step.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

using test::ChildProcess;
using test::DrainByHand;
using test::SharedValue;
using test::TempDirectory;

constexpr std::size_t kBots = 4;

// A minute by hand: DDT_TEST_STOP_S=60.
std::int64_t stop_ns() {
  const char* said = std::getenv("DDT_TEST_STOP_S");
  return kNsPerSecond * (said == nullptr ? 5 : std::atoi(said));
}

struct Counts {
  std::atomic<std::int64_t> published[kBots];
  std::atomic<bool> is_over;
};

TEST(StoppedBot, DisturbsNobodyKeepsItsSegmentAndGoesOnAfterwards) {
  const TempDirectory directory;
  DrainByHand drain(directory.path());
  const SharedValue<Counts> counts;
  std::vector<std::unique_ptr<ChildProcess>> bots;
  for (std::size_t bot = 0; bot < kBots; ++bot) {
    bots.push_back(std::make_unique<ChildProcess>([&, bot] {
      const Telemetry telemetry({.profile_id = static_cast<std::int32_t>(bot) + 1,
                                 .script_name = "bot",
                                 .directory = directory.path(),
                                 .lane_lines = 1'024});
      for (std::int64_t n = 0; !counts->is_over;) {
        if (test::publish_nth(telemetry, n) == Published::ok) counts->published[bot] = ++n;
        ::usleep(20);  // a busy bot, not a race for the processors
      }
      return 0;
    }));
  }
  const auto published_by = [&](std::size_t bot) { return counts->published[bot].load(); };
  // Records of each bot in a stretch of time; the drain works all along.
  const auto watch = [&](std::int64_t ns) {
    std::vector<std::int64_t> before;
    for (std::size_t bot = 0; bot < kBots; ++bot) before.push_back(published_by(bot));
    const std::int64_t end = monotonic_ns() + ns;
    while (monotonic_ns() < end) {
      if (drain.work() == 0) ::usleep(200);
    }
    for (std::size_t bot = 0; bot < kBots; ++bot) before[bot] = published_by(bot) - before[bot];
    return before;
  };
  for (bool all_speak = false; !all_speak;) {
    watch(kNsPerSecond / 100);
    all_speak = true;
    for (std::size_t bot = 0; bot < kBots; ++bot) all_speak = all_speak && published_by(bot) > 100;
  }
  const auto before = watch(kNsPerSecond);
  ASSERT_EQ(::kill(bots[0]->pid(), SIGSTOP), 0);
  watch(kNsPerSecond / 20);  // the signal arrives
  const auto meanwhile = watch(stop_ns());
  EXPECT_EQ(meanwhile[0], 0) << "it was not stopped";
  EXPECT_EQ(drain.retired(), 0U) << "it lives: its lock is held";
  EXPECT_EQ(drain.ledger().residual(), 0);
  for (std::size_t bot = 1; bot < kBots; ++bot) {
    // As fast as before, but for the noise of the machine: ten times slower would be a disturbance.
    EXPECT_GT(meanwhile[bot] * 10 * kNsPerSecond / stop_ns(), before[bot]) << "bot " << bot;
  }
  ASSERT_EQ(::kill(bots[0]->pid(), SIGCONT), 0);
  std::int64_t afterwards = 0;
  for (int i = 0; i < 1'000 && afterwards == 0; ++i) afterwards = watch(kNsPerSecond / 50)[0];
  EXPECT_GT(afterwards, 0) << "it does not go on";

  counts->is_over = true;
  std::int64_t published = 0;
  for (int i = 0; i < 1'000 && drain.retired() < kBots; ++i) watch(kNsPerSecond / 100);
  for (std::size_t bot = 0; bot < kBots; ++bot) published += published_by(bot);
  EXPECT_EQ(drain.retired(), kBots);
  EXPECT_EQ(drain.ledger().stored, static_cast<std::uint64_t>(published));
  EXPECT_EQ(drain.ledger().residual(), 0);
  EXPECT_EQ(drain.holes(), 0U);
}

}  // namespace
}  // namespace ddt
