// The exactly-once rule by itself: Blocks in any state of loss and repetition in, counts out.
#include "sidecar/rollup/judge.hpp"

#include <gtest/gtest.h>

#include <random>

namespace ddt::sidecar {
namespace {

const model::LaneName kLane{.segment_id = {1}, .lane = 0};

// One fact per line, so that positions, ordinals and Records are the same number.
model::Block block_of(std::uint64_t from, std::uint64_t to) {
  model::Block block;
  block.lane = kLane;
  block.from = block.ordinal_from = from;
  block.to = block.ordinal_to = to;
  block.facts = to - from;
  return block;
}

FillAnswer filled(const FillRequest& request, std::uint64_t lost_to) {
  return {.lane = request.lane,
          .from = request.from,
          .lost_to = lost_to,
          .lost_records = lost_to - request.from,
          .lane_is_gone = false,
          .block = block_of(lost_to, request.to)};
}

class JudgeTest : public ::testing::Test {
 protected:
  void add(std::uint64_t from, std::uint64_t to) { judge_.add(block_of(from, to), judged_); }
  std::uint64_t position() { return judge_.lane(kLane).position; }
  std::uint64_t stored() { return judge_.lane(kLane).stored_facts; }

  Judge judge_;
  Judged judged_;
};

TEST_F(JudgeTest, AppliesWhatContinues) {
  add(0, 5);
  add(5, 9);
  EXPECT_EQ(position(), 9U);
  EXPECT_EQ(stored(), 9U);
  EXPECT_TRUE(judged_.fill_requests.empty());
}

TEST_F(JudgeTest, SkipsWhatIsCovered) {
  add(0, 5);
  add(0, 5);
  add(2, 4);
  EXPECT_EQ(stored(), 5U);
  EXPECT_EQ(judged_.blocks.size(), 1U);
}

TEST_F(JudgeTest, LetsALaterBlockWaitAndAsksForTheGapOnce) {
  add(0, 5);
  add(8, 10);
  add(10, 12);
  EXPECT_EQ(position(), 5U);
  ASSERT_EQ(judged_.fill_requests.size(), 1U);
  EXPECT_EQ(judged_.fill_requests[0].from, 5U);
  EXPECT_EQ(judged_.fill_requests[0].to, 8U);
  EXPECT_EQ(judged_.fill_requests[0].published_before, 5U);
  judge_.add(filled(judged_.fill_requests[0], 5), judged_);
  EXPECT_EQ(position(), 12U);
  EXPECT_EQ(stored(), 12U);
  EXPECT_FALSE(judge_.has_waiting());
}

TEST_F(JudgeTest, CountsWhatTheLaneNoLongerHoldsAsLost) {
  add(0, 5);
  add(8, 10);
  judge_.add(filled(judged_.fill_requests[0], 7), judged_);
  EXPECT_EQ(position(), 10U);
  EXPECT_EQ(judge_.lane(kLane).lost, 2U);
  EXPECT_EQ(stored(), 8U);
}

TEST_F(JudgeTest, CountsTheGapAsLostWhenTheLaneIsGone) {
  add(0, 5);
  add(8, 10);
  FillAnswer gone{.lane = kLane, .from = 5, .lost_to = 5};
  gone.lane_is_gone = true;
  judge_.add(gone, judged_);
  EXPECT_EQ(position(), 10U);
  EXPECT_EQ(judge_.lane(kLane).lost, 3U);
}

TEST_F(JudgeTest, IgnoresAnAnswerToAnOlderQuestion) {
  add(0, 5);
  judge_.add(filled({.lane = kLane, .from = 2, .to = 4, .published_before = 2}, 2), judged_);
  EXPECT_EQ(position(), 5U);
  EXPECT_EQ(stored(), 5U);
}

TEST_F(JudgeTest, AsksForTheRestOfAHalfCoveredBlock) {
  add(0, 5);
  add(3, 9);
  EXPECT_EQ(stored(), 5U);
  ASSERT_EQ(judged_.fill_requests.size(), 1U);
  EXPECT_EQ(judged_.fill_requests[0].from, 5U);
  EXPECT_EQ(judged_.fill_requests[0].to, 9U);
}

TEST_F(JudgeTest, AsksForWhatRedisAcknowledgedAndLost) {
  add(0, 5);
  judge_.at_journal_end({.lane = kLane, .position = 7}, judged_);
  ASSERT_EQ(judged_.fill_requests.size(), 1U);
  judge_.at_journal_end({.lane = kLane, .position = 7}, judged_);
  EXPECT_EQ(judged_.fill_requests.size(), 1U);
}

TEST_F(JudgeTest, AsksForWhatRedisHeldAndForgot) {
  add(0, 5);
  judge_.at_journal_end({.lane = kLane, .position = 0, .forgotten_to = 9}, judged_);
  ASSERT_EQ(judged_.fill_requests.size(), 1U);
  EXPECT_EQ(judged_.fill_requests[0].to, 9U);
}

// While a fill is under way the journal may say the same, twice emptied or come back; what waits must go on.
TEST_F(JudgeTest, AsksAgainWhenTheLaneHasMovedBeforeTheAnswer) {
  add(0, 5);
  add(8, 10);
  add(5, 6);
  judge_.add(filled(judged_.fill_requests[0], 5), judged_);
  ASSERT_EQ(judged_.fill_requests.size(), 2U);
  EXPECT_EQ(judged_.fill_requests[1].from, 6U);
  judge_.add(filled(judged_.fill_requests[1], 6), judged_);
  EXPECT_EQ(position(), 10U);
  EXPECT_EQ(stored(), 10U);
  EXPECT_FALSE(judge_.has_waiting());
}

TEST_F(JudgeTest, TakesRefusalCountsAsAbsolute) {
  model::Block block = block_of(0, 5);
  block.counts = {
      .dropped_samples = 3, .dropped_states = 0, .dropped_facts = 1, .refused = 2, .produced = 11};
  judge_.add(block, judged_);
  model::Block counts_alone = block_of(5, 5);
  counts_alone.counts = block.counts;
  judge_.add(counts_alone, judged_);
  EXPECT_EQ(judge_.lane(kLane).counts.dropped_samples, 3U);
  EXPECT_EQ(judge_.lane(kLane).counts.produced, 11U);
}

// A journal that loses, repeats and reorders whole entries, a drain that fills, transactions that fail and
// begin again from what was committed: in the end every Record is counted exactly once.
TEST_F(JudgeTest, CountsEveryRecordOnceWhateverIsLost) {
  std::mt19937 random(7);
  const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
  for (int round = 0; round < 2'000; ++round) {
    constexpr std::uint64_t kRecords = 40;
    std::vector<model::Block> journal;
    for (std::uint64_t at = 0; at < kRecords;) {
      const std::uint64_t to = std::min(kRecords, at + 1 + random() % 6);
      if (!chance(20)) journal.push_back(block_of(at, to));
      if (chance(15)) journal.push_back(block_of(at, to));
      at = to;
    }
    Judge judge;
    CommittedLanes committed;
    std::size_t read = 0;
    std::vector<FillRequest> requests;
    std::uint64_t lost = 0;
    for (int step = 0; step < 10'000 && committed[kLane].position < kRecords; ++step) {
      Judged judged;
      for (const FillRequest& request : std::exchange(requests, {})) {
        const std::uint64_t lost_to =
            chance(10) ? request.from + random() % (request.to - request.from + 1) : request.from;
        judge.add(filled(request, lost_to), judged);
      }
      const std::size_t page = std::min(journal.size(), read + random() % 4);
      for (; read < page; ++read) judge.add(journal[read], judged);
      if (read == journal.size())
        judge.at_journal_end({.lane = kLane, .position = kRecords}, judged);
      if (chance(20)) {  // the transaction fails: everything again
        judge.reset(committed);
        read = 0;
        continue;
      }
      requests = judged.fill_requests;
      committed[kLane] = judge.lane(kLane);
      lost = judge.lane(kLane).lost;
    }
    ASSERT_EQ(committed[kLane].position, kRecords) << "round " << round;
    ASSERT_EQ(committed[kLane].stored_facts + lost, kRecords) << "round " << round;
    ASSERT_EQ(committed[kLane].published(), kRecords) << "round " << round;
  }
}

}  // namespace
}  // namespace ddt::sidecar
