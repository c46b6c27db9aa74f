// ddt-top's looks and dumps at Segments of real bots: alive, killed, stuck, scribbled over, truncated.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ddt/telemetry.hpp>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "shm/segment.hpp"
#include "sidecar/drain/decode.hpp"
#include "sidecar/top/fields.hpp"
#include "sidecar/top/lane_dump.hpp"
#include "sidecar/top/sampler.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt::top {
namespace {

constexpr std::uint32_t kLines = 256;

int scribbles() {
  const char* text = std::getenv("DDT_TOP_SCRIBBLES");
  return text != nullptr ? std::atoi(text) : 8'000;
}

TelemetryOptions bot(const std::string& directory, std::int32_t profile_id = 7) {
  return {.profile_id = profile_id,
          .script_name = "order_monitor",
          .directory = directory,
          .lane_lines = kLines};
}

Published say_metric(const Telemetry& telemetry, std::int64_t n) {
  return telemetry.publish(Metric{.name = 0, .value_e8 = n});
}

Published say_trade(const Telemetry& telemetry, std::int64_t n) {
  return telemetry.publish(Trade{.symbol = "SPY",
                                 .trade_type = "breakout",
                                 .side = "buy",
                                 .quantity_e8 = n,
                                 .entry_price_e8 = n,
                                 .exit_price_e8 = n,
                                 .entry_time_ns = n,
                                 .exit_time_ns = n,
                                 .exit_reason = "eod",
                                 .metadata = R"({"a":"bcdefghijklmnopqrstuvwxyz"})"});
}

const SegmentSample& only(const DirectorySample& look) {
  EXPECT_EQ(look.segments.size(), 1U);
  return look.segments.at(0);
}

SegmentReader open_shared(const std::string& directory) {
  return std::move(*SegmentReader::open(directory, segment_names(directory)->at(0)));
}

// A dump of Lane 0.
struct Dumped {
  std::vector<RecordCopy> records;
  Stop stop;
  LaneState state;
};
Dumped dump(const std::string& directory, const std::string& name) {
  Dumped dumped;
  auto segment = SegmentReader::open(directory, name, Access::copy);
  if (!segment) {
    dumped.stop.text = segment.error().message;
    return dumped;
  }
  LaneDump lane(segment->descriptor(), 0, segment->lane_lines());
  if (!lane.copy(dumped.state)) dumped.stop.text = "no control block";
  dumped.stop = lane.read([&](const RecordCopy& record) {
    sidecar::DecodeCounts counts;
    const auto decoded = sidecar::decode(record, *segment, counts);
    if (const auto* event = std::get_if<model::Event>(&decoded)) (void)readable(fields_of(*event));
    dumped.records.push_back(record);
  });
  return dumped;
}

TEST(TopLook, FindsWhatABotHasSaid) {
  const test::TempDirectory directory;
  const Telemetry telemetry(bot(directory.path()));
  Sampler sampler(directory.path());
  {
    const SegmentSample segment = only(sampler.look());
    EXPECT_EQ(segment.problem, "");
    EXPECT_EQ(segment.owner, LockState::held);
    EXPECT_EQ(segment.owner_pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(segment.owner_uid, ::geteuid());
    EXPECT_EQ(segment.profile_id, 7);
    EXPECT_EQ(segment.script_name, "order_monitor");
    ASSERT_EQ(segment.lanes.size(), 1U);
    EXPECT_EQ(segment.lanes[0].position, 0U);
    EXPECT_EQ(segment.lanes[0].produced, 0U);
  }
  for (std::int64_t n = 0; n < 10; ++n) ASSERT_EQ(say_metric(telemetry, n), Published::ok);
  EXPECT_EQ(only(sampler.look()).lanes[0].position, 10U);
  for (std::int64_t n = 0; n < 5; ++n) ASSERT_EQ(say_trade(telemetry, n), Published::ok);
  const LaneSample lane = only(sampler.look()).lanes[0];
  EXPECT_EQ(lane.produced, 15U);
  EXPECT_EQ(lane.suspicion, "");
  EXPECT_EQ(lane.position, dump(directory.path(), only(sampler.look()).name).stop.position);
}

TEST(TopLook, CountsDropsByClassAndWhatWasRefused) {
  const test::TempDirectory directory;
  const Telemetry telemetry(bot(directory.path()));
  int samples = 0, states = 0, facts = 0;
  for (std::int64_t n = 0; n < kLines; ++n) samples += say_metric(telemetry, n) == Published::full;
  for (int n = 0; n < static_cast<int>(kLines); ++n)
    states += telemetry.publish(RateLimit{.remaining = n, .limit = n}) == Published::full;
  for (std::int64_t n = 0; n < kLines; ++n) facts += say_trade(telemetry, n) == Published::full;
  EXPECT_EQ(telemetry.publish(Metric{.name = 0, .value_e8 = kInvalidE8}), Published::invalid);
  ASSERT_GT(std::min({samples, states, facts}), 0);
  const LaneSample lane = only(Sampler(directory.path()).look()).lanes[0];
  EXPECT_EQ(lane.dropped, (std::array<std::uint64_t, 3>{static_cast<std::uint64_t>(samples),
                                                        static_cast<std::uint64_t>(states),
                                                        static_cast<std::uint64_t>(facts)}));
  EXPECT_EQ(lane.refused, 1U);
  EXPECT_EQ(lane.produced, 3 * kLines + 1U);
  EXPECT_GT(lane.position, kLines - 8);
}

TEST(TopLook, FollowsABotThatGoesRoundItsLane) {
  const test::TempDirectory directory;
  const Telemetry telemetry(bot(directory.path()));
  SegmentReader consumer = open_shared(directory.path());
  LaneReader lane = consumer.lane(0, 0);
  const auto copy = std::make_unique<RecordCopy>();
  Sampler sampler(directory.path());
  std::mt19937 random(7);
  std::uint64_t said = 0;
  for (int round = 0; round < 300; ++round) {
    const auto many = std::uniform_int_distribution<int>(0, 40)(random);
    for (int n = 0; n < many; ++n) {
      const Published published = n % 2 == 0 ? say_metric(telemetry, n) : say_trade(telemetry, n);
      said += published == Published::ok || published == Published::full ? 1 : 0;
    }
    while (lane.read(*copy) == Peeked::record) {
    }
    const LaneSample seen = only(sampler.look()).lanes[0];
    ASSERT_EQ(seen.position, lane.next()) << "round " << round;
    ASSERT_EQ(seen.produced, said) << "round " << round;
    ASSERT_EQ(seen.suspicion, "");
    if (round % 3 == 0) lane.release(lane.next());
  }
  EXPECT_GT(lane.next(), 8 * kLines) << "that was no lap";
}

// While a bot publishes as fast as it can and a consumer gives back at once.
TEST(TopLook, IsNeverFooledByABotInFullFlight) {
  const test::TempDirectory directory;
  const test::Pipe started;
  test::ChildProcess child([&] {
    const Telemetry telemetry(bot(directory.path()));
    started.send('s');
    for (std::int64_t n = 0;; ++n)
      (void)(n % 3 == 0 ? say_trade(telemetry, n) : say_metric(telemetry, n));
    return 0;
  });
  ASSERT_EQ(started.receive(), 's');
  SegmentReader consumer = open_shared(directory.path());
  std::atomic<bool> is_over{false};
  std::thread drain([&] {
    LaneReader lane = consumer.lane(0, 0);
    const auto copy = std::make_unique<RecordCopy>();
    while (!is_over) {
      while (lane.read(*copy) == Peeked::record) {
      }
      lane.release(lane.next());
      std::this_thread::yield();  // the bot is to have its turn on a busy machine
    }
  });
  Sampler sampler(directory.path());
  std::uint64_t last_position = 0, last_produced = 0, known = 0;
  for (int i = 0; i < 2'000; ++i) {
    const LaneSample lane = only(sampler.look()).lanes.at(0);
    EXPECT_EQ(lane.suspicion, "");
    EXPECT_GE(lane.position + kRecordLinesMax, last_position) << "positions only grow";
    last_position = lane.position;
    if (!lane.produced) continue;
    EXPECT_GE(*lane.produced, last_produced) << "so do Records";
    last_produced = *lane.produced;
    ++known;
  }
  is_over = true;
  drain.join();
  EXPECT_GT(known, 1'000U);
  EXPECT_GT(last_position, kLines);
}

TEST(TopLook, TellsAKilledBotFromAStuckOne) {
  const test::TempDirectory directory;
  const test::Pipe said;
  test::ChildProcess child([&] {
    const Telemetry telemetry(bot(directory.path()));
    for (std::int64_t n = 0; n < 20; ++n) (void)say_trade(telemetry, n);
    said.send('s');
    ::pause();
    return 0;
  });
  ASSERT_EQ(said.receive(), 's');
  ASSERT_EQ(::kill(child.pid(), SIGSTOP), 0);
  Sampler sampler(directory.path());
  const SegmentSample stuck = only(sampler.look());
  EXPECT_EQ(stuck.owner, LockState::held) << "stuck is not gone";
  EXPECT_EQ(stuck.lanes[0].produced, 20U);
  EXPECT_EQ(dump(directory.path(), stuck.name).records.size(), 20U);
  child.kill();
  const SegmentSample gone = only(sampler.look());
  EXPECT_EQ(gone.owner, LockState::free);
  const Dumped dumped = dump(directory.path(), gone.name);
  EXPECT_EQ(dumped.records.size(), 20U);
  EXPECT_EQ(dumped.stop.reason, StopReason::end);
}

TEST(TopDump, BeginsWhereTheLaneWasReleased) {
  const test::TempDirectory directory;
  const Telemetry telemetry(bot(directory.path()));
  for (std::int64_t n = 0; n < 10; ++n) (void)say_metric(telemetry, n);
  SegmentReader consumer = open_shared(directory.path());
  consumer.lane(0, 0).release(4);
  const Dumped dumped = dump(directory.path(), consumer.name());
  ASSERT_EQ(dumped.records.size(), 6U);
  EXPECT_EQ(dumped.records[0].position, 4U);
  EXPECT_EQ(dumped.stop.position, 10U);
  EXPECT_EQ(dumped.stop.reason, StopReason::end);
}

TEST(TopDump, SaysWhereAndWhyItStops) {
  const test::TempDirectory directory;
  const Telemetry telemetry(bot(directory.path()));
  for (std::int64_t n = 0; n < 10; ++n) (void)say_metric(telemetry, n);
  SegmentReader consumer = open_shared(directory.path());
  auto* lines = const_cast<std::byte*>(consumer.begin()) + lane_offset(0, kLines);
  const auto set_word = [&](std::uint64_t position, std::uint64_t word) {
    std::memcpy(lines + position % kLines * kLineBytes, &word, sizeof word);
  };
  // A bot killed between the later lines of a Record and its first.
  set_word(11, 12);
  set_word(12, 13);
  Dumped dumped = dump(directory.path(), consumer.name());
  EXPECT_EQ(dumped.records.size(), 10U);
  EXPECT_EQ(dumped.stop.reason, StopReason::unfinished) << dumped.stop.text;
  EXPECT_EQ(dumped.stop.position, 10U);
  LaneSample seen = only(Sampler(directory.path()).look()).lanes[0];
  EXPECT_EQ(seen.position, 10U) << "lines of an unfinished Record are not published";
  EXPECT_EQ(seen.produced, 10U);
  EXPECT_EQ(seen.suspicion, "");
  set_word(10, 4'711);
  dumped = dump(directory.path(), consumer.name());
  EXPECT_EQ(dumped.stop.reason, StopReason::corrupt) << dumped.stop.text;
  EXPECT_EQ(dumped.stop.position, 10U);
  seen = only(Sampler(directory.path()).look()).lanes[0];
  EXPECT_EQ(seen.suspicion, "impossible sequence at position 10");
  lines[5 * kLineBytes + offsetof(RecordHead, lines)] =
      std::byte{3};  // of one line, it claims four
  dumped = dump(directory.path(), consumer.name());
  EXPECT_EQ(dumped.records.size(), 7U) << "0 to 4, 5 to 8 as one, 9";
  lines[5 * kLineBytes + offsetof(RecordHead, lines)] = std::byte{0x3f};
  dumped = dump(directory.path(), consumer.name());
  EXPECT_EQ(dumped.records.size(), 5U);
  EXPECT_EQ(dumped.stop.reason, StopReason::corrupt);
  EXPECT_EQ(dumped.stop.position, 5U);
}

TEST(TopDump, OfAFullLaneSaysSo) {
  const test::TempDirectory directory;
  const Telemetry telemetry(bot(directory.path()));
  while (telemetry.publish(ErrorReport{}) == Published::ok) {
  }
  const Dumped dumped = dump(directory.path(), segment_names(directory.path())->at(0));
  EXPECT_EQ(dumped.stop.reason, StopReason::full);
  EXPECT_EQ(dumped.stop.position, kLines);
}

TEST(Top, SurvivesATruncatedSegment) {
  const test::TempDirectory directory;
  const test::Pipe said;
  test::ChildProcess child([&] {
    const Telemetry telemetry(bot(directory.path()));
    for (std::int64_t n = 0; n < 100; ++n) (void)say_metric(telemetry, n);
    said.send('s');
    ::pause();
    return 0;
  });
  ASSERT_EQ(said.receive(), 's');
  Sampler sampler(directory.path());
  const std::string name = only(sampler.look()).name;
  auto opened = SegmentReader::open(directory.path(), name, Access::copy);
  ASSERT_TRUE(opened);
  for (const off_t size :
       {off_t{kLanesOffset + 3 * 64 + 5}, off_t{kLaneTableOffset + 64}, off_t{0}}) {
    ASSERT_EQ(::truncate((directory / name).c_str(), size), 0);
    EXPECT_EQ(only(sampler.look()).problem, "truncated") << size;
    EXPECT_FALSE(SegmentReader::open(directory.path(), name, Access::copy));
    // Opened while it was whole, read when it is not.
    LaneDump lane(opened->descriptor(), 0, kLines);
    LaneState state;
    if (lane.copy(state)) {
      EXPECT_EQ(lane.read([](const RecordCopy&) {}).reason, StopReason::truncated);
    }
  }
}

TEST(Top, LeavesOthersAloneWhenOneCannotBeRead) {
  const test::TempDirectory directory;
  const Telemetry telemetry(bot(directory.path()));
  (void)say_metric(telemetry, 1);
  std::ofstream(directory / "seg-junk") << "junk";
  ASSERT_EQ(::mkfifo((directory / "seg-fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("/etc/passwd", (directory / "seg-link").c_str()), 0);
  std::filesystem::create_directory(directory / "seg-directory");
  std::ofstream(directory / "unrelated") << "junk";
  const DirectorySample look = Sampler(directory.path()).look();
  ASSERT_EQ(look.segments.size(), 5U);
  int readable = 0;
  for (const SegmentSample& segment : look.segments) readable += segment.problem.empty() ? 1 : 0;
  EXPECT_EQ(readable, 1);
}

TEST(Top, SurvivesAnyBytes) {
  const test::TempDirectory directory;
  std::string name;
  {
    const Telemetry telemetry(bot(directory.path()));
    for (std::int64_t n = 0; n < 60; ++n)
      (void)(n % 2 == 0 ? say_metric(telemetry, n) : say_trade(telemetry, n));
    name = segment_names(directory.path())->at(0);
  }
  const FileDescriptor file(::open((directory / name).c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(file);
  std::vector<char> sane(lane_offset(1, kLines));
  ASSERT_EQ(::pread(file.get(), sane.data(), sane.size(), 0), static_cast<ssize_t>(sane.size()));
  std::mt19937_64 random(42);
  Sampler sampler(directory.path());
  std::size_t dumped_records = 0, readable_looks = 0;
  for (int round = 0; round < scribbles(); ++round) {
    // Header, tables and lines, each as often: small numbers, large ones and bytes.
    static constexpr std::size_t kStarts[] = {0, kNameTableOffset, kLaneTableOffset, kLanesOffset};
    static constexpr std::size_t kSpans[] = {128, 256, 128, 64 * 200};
    const std::size_t region = random() % 4;
    const std::size_t at = kStarts[region] + random() % kSpans[region];
    const std::uint64_t word = random() >> (random() % 64);
    const std::size_t bytes = 1 + random() % 8;
    ASSERT_EQ(::pwrite(file.get(), &word, bytes, static_cast<off_t>(at)),
              static_cast<ssize_t>(bytes));
    const DirectorySample look = sampler.look();
    readable_looks += only(look).problem.empty() ? 1 : 0;
    const Dumped dumped = dump(directory.path(), name);
    dumped_records += dumped.records.size();
    ASSERT_LE(dumped.records.size(), kLines);
    if (round % 4 == 3) {
      ASSERT_EQ(::pwrite(file.get(), sane.data(), sane.size(), 0),
                static_cast<ssize_t>(sane.size()));
    }
  }
  EXPECT_GT(dumped_records, 0U);
  EXPECT_GT(readable_looks, 0U);
}

}  // namespace
}  // namespace ddt::top
