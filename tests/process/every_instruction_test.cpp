// A bot that dies after any instruction of a publish leaves a whole Record or none, and a ledger that adds
// up. The bot is single-stepped; what it leaves is looked at after every instruction.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>

#include "tests/support/drain_by_hand.hpp"
#include "tests/support/record_kinds.hpp"
#include "tests/support/single_step.hpp"

namespace ddt {
namespace {

using test::DrainByHand;
using test::HandLedger;
using test::open_only_segment;
using test::Saying;
using test::SteppedChild;
using test::TempDirectory;

constexpr std::uint32_t kLines = kLaneLinesMin;

TelemetryOptions options(const TempDirectory& directory) {
  return {
      .profile_id = 7, .script_name = "bot", .directory = directory.path(), .lane_lines = kLines};
}

// Where the stepped Record begins: in the third lap, its lines on both sides of the wrap, over what laps
// of its own kind have left there.
struct Place {
  explicit Place(std::uint32_t lines) : position(2 * kLines - lines / 2) {
    for (std::uint64_t p = 0; p < position; ++ordinal) p += p + lines <= position ? lines : 1;
  }
  std::uint64_t position, ordinal = 0;
};

// Publishes up to the place, and gives all of it back as the sidecar would.
bool fill_up_to(const Place& place, const Telemetry& telemetry, const Saying& saying,
                std::uint32_t lines, const std::string& directory) {
  auto segment = open_only_segment(directory);
  if (!segment) return false;
  LaneReader lane = segment->lane(0, 0);
  for (std::uint64_t p = 0; p < place.position; lane.release(p)) {
    const bool fits = p + lines <= place.position;
    if ((fits ? saying.say(telemetry) : test::say_latency(telemetry)) != Published::ok)
      return false;
    p += fits ? lines : 1;
  }
  return true;
}

enum class Left : std::uint8_t { nothing, whole, torn };

// What a sidecar that starts now finds at the place.
Left left_at(const Place& place, const SegmentReader& segment, const RecordCopy& expected) {
  LaneReader lane = segment.lane(0, place.position);
  RecordCopy copy{};
  switch (lane.read(copy)) {
    case Peeked::empty:
      return Left::nothing;
    case Peeked::corrupt:
      return Left::torn;
    default:
      break;
  }
  const bool is_whole = test::is_same_record(copy, expected) &&
                        copy.head.ordinal == place.ordinal && copy.head.refused == 0 &&
                        copy.lines == expected.lines && lane.read(copy) == Peeked::empty;
  return is_whole ? Left::whole : Left::torn;
}

class EveryInstruction : public testing::TestWithParam<Saying> {
 protected:
  // A bot about to publish the Record under the steps.
  void start(std::optional<SteppedChild>& bot, const TempDirectory& directory) {
    std::optional<Telemetry> telemetry;
    bot.emplace(
        [&] {
          telemetry.emplace(options(directory));
          return fill_up_to(place, *telemetry, GetParam(), expected.lines, directory.path());
        },
        [&] { GetParam().say(*telemetry); });
  }

