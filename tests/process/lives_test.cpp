// Lives of bots, threads and children, one after the other and side by side, under the real drain: every
// Segment retires, Lanes are reused, and neither Segments nor memory are left behind.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/drain_by_hand.hpp"
#include "tests/support/record_kinds.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

using test::ChildProcess;
using test::DrainByHand;
using test::open_only_segment;
using test::Pipe;
using test::TempDirectory;

class Lives : public testing::Test {
 protected:
  TelemetryOptions options() const {
    return {.profile_id = 7,
            .script_name = "bot",
            .directory = directory.path(),
            .lane_lines = kLaneLinesMin};
  }
  std::size_t segments() const { return segment_names(directory.path())->size(); }
  void settle() {
    for (int i = 0; i < 4; ++i) drain.work();
  }

  TempDirectory directory;
  DrainByHand drain{directory.path()};
};

// ── forks ────────────────────────────────────────────────────────────────────────────────────────

TEST_F(Lives, ForkWithoutExecThenTheParentDiesAndItsSegmentRetiresThoughTheChildLives) {
  const Pipe to_child, to_test;
  ChildProcess bot([&] {
    const Telemetry telemetry(options());
    telemetry.publish(Latency{.duration_ns = 1});
    if (::fork() == 0) {
      ::alarm(60);  // whatever becomes of the test
      to_test.send('f');
      to_child.receive();
      to_test.send(telemetry.publish(Latency{.duration_ns = 2}) == Published::ok ? 'p' : 'x');
      to_child.receive();
      ::_exit(0);
    }
    for (;;) ::pause();
    return 0;
  });
  ASSERT_EQ(to_test.receive(), 'f');
  settle();
  EXPECT_EQ(drain.retired(), 0U);  // the parent lives
  ASSERT_EQ(segments(), 1U);
  bot.kill();
  settle();
  EXPECT_EQ(drain.retired(), 1U);  // and so does the child, which never published
  EXPECT_EQ(segments(), 0U);
  to_child.send('g');
  EXPECT_EQ(to_test.receive(), 'p');  // it has a Segment of its own now
  settle();
  EXPECT_EQ(drain.retired(), 1U);
  EXPECT_EQ(segments(), 1U);
  to_child.send('e');
  for (int i = 0; i < 1'000 && segments() != 0; ++i) {
    settle();
    ::usleep(1'000);
  }
  EXPECT_EQ(drain.retired(), 2U);
  EXPECT_EQ(drain.ledger().stored, 2U);
  EXPECT_EQ(drain.ledger().residual(), 0);
}

// ── threads ──────────────────────────────────────────────────────────────────────────────────────

TEST_F(Lives, OfTwoHundredThreadsAtOnceEachHaveALaneAndLoseNothing) {
  constexpr std::uint64_t kThreads = 200, kRecords = 100;
  const Telemetry telemetry(options());
  std::atomic<std::uint64_t> ready{0}, published{0}, ended{0};
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      EXPECT_TRUE(telemetry.attach_thread());
      ready.fetch_add(1);
      while (ready.load() != kThreads) std::this_thread::yield();  // all have theirs
      for (std::uint64_t n = 0; n < kRecords;) {
        if (test::say_trade(telemetry) == Published::ok) {
          ++n;
        } else {
          std::this_thread::yield();
        }
      }
      published.fetch_add(kRecords);
      ended.fetch_add(1);
    });
  }
  while (ended.load() != kThreads) drain.work();
  for (auto& thread : threads) thread.join();
  settle();
  const auto segment = open_only_segment(directory.path());
  ASSERT_TRUE(segment) << segment.error().message;
  EXPECT_EQ(segment->lane_count(), kThreads + 1);  // and the constructing thread's
  EXPECT_EQ(drain.ledger().stored, published.load());
  EXPECT_EQ(drain.ledger().residual(), 0);
  EXPECT_EQ(drain.holes(), 0U);
}

TEST_F(Lives, OfAThousandShortThreadsOneAfterAnotherShareOneLane) {
  constexpr std::uint64_t kThreads = 1'000;
  std::optional<Telemetry> telemetry(std::in_place, options());
  for (std::uint64_t i = 0; i < kThreads; ++i) {
    std::thread([&] { EXPECT_EQ(test::say_trade(*telemetry), Published::ok); }).join();
    if (i % 10 == 0) drain.work();  // the Lane is shorter than a thousand
  }
  settle();
  {
    const auto segment = open_only_segment(directory.path());
    ASSERT_TRUE(segment) << segment.error().message;
    EXPECT_EQ(segment->lane_count(), 2U);  // the constructing thread's, and the one they pass on
  }
  EXPECT_EQ(drain.ledger().stored, kThreads);
  EXPECT_EQ(drain.ledger().residual(), 0);
  EXPECT_EQ(drain.holes(), 0U);
  telemetry.reset();
  settle();
  EXPECT_EQ(segments(), 0U);
}

