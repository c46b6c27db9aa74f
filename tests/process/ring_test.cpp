// Threads that publish and a thread that reads, over a real Segment: what the thread sanitizer looks at
// (process.ring_tsan). It knows memory by its address, so the reader looks through the bot's own mapping:
// every access that is not ordered by W1 → R1, R2 → W2 or a count word is then a report.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <ddt/telemetry.hpp>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "shm/segment.hpp"
#include "tests/support/nth_record.hpp"
#include "tests/support/record_kinds.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

constexpr int kThreads = 3;
constexpr std::int64_t kRecords = 4'000;  // laps of a short Lane, for each thread

// The Segment as this process's Telemetry has mapped it.
class OwnMapping {
 public:
  explicit OwnMapping(const std::string& directory) {
    const auto names = segment_names(directory);
    if (names && names->size() == 1) id_ = names->front().substr(kSegmentPrefix.size());
  }
  SegmentHeader* header() const { return reinterpret_cast<SegmentHeader*>(at(0)); }
  // A reader of a Lane that lane_count() counts.
  LaneReader lane(std::uint32_t index) const {
    auto* control = reinterpret_cast<LaneControl*>(at(kLaneTableOffset)) + index;
    return {at(lane_offset(index, kLaneLinesMin)), kLaneLinesMin, control, 0};
  }
  std::uint32_t lane_count() const {
    return header()->lane_count.load(std::memory_order_acquire);  // pairs with claim_lane
  }
  std::string name_at(std::uint16_t index) const {
    if (index >= header()->name_count.load(std::memory_order_acquire)) return "";  // add_name
    NameEntry entry;
    std::memcpy(&entry, at(kNameTableOffset + index * sizeof entry), sizeof entry);
    return {entry.text, entry.bytes};
  }

 private:
  // Where a byte of the file is mapped; nullptr where it is not.
  std::byte* at(std::size_t offset) const {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      unsigned long begin = 0, end = 0, from = 0;
      if (line.find(id_) == std::string::npos ||
          std::sscanf(line.c_str(), "%lx-%lx %*s %lx", &begin, &end, &from) != 3)
        continue;
      if (offset >= from && offset < from + (end - begin))
        return reinterpret_cast<std::byte*>(begin +
                                            (offset - from));  // NOLINT: that is where it is
    }
    return nullptr;
  }
  std::string id_;  // in the name it has, and in the one it was made under
};

class Ring : public testing::Test {
 protected:
  TelemetryOptions options() const {
    return {.profile_id = 7,
            .script_name = "bot",
            .directory = directory.path(),
            .lane_lines = kLaneLinesMin};
  }
  // Reads every Lane of the Segment until all has been said; the number of Lanes with a Record that was
  // not whole.
  std::uint64_t read_until_silence(const std::atomic<int>& speaking) {
    const OwnMapping segment(directory.path());
    struct Lane {
      LaneReader reader;
      test::NthRecordChecker checker;
    };
    std::vector<Lane> lanes;
    std::uint64_t wrong = 0;
    for (bool is_last = false;;) {
      for (auto lane = static_cast<std::uint32_t>(lanes.size()); lane < segment.lane_count();
           ++lane)
        lanes.push_back({segment.lane(lane), {}});
      for (Lane& lane : lanes) {
        if (!lane.checker.read_all(lane.reader)) ++wrong;
        lane.reader.release(lane.reader.next());
      }
      if (is_last || wrong != 0) break;
      is_last = speaking.load() == 0;
      std::this_thread::yield();
    }
    for (const Lane& lane : lanes) read += lane.checker.count();
    return wrong;
  }

  test::TempDirectory directory;
  std::uint64_t read = 0;
};

TEST_F(Ring, OfSeveralThreadsAndTheirReaderHasNoRace) {
  const Telemetry telemetry(options());
  std::atomic<int> speaking{kThreads};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (std::int64_t n = 0; n < kRecords;) {
        if (test::publish_nth(telemetry, n) == Published::ok) {
          ++n;
        } else {
          std::this_thread::yield();
        }
      }
      speaking.fetch_sub(1);
    });
  }
  const std::uint64_t wrong = read_until_silence(speaking);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(read, static_cast<std::uint64_t>(kThreads) * kRecords);
}

// Threads that come and go hand their Lanes on while the reader reads them, and names are added.
TEST_F(Ring, OfThreadsThatComeAndGoHasNoRace) {
  const Telemetry telemetry(options());
  ASSERT_TRUE(telemetry.is_attached()) << telemetry.status_text();
  std::atomic<int> speaking{1};
  std::atomic<int> published{0};
  std::thread parent([&] {
    for (int round = 0; round < 20; ++round) {
      std::vector<std::thread> threads;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, round] {
          const NameId name = telemetry.name("round " + std::to_string(round));
          if (telemetry.publish(Latency{.endpoint = name, .duration_ns = round}) == Published::ok)
            published.fetch_add(1);
        });
      }
      for (auto& thread : threads) thread.join();
    }
    speaking.store(0);
  });
  const OwnMapping segment(directory.path());
  std::map<std::uint32_t, LaneReader> lanes;
  int found = 0, wrong = 0;
  RecordCopy copy{};
  for (bool is_last = false;;) {
    for (std::uint32_t lane = 0; lane < segment.lane_count(); ++lane) {
      LaneReader& reader = lanes.try_emplace(lane, segment.lane(lane)).first->second;
      while (reader.read(copy) == Peeked::record) {
        LatencyBody body;
        std::memcpy(&body, copy.payload.data(), sizeof body);
        ++found;
        if (segment.name_at(body.endpoint) != "round " + std::to_string(body.duration_ns)) ++wrong;
      }
      reader.release(reader.next());
    }
    if (is_last) break;
    is_last = speaking.load() == 0;
  }
  parent.join();
  EXPECT_EQ(found, published.load());
  EXPECT_EQ(found, 20 * kThreads);
  EXPECT_EQ(wrong, 0);
}

// A sidecar's looks at the counters while they are counted.
TEST_F(Ring, OfRefusalsAndTheirReaderHasNoRace) {
  const Telemetry telemetry(options());
  std::atomic<bool> is_over{false};
  std::thread bot([&] {
    for (int i = 0; i < 5'000; ++i) {
      test::say_latency(telemetry);
      telemetry.publish(Latency{.duration_ns = -1});
    }
    is_over.store(true);
  });
  const OwnMapping segment(directory.path());
  while (segment.lane_count() < 2) std::this_thread::yield();  // the bot thread's
  const LaneReader lane = segment.lane(1);
  std::uint64_t refused = 0;
  bool went_back = false;
  while (!is_over.load()) {
    const LaneCounters now = lane.counters();
    went_back = went_back || now.refused < refused;
    refused = now.refused;
  }
  bot.join();
  EXPECT_FALSE(went_back);
  EXPECT_EQ(lane.counters().refused, 5'000U);
  EXPECT_EQ(lane.counters().dropped[0], 5'000U - kLaneLinesMin / 2);
}

}  // namespace
}  // namespace ddt