  const RecordCopy expected = test::as_said_undisturbed(GetParam());
  const Place place{expected.lines};
};

TEST_P(EveryInstruction, OfAPublishShowsAWholeRecordOrNoneAndItAppearsAtExactlyOne) {
  ASSERT_EQ(expected.head.kind, GetParam().kind);
  const TempDirectory directory;
  std::optional<SteppedChild> bot;
  start(bot, directory);
  ASSERT_TRUE(bot->is_ready());
  auto segment = open_only_segment(directory.path());
  ASSERT_TRUE(segment) << segment.error().message;
  int instructions = 0, appeared = 0;
  Left before = left_at(place, *segment, expected);
  ASSERT_EQ(before, Left::nothing);
  while (bot->step()) {
    ++instructions;
    const Left now = left_at(place, *segment, expected);
    ASSERT_NE(now, Left::torn) << "after instruction " << instructions;
    appeared += now == Left::whole && before == Left::nothing ? 1 : 0;
    ASSERT_FALSE(now == Left::nothing && before == Left::whole) << "it is gone again";
    before = now;
  }
  EXPECT_EQ(before, Left::whole);
  EXPECT_EQ(appeared, 1);
  EXPECT_GT(instructions, 20);
  RecordProperty("instructions", instructions);
}

// The same with real deaths: at each instruction, or at some forty of them where there are more, the last
// one included.
TEST_P(EveryInstruction, OfAPublishMayBeTheLastOne) {
  constexpr int kDeathsMax = 40;
  int instructions = 0;
  {
    const TempDirectory directory;
    std::optional<SteppedChild> bot;
    start(bot, directory);
    ASSERT_TRUE(bot->is_ready());
    while (bot->step()) ++instructions;
  }
  int found_whole = 0, found_nothing = 0;
  const int stride = 1 + instructions / kDeathsMax, last = instructions - 1;
  for (int death = 0; death < instructions;
       death = std::min(death + stride, std::max(last, death + 1))) {
    const TempDirectory directory;
    std::optional<SteppedChild> bot;
    start(bot, directory);
    ASSERT_TRUE(bot->is_ready());
    for (int i = 0; i < death; ++i) ASSERT_TRUE(bot->step());
    auto segment = open_only_segment(directory.path());
    ASSERT_TRUE(segment) << segment.error().message;
    EXPECT_EQ(segment->owner_lock(), LockState::held);
    bot->kill();
    EXPECT_EQ(segment->owner_lock(), LockState::free);
    const Left left = left_at(place, *segment, expected);
    ASSERT_NE(left, Left::torn) << "after instruction " << death;
    ++(left == Left::whole ? found_whole : found_nothing);
  }
  EXPECT_GT(found_nothing, 0);
  EXPECT_GT(found_whole, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryInstruction, testing::ValuesIn(test::kSayings),
                         [](const auto& of) { return std::string(of.param.name); });

// ── what is refused ──────────────────────────────────────────────────────────────────────────────

Published say_nonsense(const Telemetry& telemetry) {
  return telemetry.publish(Latency{.duration_ns = -1});
}

struct Refusal {
  const char* name;
  Published (*fill)(const Telemetry&);  // until it is refused
  Published (*say)(const Telemetry&);
};
std::ostream& operator<<(std::ostream& out, const Refusal& refusal) { return out << refusal.name; }

class EveryInstructionOfARefusal : public testing::TestWithParam<Refusal> {};

TEST_P(EveryInstructionOfARefusal, LeavesALedgerThatAddsUp) {
  const TempDirectory directory;
  std::optional<Telemetry> telemetry;
  bool was_refused = true;
  SteppedChild bot(
      [&] {
        telemetry.emplace(options(directory));
        while (GetParam().fill(*telemetry) == Published::ok) {
        }
        return true;
      },
      [&] {
        for (int i = 0; i < 3; ++i)
          was_refused = was_refused && GetParam().say(*telemetry) != Published::ok;
        if (!was_refused) ::abort();
      });
  ASSERT_TRUE(bot.is_ready());
  DrainByHand drain(directory.path());
  drain.read();
  HandLedger ledger = drain.ledger_now();
  const std::uint64_t asked_before = ledger.produced;
  int instructions = 0;
  do {
    ledger = drain.ledger_now();
    ASSERT_EQ(ledger.residual(), 0)
        << "after instruction " << instructions << ": produced " << ledger.produced << ", stored "
        << ledger.stored << ", dropped " << ledger.dropped() << ", refused " << ledger.refused;
    ++instructions;
  } while (bot.step());
  EXPECT_EQ(ledger.produced, asked_before + 3);
  EXPECT_EQ(drain.quarantined(), 0U);
}

// The same with real deaths: at each of the last 60 instructions, which count, and at some before.
TEST_P(EveryInstructionOfARefusal, MayBeTheLastOne) {
  constexpr int kLastOnes = 60, kStride = 20;
  const TempDirectory directory;
  DrainByHand drain(directory.path());
  int instructions = 0;
  const auto run = [&](int deadly) {
    std::optional<Telemetry> telemetry;
    SteppedChild bot(
        [&] {
          telemetry.emplace(options(directory));
          while (GetParam().fill(*telemetry) == Published::ok) {
          }
          return true;
        },
        [&] { GetParam().say(*telemetry); });
    EXPECT_TRUE(bot.is_ready());
    int step = 0;
    while (step != deadly && bot.step()) ++step;
    bot.kill();
    const HandLedger before = drain.ledger();
    for (int i = 0; i < 4; ++i) drain.work();
    const HandLedger after = drain.ledger();
    EXPECT_EQ(after.residual(), 0) << "after instruction " << step;
    instructions = std::max(instructions, step);
    return after.dropped() + after.refused - before.dropped() - before.refused;
  };
  EXPECT_EQ(run(-1), 2U);  // one while it filled the Lane
  int deaths = 1, found_uncounted = 0, found_counted = 0;
  for (int deadly = 0; deadly < instructions;
       deadly += deadly + kLastOnes < instructions ? kStride : 1, ++deaths)
    ++(run(deadly) == 2 ? found_counted : found_uncounted);
  EXPECT_GT(found_counted, 0);
  EXPECT_GT(found_uncounted, 0);
  EXPECT_EQ(drain.retired(), static_cast<std::size_t>(deaths));
}

INSTANTIATE_TEST_SUITE_P(Classes, EveryInstructionOfARefusal,
                         testing::Values(Refusal{"sample", &test::say_latency, &test::say_latency},
                                         Refusal{"state", &test::say_health, &test::say_health},
                                         Refusal{"fact", &test::say_trade, &test::say_trade},
                                         Refusal{"nonsense", &say_nonsense, &say_nonsense}),
                         [](const auto& of) { return std::string(of.param.name); });

// ── where a Segment is made and a Lane is claimed ────────────────────────────────────────────────

// What is there of the Segment is whole: name, lock, names, and the memory of every Lane it counts.
void expect_whole_if_there(const TempDirectory& directory, LockState lock, bool& is_there,
                           bool& has_lane) {
  const auto names = segment_names(directory.path());
  ASSERT_TRUE(names);
  is_there = !names->empty();
  if (!is_there) return;
  auto segment = SegmentReader::open(directory.path(), names->front());
  ASSERT_TRUE(segment) << segment.error().message;
  ASSERT_EQ(segment->script_name(), "bot");
  ASSERT_EQ(segment->owner_lock(), lock);
  has_lane = segment->lane_count() > 0;
  if (!has_lane) return;
  ASSERT_TRUE(segment->is_lane_claimed(0));
  struct stat info {};
  ASSERT_EQ(::stat((directory / names->front()).c_str(), &info), 0);
  ASSERT_GE(info.st_blocks * 512, static_cast<off_t>(kLanesOffset + kLines * kLineBytes));
  RecordCopy copy{};
  ASSERT_EQ(segment->lane(0, 0).read(copy), Peeked::empty);
}

TEST(EveryInstructionOfAClaim, ShowsAWholeSegmentOrNoneAndAWholeLaneOrNone) {
  const TempDirectory directory;
  std::optional<Telemetry> telemetry;
  SteppedChild bot([] { return true; }, [&] { telemetry.emplace(options(directory)); });
  ASSERT_TRUE(bot.is_ready());
  bool is_there = false, has_lane = false, was_there = false, had_lane = false;
  int instructions = 0, segments_appeared = 0, lanes_appeared = 0;
  while (bot.step()) {
    ++instructions;
    ASSERT_NO_FATAL_FAILURE(expect_whole_if_there(directory, LockState::held, is_there, has_lane))
        << "after instruction " << instructions;
    segments_appeared += is_there && !was_there ? 1 : 0;
    lanes_appeared += has_lane && !had_lane ? 1 : 0;
    ASSERT_TRUE((is_there || !was_there) && (has_lane || !had_lane));
    was_there = is_there;
    had_lane = has_lane;
  }
  EXPECT_EQ(segments_appeared, 1);
  EXPECT_EQ(lanes_appeared, 1);
}

// Files change in the kernel only: a death at each of its doors is every death there is.
TEST(EveryInstructionOfAClaim, MayBeTheLastOneAtEachDoorOfTheKernel) {
  const TempDirectory directory;
  DrainByHand drain(directory.path());
  std::size_t with_segment = 0, with_litter = 0, with_lane = 0;
  bool was_last = false;
  for (int death = 0; !was_last; ++death) {
    ASSERT_LT(death, 2'000);
    std::optional<Telemetry> telemetry;
    SteppedChild bot([] { return true; }, [&] { telemetry.emplace(options(directory)); });
    ASSERT_TRUE(bot.is_ready());
    for (int i = 0; i < death && !was_last; ++i) was_last = !bot.step_to_kernel();
    bot.kill();
    bool is_there = false, has_lane = false;
    ASSERT_NO_FATAL_FAILURE(expect_whole_if_there(directory, LockState::free, is_there, has_lane))
        << "at door " << death;
    with_segment += is_there ? 1 : 0;
    with_lane += has_lane ? 1 : 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      if (!entry.path().filename().string().starts_with(kTemporaryPrefix)) continue;
      ++with_litter;
      std::filesystem::remove(entry.path());
    }
    for (int i = 0; i < 4; ++i) drain.work();
    ASSERT_EQ(drain.retired(), with_segment) << "at door " << death;
  }
  EXPECT_GT(with_litter, 0U);
  EXPECT_GT(with_segment, with_lane);
  EXPECT_GT(with_lane, 0U);
}

}  // namespace
}  // namespace ddt