TEST_F(Lives, OfThreadsThatEndInTheMiddleOfALaneGiveItOnWithWhatTheySaid) {
  const Telemetry telemetry(options());
  // Three at once, three times: the second and third three get the Lanes of the first.
  for (int round = 0; round < 3; ++round) {
    std::atomic<int> attached{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        EXPECT_EQ(test::say_health(telemetry), Published::ok);
        attached.fetch_add(1);
        while (attached.load() != 3) std::this_thread::yield();
      });
    }
    for (auto& thread : threads) thread.join();
  }
  const auto segment = open_only_segment(directory.path());
  ASSERT_TRUE(segment) << segment.error().message;
  ASSERT_EQ(segment->lane_count(), 4U);
  for (std::uint32_t lane = 1; lane < 4; ++lane) {
    LaneReader reader = segment->lane(lane, 0);
    RecordCopy copy{};
    for (std::uint64_t ordinal = 0; ordinal < 3; ++ordinal) {
      ASSERT_EQ(reader.read(copy), Peeked::record) << "Lane " << lane;
      EXPECT_EQ(copy.head.ordinal, ordinal);
    }
    EXPECT_EQ(reader.read(copy), Peeked::empty);
  }
}

// ── restarts ─────────────────────────────────────────────────────────────────────────────────────

std::size_t entries_of(const char* directory) {
  const std::filesystem::directory_iterator entries(directory);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}
std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

TEST_F(Lives, OfABotRestartedAThousandTimesLeaveNoSegmentNoMemoryAndNoDescriptor) {
  constexpr int kRestarts = 1'000, kWarmUp = 200;
  constexpr std::size_t kHeapBytesMax = 64 << 10;  // 80 bytes a life: not even its name
  std::size_t heap = 0, descriptors = 0, mapped = 0;
  for (int life = 0; life < kRestarts; ++life) {
    // Every other one ends well; the others are killed with something left to say.
    const int status = test::run_in_child([&] {
      const Telemetry telemetry(options());
      for (int i = 0; i < 5; ++i) test::say_trade(telemetry);
      if (life % 2 == 1) ::raise(SIGKILL);
      return 0;
    });
    ASSERT_EQ(status, life % 2 == 1 ? -SIGKILL : 0);
    settle();
    ASSERT_EQ(segments(), 0U) << "after life " << life;
    ASSERT_TRUE(std::filesystem::is_empty(directory.path()));
    drain.forget();
    if (life == kWarmUp) {
      heap = ::mallinfo2().uordblks;
      descriptors = entries_of("/proc/self/fd");
      mapped = mappings();
    }
  }
  EXPECT_EQ(drain.retired(), static_cast<std::size_t>(kRestarts));
  EXPECT_EQ(drain.ledger().stored, 5U * kRestarts);
  EXPECT_EQ(drain.ledger().residual(), 0);
  EXPECT_LT(::mallinfo2().uordblks, heap + kHeapBytesMax);
  EXPECT_EQ(entries_of("/proc/self/fd"), descriptors);
  EXPECT_LE(mappings(), mapped + 2);
}

TEST_F(Lives, OfATelemetryMadeAThousandTimesInOneProcessLeaveNothingInIt) {
  constexpr int kLives = 1'000, kWarmUp = 200;
  constexpr std::size_t kHeapBytesMax = 64 << 10;
  std::size_t heap = 0, mapped = 0;
  for (int life = 0; life < kLives; ++life) {
    {
      const Telemetry telemetry(options());
      ASSERT_EQ(test::say_trade(telemetry), Published::ok);
      std::thread([&] { EXPECT_EQ(test::say_trade(telemetry), Published::ok); }).join();
    }
    settle();
    ASSERT_EQ(segments(), 0U) << "after life " << life;
    drain.forget();
    if (life == kWarmUp) {
      heap = ::mallinfo2().uordblks;
      mapped = mappings();
    }
  }
  EXPECT_EQ(drain.ledger().stored, 2U * kLives);
  EXPECT_LT(::mallinfo2().uordblks, heap + kHeapBytesMax);
  EXPECT_LE(mappings(), mapped + 2);
}

}  // namespace
}  // namespace ddt
