// A bot that forks: every process has a Segment of its own, and nobody holds a dead one's lock.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <ddt/telemetry.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "shm/segment.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temp_directory.hpp"

extern char** environ;

namespace ddt {
namespace {

using test::ChildProcess;
using test::Pipe;
using test::TempDirectory;

class Fork : public testing::Test {
 protected:
  TelemetryOptions options() const {
    return {.profile_id = 7, .script_name = "order_monitor", .directory = directory.path()};
  }
  std::vector<SegmentReader> segments() const {
    std::vector<SegmentReader> found;
    const auto names = segment_names(directory.path());
    if (!names) return found;
    for (const std::string& name : *names) {
      auto segment = SegmentReader::open(directory.path(), name);
      if (segment) found.push_back(std::move(*segment));
    }
    return found;
  }
  // The Segment of a process; none when it has none.
  std::optional<SegmentReader> segment_of(pid_t pid) const {
    for (SegmentReader& segment : segments()) {
      if (segment.owner_pid() == static_cast<std::uint32_t>(pid)) return std::move(segment);
    }
    return std::nullopt;
  }
  static std::vector<std::int64_t> durations_in(const SegmentReader& segment, std::uint32_t lane) {
    std::vector<std::int64_t> durations;
    LaneReader reader = segment.lane(lane, 0);
    RecordCopy copy{};
    while (reader.read(copy) == Peeked::record) {
      std::int64_t duration;
      std::memcpy(&duration, copy.payload.data(), sizeof duration);
      durations.push_back(duration);
    }
    return durations;
  }

