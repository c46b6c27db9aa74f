// Eight bots under load, killed at random: 10,000 times where they spend all their time, inside a publish, and 2,000
// times with all that belongs to a bot. Whole Records only, ordinals without holes, the last one the one that was
// answered last or the next, every Segment retired, and a ledger that adds up. A ring that stores in another order is
// found at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "tests/support/child_process.hpp"
#include "tests/support/drain_by_hand.hpp"
#include "tests/support/killed_bots.hpp"
#include "tests/support/nth_record.hpp"
#include "tests/support/single_step.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

constexpr std::size_t kBots = 8;
constexpr std::uint32_t kLines = 2'048;  // long enough to be killed while it is filled
constexpr int kFullNapUs = 50;  // eight of them must not keep the drain from two processors

int kills() {
  const char* said = std::getenv("DDT_TEST_KILLS");
  return said == nullptr ? 10'000 : std::atoi(said);
}

// What the last bots were answered, each in its slot, written by themselves.
constexpr std::size_t kSlots = 256;  // many times what is not settled at once
using Answered = std::array<std::atomic<std::uint64_t>, kSlots>;

// What a bot does all its life: Records of one line and of a dozen; what is refused is said again.
int live(const std::string& directory, std::atomic<std::uint64_t>& answered) {
  const Telemetry telemetry(
      {.profile_id = 7, .script_name = "bot", .directory = directory, .lane_lines = kLines});
  for (std::int64_t n = 0;;) {
    if (test::publish_nth(telemetry, n) == Published::ok) {
      answered = static_cast<std::uint64_t>(++n);
    } else {
      ::usleep(kFullNapUs);
    }
  }
}

// Reads every Lane beside the drain, which gives back only what was looked at here before.
class Onlooker {
 public:
  Onlooker(const std::string& directory, const Answered& answered)
      : directory_(directory), answered_(answered) {}
  // Who writes into which slot.
  void expect(pid_t pid, std::size_t slot) { slots_[static_cast<std::uint32_t>(pid)] = slot; }

  testing::AssertionResult look() {
    const auto names = segment_names(directory_);
    if (!names) return testing::AssertionFailure() << names.error().message;
    for (const std::string& name : *names) {
      auto& seen = seen_[name];
      if (!seen) {
        auto opened = SegmentReader::open(directory_, name);
        if (!opened) return testing::AssertionFailure() << opened.error().message;
        const std::size_t slot = slots_[opened->owner_pid()];
        seen = std::make_unique<Seen>(std::move(*opened), slot);
      }
      if (seen->segment.lane_count() == 0) continue;
      if (!seen->checker.read_all(seen->lane)) {
        return testing::AssertionFailure()
               << name << ": Record " << seen->checker.count() << " is not whole or not the next";
      }
    }
    return testing::AssertionSuccess();
  }
  // Forgets the Segments that are retired; false if the drain stored another number of Records.
  testing::AssertionResult settle(const test::DrainByHand& drain) {
    for (auto seen = seen_.begin(); seen != seen_.end();) {
      if (std::filesystem::exists(directory_ + "/" + seen->first)) {
        ++seen;
        continue;
      }
      const std::uint64_t count = seen->second->checker.count();
      if (drain.stored_of(seen->first) != count) {
        return testing::AssertionFailure() << seen->first << ": " << count << " Records, stored "
                                           << drain.stored_of(seen->first);
      }
      const std::uint64_t answered = answered_[seen->second->slot];
      if (count != answered && count != answered + 1) {
        return testing::AssertionFailure()
               << seen->first << ": " << count << " Records, answered " << answered;
      }
      records_ += count;
      seen = seen_.erase(seen);
    }
    return testing::AssertionSuccess();
  }
  std::uint64_t records() const { return records_; }
  std::size_t open() const { return seen_.size(); }

 private:
  struct Seen {
    Seen(SegmentReader reader, std::size_t its_slot)
        : segment(std::move(reader)), lane(segment.lane(0, 0)), slot(its_slot) {}
    SegmentReader segment;
    LaneReader lane;
    test::NthRecordChecker checker;
    std::size_t slot;
  };
  const std::string directory_;
  const Answered& answered_;
  std::map<std::uint32_t, std::size_t> slots_;  // of the processes that were there last
  std::map<std::string, std::unique_ptr<Seen>> seen_;
  std::uint64_t records_ = 0;
};

// What bots that died while they made their Segment have left; removed as the sidecar does after a minute.
std::size_t remove_litter(const std::string& directory) {
  std::size_t litter = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.path().filename().string().starts_with(kTemporaryPrefix)) continue;
    ++litter;
    const timespec old[2] = {{.tv_sec = ::time(nullptr) - 120, .tv_nsec = 0},
                             {.tv_sec = ::time(nullptr) - 120, .tv_nsec = 0}};
    ::utimensat(AT_FDCWD, entry.path().c_str(), old, 0);
  }
  remove_abandoned_temporaries(directory);
  return litter;
}

