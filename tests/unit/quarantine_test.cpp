// Segments that lie: only they are hurt, what they said before is stored, their account adds up, and they go.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <ddt/telemetry.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shm/base/clock.hpp"
#include "sidecar/drain/drain.hpp"
#include "tests/support/hostile_segment.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::uint32_t kLines = kLaneLinesMin;

class Quarantine : public ::testing::Test {
 protected:
  Quarantine() {
    spdlog::set_level(spdlog::level::off);
    config_.directory = directory_.path();
    config_.round_interval_ns = config_.scan_interval_ns = config_.flush_interval_ns = 0;
    good_.emplace(options(1));
    bad_.emplace(options(2));
    drain_.emplace(config_, std::map<model::LaneName, StartPosition>{}, batches_, exchange_);
    turn();
    const auto names = segment_names(config_.directory);
    for (const std::string& name : *names) {
      auto opened = SegmentReader::open(config_.directory, name);
      if (opened && opened->profile_id() == 2) bad_name_ = name;
    }
    hand_.emplace(config_.directory + "/" + bad_name_, kLines);
  }
  ~Quarantine() override { spdlog::set_level(spdlog::level::info); }

  TelemetryOptions options(std::int32_t profile_id) const {
    return {.profile_id = profile_id,
            .script_name = "order_monitor",
            .directory = config_.directory,
            .lane_lines = kLines};
  }
  static void publish(const Telemetry& bot, int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_EQ(bot.publish(Latency{.duration_ns = 1'000, .outcome = 200}), Published::ok);
  }
  // One turn of the drain, and MySQL has all of it.
  void turn() {
    now_ns_ += 1'000'000'000;
    exchange_.mysql_committed_at_ns = now_ns_;
    drain_->work(now_ns_);
    while (auto batch = batches_.pop()) {
      for (const model::Block& block : batch->blocks) {
        stored_[block.profile_id] +=
            block.samples + block.states + block.facts + block.rejected.size();
        exchange_.committed.put({.lane = block.lane, .position = block.to, .counts = block.counts});
      }
      batches_.done(*batch);
    }
    for (Retirement& retirement : exchange_.retirements.take())
      exchange_.retired.put(std::move(retirement));
  }
  std::optional<LaneView> view_of(std::int32_t profile_id) {
    const auto views = exchange_.views();
    for (const LaneView& view : *views) {
      if (view.profile_id == profile_id) return view;
    }
    return std::nullopt;
  }
  std::string reason() { return view_of(2) ? view_of(2)->quarantine_reason : "not shown"; }

  // Does it, and looks at what DESIGN promises: the reason is shown, the others go on, nothing that was read is
  // lost, the account adds up, and the Segment goes with its owner.
  void expect_quarantined(const std::string& why, const std::function<void()>& harm) {
    publish(*good_, 10);
    publish(*bad_, 10);
    turn();
    harm();
    publish(*good_, 20);
    turn();
    turn();
    EXPECT_NE(reason().find(why), std::string::npos) << reason();
    EXPECT_EQ(view_of(1)->quarantine_reason, "");
    EXPECT_EQ(stored_[1], 30U);
    EXPECT_GE(stored_[2], 10U);
    const LaneView view = *view_of(2);
    EXPECT_EQ(view.published, stored_[2]);
    EXPECT_EQ(view.script_name, "order_monitor") << "whose it was";
    EXPECT_EQ(view.produced, view.published + view.counts.dropped_samples +
                                 view.counts.dropped_states + view.counts.dropped_facts +
                                 view.counts.refused);
    bad_.reset();
    for (int i = 0; i < 4; ++i) turn();
    EXPECT_EQ(segment_names(config_.directory)->size(), 1U) << "its memory goes with its owner";
    publish(*good_, 5);
    turn();
    EXPECT_EQ(stored_[1], 35U);
  }
  void expect_untroubled() {
    turn();
    turn();
    EXPECT_EQ(reason(), "");
  }
  std::uint64_t bad_position() { return view_of(2)->published; }  // Records of one line

  test::TempDirectory directory_;
  DrainConfig config_;
  BatchQueue batches_{64U << 20};
  Exchange exchange_;
  std::optional<Telemetry> good_, bad_;
  std::optional<Drain> drain_;
  std::optional<test::HostileHand> hand_;
  std::string bad_name_;
  std::int64_t now_ns_ = monotonic_ns();
  std::map<std::int32_t, std::uint64_t> stored_;
};

TEST_F(Quarantine, OfASegmentCutToNothing) {
  expect_quarantined("truncated", [&] { ASSERT_TRUE(hand_->truncate(0)); });
}
TEST_F(Quarantine, OfASegmentCutBehindItsHeader) {
  expect_quarantined("truncated", [&] { ASSERT_TRUE(hand_->truncate(kLanesOffset)); });
}
TEST_F(Quarantine, OfASegmentCutInsideItsHeader) {
  expect_quarantined("truncated", [&] { ASSERT_TRUE(hand_->truncate(100)); });
}
TEST_F(Quarantine, OfASegmentCutAndGrownAgain) {
  expect_quarantined("truncated", [&] {
    ASSERT_TRUE(hand_->truncate(kLanesOffset));
    ASSERT_TRUE(hand_->truncate(segment_bytes(kLines)));
  });
}
TEST_F(Quarantine, OfASegmentWhoseHeaderIsWrittenOver) {
  expect_quarantined("header", [&] { hand_->write(0, std::uint64_t{0}); });
}
TEST_F(Quarantine, OfALaneWithAnImpossibleSequence) {
  expect_quarantined("sequence",
                     [&] { hand_->write(hand_->line(0, bad_position()), std::uint64_t{77'777}); });
}
TEST_F(Quarantine, OfALaneWithAnImpossibleLength) {
  expect_quarantined("length", [&] {
    const std::size_t line = hand_->line(0, bad_position());
    hand_->write(line + offsetof(RecordHead, lines), std::uint8_t{63});
    hand_->write(line, bad_position() + 1);
  });
}
TEST_F(Quarantine, OfALaneWhoseOrdinalsJump) {
  expect_quarantined("ordinal", [&] {
    publish(*bad_, 1);
    hand_->write(hand_->line(0, bad_position()) + offsetof(RecordHead, ordinal),
                 std::uint64_t{1} << 40U);
  });
}
TEST_F(Quarantine, OfALaneWhoseRecordsTellOfRefusalsThatWereNot) {
  expect_quarantined("say more", [&] {
    publish(*bad_, 1);
    const std::size_t line = hand_->line(0, bad_position());
    hand_->write(line + offsetof(RecordHead, ordinal), bad_position() + 5);
    hand_->write(line + offsetof(RecordHead, refused), std::uint64_t{5});
  });
}
TEST_F(Quarantine, OfALaneWhoseDropCountsAreWrittenOver) {
  expect_quarantined("drop counts", [&] {
    hand_->write(hand_->control(0) + offsetof(LaneControl, dropped), ~std::uint64_t{0});
  });
}
TEST_F(Quarantine, OfALaneWhoseDropCountsGrowWithoutItsRecords) {
  expect_quarantined("say less", [&] {
    hand_->write(hand_->control(0) + offsetof(LaneControl, dropped), std::uint64_t{3});
    turn();
    publish(*bad_, 1);
  });
}
TEST_F(Quarantine, OfALaneWhoseDropCountsGoBack) {
  for (int i = 0; i < 70; ++i) bad_->publish(Latency{.duration_ns = 1, .outcome = 200});
  turn();
  stored_.clear();
  drain_.reset();  // a fresh one, so that the counts above are what it begins with
  drain_.emplace(config_, std::map<model::LaneName, StartPosition>{}, batches_, exchange_);
  turn();
  ASSERT_GT(view_of(2)->counts.dropped_samples, 0U);
  hand_->write(hand_->control(0) + offsetof(LaneControl, dropped), std::uint64_t{0});
  turn();
  EXPECT_EQ(reason(), "its drop counts are impossible");
}
TEST_F(Quarantine, OfALaneThatIsEmptyWhereRecordsWere) {
  expect_quarantined("empty", [&] {
    hand_->write(hand_->control(0) + offsetof(LaneControl, ordinals), std::uint64_t{100'000});
  });
}
TEST_F(Quarantine, OfALaneWhoseReleasedIsWrittenOver) {
  expect_quarantined("released", [&] {
    turn();  // what is to be given back is: else it is only put right
    hand_->write(hand_->control(0) + offsetof(LaneControl, released), ~std::uint64_t{0});
  });
}

// A drain that starts on what the bot has written where its predecessor's position was.
TEST_F(Quarantine, OfALaneThatCannotBeginWhereItsReleasedSays) {
  publish(*bad_, 10);
  turn();
  for (const std::uint64_t lie :
       {~std::uint64_t{0}, std::uint64_t{1} << 59U, std::uint64_t{5'000}}) {
    drain_.reset();
    hand_->write(hand_->control(0) + offsetof(LaneControl, released), lie);
    const auto id = segment_id_of(bad_name_);
    const StartPosition start{.acknowledged = 10, .committed = 10, .committed_published = 10};
    drain_.emplace(
        config_, std::map<model::LaneName, StartPosition>{{{.segment_id = *id, .lane = 0}, start}},
        batches_, exchange_);
    turn();
    EXPECT_EQ(reason(), "its released position is impossible") << lie;
    EXPECT_EQ(view_of(2)->occupied_lines, 0U);
  }
}

// Claims that cost nothing are believed no further than they go.
TEST_F(Quarantine, IsNotForCountsOfLanesAndNamesBeyondTheTable) {
  publish(*bad_, 3);
  hand_->write(offsetof(SegmentHeader, lane_count), ~std::uint32_t{0});
  hand_->write(offsetof(SegmentHeader, name_count), ~std::uint32_t{0});
  hand_->write(offsetof(SegmentHeader, calibration_count), ~std::uint32_t{0});
  expect_untroubled();
  EXPECT_EQ(stored_[2], 3U);
}

// A fill reads again what the bot can still write: what it cannot believe is lost, and the account stays exact.
TEST_F(Quarantine, OfALaneThatWasChangedBeforeItsFill) {
  publish(*bad_, 20);
  now_ns_ += 1'000'000'000;
  exchange_.mysql_committed_at_ns = now_ns_;
  drain_->work(now_ns_);  // read, but nothing is committed
  model::LaneName lane = view_of(2)->lane;
  while (auto batch = batches_.pop()) batches_.done(*batch);
  hand_->write(hand_->line(0, 5) + offsetof(RecordHead, ordinal), std::uint64_t{1} << 62U);
  const auto ask = [&](std::uint64_t from) {
    exchange_.fill_requests.put({.lane = lane, .from = from, .to = 20, .published_before = from});
    drain_->work(now_ns_ += 1'000'000'000);
    auto answers = exchange_.fill_answers.take();
    EXPECT_EQ(answers.size(), 1U);
    return answers.at(0);
  };
  const FillAnswer first = ask(0);
  EXPECT_EQ(first.lost_records, 0U);
  ASSERT_TRUE(first.block);
  EXPECT_EQ(first.block->to, 5U) << "what can be believed";
  const FillAnswer rest = ask(5);
  EXPECT_EQ(rest.lost_to, 20U);
  EXPECT_EQ(rest.lost_records, 15U);
  EXPECT_NE(reason().find("again"), std::string::npos) << reason();
}

// Its last Record was made longer and covers another one: one fewer than there were.
TEST_F(Quarantine, OfALaneWhoseLastRecordGrewBeforeItsFill) {
  publish(*bad_, 20);
  now_ns_ += 1'000'000'000;
  exchange_.mysql_committed_at_ns = now_ns_;
  drain_->work(now_ns_);
  const model::LaneName lane = view_of(2)->lane;
  while (auto batch = batches_.pop()) batches_.done(*batch);
  hand_->write(hand_->line(0, 18) + offsetof(RecordHead, lines), std::uint8_t{1});
  std::uint64_t from = 0, counted = 0;
  for (int i = 0; i < 3 && from < 20; ++i) {
    exchange_.fill_requests.put(
        {.lane = lane, .from = from, .to = 20, .published_before = counted});
    drain_->work(now_ns_ += 1'000'000'000);
    const FillAnswer answer = exchange_.fill_answers.take().at(0);
    counted += answer.lost_records + (answer.block ? answer.block->samples : 0);
    from = answer.block ? answer.block->to : answer.lost_to;
  }
  EXPECT_EQ(from, 20U);
  EXPECT_EQ(counted, 20U);
}

// A Segment with 256 Lanes that all have something to say gives way after its share: whoever has his turn behind it
// has it in the same round.
TEST_F(Quarantine, IsNotNeededForASegmentThatSaysALot) {
  std::vector<std::unique_ptr<Telemetry>> others;
  while (std::ranges::max(*segment_names(config_.directory)) == bad_name_)
    others.push_back(std::make_unique<Telemetry>(options(1)));
  std::uint64_t most = 0, said = 0;
  for (std::uint32_t lane = 0; lane < kLanesMax; ++lane) {
    for (std::uint64_t position = 0; position < kLines; ++position) {
      const std::size_t line = hand_->line(lane, position);
      hand_->write(line + offsetof(RecordHead, ordinal), position);
      hand_->write(line, position + 1);
    }
    hand_->write(hand_->control(lane) + offsetof(LaneControl, claimed), std::uint32_t{1});
  }
  hand_->write(offsetof(SegmentHeader, lane_count), kLanesMax);
  for (int i = 0; i < 12; ++i) {
    const std::uint64_t before = drain_->counters().records;
    publish(*good_, 1);
    for (const auto& other : others) publish(*other, 1);
    said += 1 + others.size();
    turn();
    most = std::max(most, drain_->counters().records - before);
    ASSERT_EQ(stored_[1], said) << "turn " << i;
  }
  EXPECT_LE(most, 4'096U + 1 + others.size());
  EXPECT_EQ(stored_[2], std::uint64_t{kLanesMax} * kLines) << "every Lane had its turn";
}

// What can never be read takes memory as long as it is there.
TEST_F(Quarantine, EndsForFilesThatNobodyCanReadOrHolds) {
  const auto make = [&](const std::string& name, std::uint32_t version, std::int64_t age_s) {
    const std::string path = config_.directory + "/" + name;
    std::ofstream(path) << std::string(kLanesOffset, 'x');
    const test::HostileHand hand(config_.directory + "/" + bad_name_, kLines);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(hand.at(0)), 8);  // its magic
    file.write(reinterpret_cast<const char*>(&version), sizeof version);
    file.close();
    const timespec then{.tv_sec = static_cast<time_t>(wall_ns() / kNsPerSecond - age_s),
                        .tv_nsec = 0};
    const timespec times[2] = {then, then};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  };
  const auto is_there = [&](const std::string& name) {
    return std::filesystem::exists(config_.directory + "/" + name);
  };
  drain_.reset();
  drain_.emplace(config_, std::map<model::LaneName, StartPosition>{}, batches_, exchange_);
  make("seg-old", kLayoutVersion, 3'600);
  make("seg-new", kLayoutVersion, 0);
  make("seg-held", kLayoutVersion, 3'600);
  make("seg-of-another-version", kLayoutVersion + 1, 3'600);
  const FileDescriptor holder(
      ::open((config_.directory + "/seg-held").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(try_lock(holder.get()));
  turn();
  EXPECT_FALSE(is_there("seg-old"));
  EXPECT_TRUE(is_there("seg-new"));
  EXPECT_TRUE(is_there("seg-held"));
  EXPECT_TRUE(is_there("seg-of-another-version"));
  EXPECT_TRUE(is_there(bad_name_));
}

}  // namespace
}  // namespace ddt::sidecar