  TempDirectory directory;
};

TEST_F(Fork, GivesTheChildASegmentOfItsOwnOnItsFirstPublish) {
  const Telemetry telemetry(options());
  const NameId endpoint = telemetry.name("POST /v2/orders");
  ASSERT_EQ(telemetry.publish(Latency{.endpoint = endpoint, .duration_ns = 1}), Published::ok);
  Pipe to_child, to_parent;
  ChildProcess child([&] {
    if (telemetry.is_attached()) return 1;
    to_parent.send('f');
    to_child.receive();
    if (telemetry.publish(Latency{.endpoint = endpoint, .duration_ns = 2}) != Published::ok)
      return 2;
    to_parent.send(telemetry.is_attached() ? 'p' : 'x');
    for (;;) ::pause();
  });
  ASSERT_EQ(to_parent.receive(), 'f');
  EXPECT_EQ(segments().size(), 1U);  // not before it has something to say
  to_child.send('g');
  ASSERT_EQ(to_parent.receive(), 'p');
  ASSERT_EQ(telemetry.publish(Latency{.endpoint = endpoint, .duration_ns = 3}), Published::ok);

  auto parents = segment_of(::getpid());
  auto childs = segment_of(child.pid());
  ASSERT_TRUE(parents && childs);
  EXPECT_EQ(durations_in(*parents, 0), (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(durations_in(*childs, 0), (std::vector<std::int64_t>{2}));
  EXPECT_EQ(childs->name_at(endpoint), "POST /v2/orders");  // ids from before the fork hold
  EXPECT_EQ(childs->script_name(), "order_monitor");
  EXPECT_EQ(childs->profile_id(), 7);
  EXPECT_EQ(parents->owner_lock(), LockState::held);
  EXPECT_EQ(childs->owner_lock(), LockState::held);
  child.kill();
  EXPECT_EQ(childs->owner_lock(), LockState::free);
  EXPECT_EQ(parents->owner_lock(), LockState::held);
}

TEST_F(Fork, FreesTheParentsLockWhenTheParentDiesAlthoughTheChildLives) {
  Pipe to_child, to_test;
  pid_t grandchild = -1;
  ChildProcess bot([&] {
    const Telemetry telemetry(options());
    telemetry.publish(Latency{.duration_ns = 1});
    grandchild = ::fork();
    if (grandchild == 0) {
      ::alarm(60);  // whatever becomes of the test
      to_test.send('f');
      to_child.receive();  // lives on after its parent
      to_test.send(telemetry.publish(Latency{.duration_ns = 2}) == Published::ok ? 'p' : 'x');
      to_child.receive();
      ::_exit(0);
    }
    for (;;) ::pause();
    return 0;
  });
  ASSERT_EQ(to_test.receive(), 'f');
  auto parents = segment_of(bot.pid());
  ASSERT_TRUE(parents);
  EXPECT_EQ(parents->owner_lock(), LockState::held);
  bot.kill();
  EXPECT_EQ(parents->owner_lock(), LockState::free);
  EXPECT_EQ(durations_in(*parents, 0), (std::vector<std::int64_t>{1}));
  to_child.send('g');
  EXPECT_EQ(to_test.receive(), 'p');
  const auto all = segments();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(std::count_if(all.begin(), all.end(),
                          [](const auto& s) { return s.owner_lock() == LockState::held; }),
            1);
  EXPECT_EQ(parents->owner_lock(), LockState::free);
  to_child.send('e');
}

TEST_F(Fork, LeavesNoLockWithAProgramThatWasExecuted) {
  Pipe to_test;
  ChildProcess bot([&] {
    const Telemetry telemetry(options());
    telemetry.publish(Latency{});
    int gone[2];  // closed by the execution, and only then
    if (::pipe2(gone, O_CLOEXEC) != 0) return 1;
    const pid_t executed = ::fork();
    if (executed == 0) {
      ::execlp("sleep", "sleep", "60", nullptr);
      ::_exit(127);
    }
    char program[] = "sleep", seconds[] = "60";
    char* const arguments[] = {program, seconds, nullptr};
    pid_t spawned = -1;
    if (::posix_spawnp(&spawned, "sleep", nullptr, nullptr, arguments, environ) != 0) return 1;
    ::close(gone[1]);
    char none;
    if (::read(gone[0], &none, 1) != 0) return 2;
    std::string pids = std::to_string(executed) + " " + std::to_string(spawned) + "\n";
    for (const char c : pids) to_test.send(c);
    for (;;) ::pause();
    return 0;
  });
  std::string pids;
  for (char c = to_test.receive(); c != '\n' && c != '\0'; c = to_test.receive()) pids += c;
  pid_t executed = -1, spawned = -1;
  ASSERT_EQ(std::sscanf(pids.c_str(), "%d %d", &executed, &spawned), 2);
  auto segment = segment_of(bot.pid());
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->owner_lock(), LockState::held);
  bot.kill();
  EXPECT_EQ(segment->owner_lock(), LockState::free);
  EXPECT_EQ(::kill(executed, 0), 0);  // they live on, and hold nothing
  EXPECT_EQ(::kill(spawned, 0), 0);
  ::kill(executed, SIGKILL);
  ::kill(spawned, SIGKILL);
}

TEST_F(Fork, DisturbsNeitherTheParentsThreadsNorTheirLanes) {
  const Telemetry telemetry(options());
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> published{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!done.load()) {
        if (telemetry.publish(Latency{}) == Published::ok) published.fetch_add(1);
        std::thread([&] { telemetry.attach_thread(); }).join();  // Lanes come and go meanwhile
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(test::run_in_child([&] {
                if (telemetry.publish(Latency{}) != Published::ok) return 1;
                return telemetry.publish(Latency{}) == Published::ok ? 0 : 2;
              }),
              0);
  }
  done.store(true);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(segments().size(), 101U);
  std::uint64_t found = 0;
  const auto mine = segment_of(::getpid());
  ASSERT_TRUE(mine);
  for (std::uint32_t lane = 0; lane < mine->lane_count(); ++lane) {
    LaneReader reader = mine->lane(lane, 0);
    RecordCopy copy{};
    std::uint64_t ordinal = 0;
    while (reader.read(copy) == Peeked::record) EXPECT_EQ(copy.head.ordinal, ordinal++);
    found += ordinal;
  }
  EXPECT_EQ(found, published.load());
}

TEST_F(Fork, GivesAGrandchildOneToo) {
  const Telemetry telemetry(options());
  const int code = test::run_in_child([&] {
    return test::run_in_child(
        [&] { return telemetry.publish(Latency{.duration_ns = 5}) == Published::ok ? 0 : 1; });
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(segments().size(), 2U);  // the one in between had nothing to say
}

TEST_F(Fork, IsNothingToATelemetryThatIsDetachedOrDisabled) {
  const Telemetry disabled({.enabled = false});
  const Telemetry detached({.profile_id = 7, .script_name = "x", .directory = "/proc/none"});
  EXPECT_EQ(test::run_in_child([&] {
              if (disabled.publish(Latency{}) != Published::detached) return 1;
              return detached.publish(Latency{}) == Published::detached ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace ddt