TEST(TenThousandKills, OfEightBotsUnderLoadLeaveWholeRecordsAndNothingElse) {
  const int kKills = kills() / 5;  // each makes, drains and retires a Segment
  const test::TempDirectory directory;
  test::DrainByHand drain(directory.path());
  const test::SharedValue<Answered> answered;
  Onlooker onlooker(directory.path(), *answered);
  std::mt19937 random(20131004);
  std::array<std::unique_ptr<test::ChildProcess>, kBots> bots;
  std::size_t slot = 0;
  const auto start = [&](std::size_t bot) {
    slot = (slot + 1) % kSlots;
    (*answered)[slot] = 0;
    bots[bot] = std::make_unique<test::ChildProcess>(
        [&] { return live(directory.path(), (*answered)[slot]); });
    onlooker.expect(bots[bot]->pid(), slot);
  };
  const auto sweep = [&](bool may_settle) {
    drain.read();
    ASSERT_TRUE(onlooker.look());  // behind the drain, before it gives anything back
    drain.commit();
    if (may_settle) {
      ASSERT_TRUE(onlooker.settle(drain));
    }
  };
  for (std::size_t bot = 0; bot < kBots; ++bot) start(bot);
  std::uniform_int_distribution<std::size_t> which(0, kBots - 1);
  std::uniform_int_distribution<int> pause_us(0, 400);
  for (int killed = 0; killed < kKills; killed += static_cast<int>(kBots / 2)) {
    ASSERT_NO_FATAL_FAILURE(sweep(true)) << "after " << killed << " kills";
    ::usleep(static_cast<useconds_t>(pause_us(random)));
    // Half of them at once; which half is drawn by where it begins.
    const std::size_t first = which(random);
    for (std::size_t i = 0; i < kBots / 2; ++i) ::kill(bots[(first + i) % kBots]->pid(), SIGKILL);
    for (std::size_t i = 0; i < kBots / 2; ++i) start((first + i) % kBots);
  }
  for (auto& bot : bots) bot.reset();
  for (int i = 0; i < 8; ++i) ASSERT_NO_FATAL_FAILURE(sweep(true));
  EXPECT_EQ(onlooker.open(), 0U);
  const auto names = segment_names(directory.path());
  ASSERT_TRUE(names);
  EXPECT_TRUE(names->empty()) << names->size() << " Segments are left";
  const std::size_t litter = remove_litter(directory.path());
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  const test::HandLedger ledger = drain.ledger();
  EXPECT_EQ(ledger.residual(), 0);
  EXPECT_EQ(ledger.stored, onlooker.records());
  EXPECT_EQ(ledger.refused + ledger.rejected, 0U);
  EXPECT_EQ(drain.holes(), 0U);
  EXPECT_EQ(drain.quarantined(), 0U);
  // It was load: every other life at least had a Segment, and on average said something.
  EXPECT_GT(drain.retired() * 2, static_cast<std::size_t>(kKills));
  EXPECT_GT(onlooker.records(), static_cast<std::uint64_t>(kKills));
  std::printf("%d kills, %zu Segments retired, %zu died making theirs, %lu Records, %lu dropped\n",
              kKills, drain.retired(), litter, static_cast<unsigned long>(ledger.stored),
              static_cast<unsigned long>(ledger.dropped()));
}

// ── all of them inside a publish ─────────────────────────────────────────────────────────────────

constexpr std::uint32_t kSeed = 20131004;

TEST(TenThousandKills, InsideAPublishLeaveTheLastRecordAnsweredOrTheNextAndBothWhole) {
  const test::Killing killing = test::kill_bots<LaneMemory>(kills(), kSeed);
  EXPECT_EQ(killing.found, "") << killing.in << ", kill " << killing.kills;
  EXPECT_GE(killing.kills, kills());
  // It was in the middle: the ring's part of a bot's time is a good part of it.
  EXPECT_GT(killing.unanswered * 10, killing.kills);
  std::printf("%d kills, %d between a question and its answer\n", killing.kills,
              killing.unanswered);
}

// Whether that finds anything: rings that store in another order. One kill in five or more finds them, so that a
// thousand miss them once in 10^90.
template <test::Shuffle kShuffle>
void expect_found(const char* what) {
  constexpr int kKillsMax = 1'000;
  const test::Killing killing = test::kill_bots<test::ShuffledMemory<kShuffle>>(kKillsMax, kSeed);
  EXPECT_THAT(killing.found, testing::HasSubstr(what)) << killing.kills << " kills";
  std::printf("kill %d, %s: %s\n", killing.kills, killing.in.c_str(), killing.found.c_str());
}
TEST(TenThousandKills, FindARecordThatIsPublishedBeforeItIsWritten) {
  expect_found<test::Shuffle::first_sequence_first>("Record");
}
TEST(TenThousandKills, FindARecordThatIsPublishedBeforeItsLaterLines) {
  expect_found<test::Shuffle::later_lines_last>("corrupt behind Record");
}
TEST(TenThousandKills, FindARefusalThatHasItsOrdinalBeforeItIsCounted) {
  expect_found<test::Shuffle::ordinals_first>("an ordinal was given for nothing");
}

}  // namespace
}  // namespace ddt
