// How far a Lane is written, from its sequence words alone.
#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "sidecar/top/position.hpp"

namespace ddt::top {
namespace {

constexpr std::uint32_t kLines = 128;

// The sequence words of a Lane whose writer has come to `position`.
std::vector<std::uint64_t> words_at(std::uint64_t position) {
  std::vector<std::uint64_t> words(kLines, 0);
  for (std::uint64_t p = position > kLines ? position - kLines : 0; p < position; ++p)
    words[p % kLines] = p + 1;
  return words;
}

struct Found {
  std::uint64_t position;
  unsigned reads;
};

Found find(const std::vector<std::uint64_t>& words, std::uint64_t released, std::uint64_t hint) {
  unsigned reads = 0;
  const std::uint64_t position = find_position(released, kLines, hint, [&](std::uint64_t p) {
    ++reads;
    return judge_line(words[p % kLines], p, kLines);
  });
  return {position, reads};
}

TEST(Position, IsFoundFromAnyReleasedAndAnyHint) {
  for (const std::uint64_t position : {0U, 1U, 63U, 127U, 128U, 129U, 1000U, 1024U}) {
    const auto words = words_at(position);
    for (std::uint64_t released = position > kLines ? position - kLines : 0; released <= position;
         ++released) {
      for (const std::uint64_t hint : {std::uint64_t{0}, released, (released + position) / 2,
                                       position, position + 20, std::uint64_t{5'000}}) {
        const Found found = find(words, released, hint);
        ASSERT_EQ(found.position, position) << "released " << released << ", hint " << hint;
        ASSERT_LE(found.reads, 2U * std::bit_width(kLines) + 2) << "hint " << hint;
      }
    }
  }
}

TEST(Position, OfAnIdleLaneCostsTwoWords) {
  EXPECT_LE(find(words_at(1000), 900, 1000).reads, 2U);
  EXPECT_LE(find(words_at(1000), 1000, 1000).reads, 2U);
}

TEST(Position, OfAFewNewLinesCostsFewWords) {
  EXPECT_LE(find(words_at(1003), 900, 1000).reads, 5U);
}

TEST(Position, StopsAtAnImpossibleWord) {
  auto words = words_at(1000);
  words[1000 % kLines] = 77;
  EXPECT_EQ(find(words, 950, 0).position, 1000U);
  EXPECT_EQ(judge_line(77, 1000, kLines), Line::impossible);
}

TEST(Line, IsJudgedByItsLap) {
  EXPECT_EQ(judge_line(0, 5, kLines), Line::free) << "the first lap has nothing before it";
  EXPECT_EQ(judge_line(6, 5, kLines), Line::published);
  EXPECT_EQ(judge_line(6, 5 + kLines, kLines), Line::free) << "the lap before";
  EXPECT_EQ(judge_line(6 + 3 * kLines, 5, kLines), Line::published) << "a later lap";
  EXPECT_EQ(judge_line(7, 5, kLines), Line::impossible);
  EXPECT_EQ(judge_line(0, 5 + kLines, kLines), Line::impossible) << "zero only in the first lap";
  EXPECT_EQ(judge_line(6, 5 + 2 * kLines, kLines), Line::impossible) << "two laps ago";
}

RecordHead head() {
  return {.sequence = 101,
          .ordinal = 40,
          .refused = 3,
          .stamp = 0,
          .kind = RecordKind::trade,
          .lines = 4,
          .script = 1,
          .profile_id = 7};
}

TEST(Head, OfTheLastRecordEndsWhereTheLaneDoes) {
  EXPECT_TRUE(is_head_of_last(head(), 100, 105));
  EXPECT_FALSE(is_head_of_last(head(), 100, 104));
  EXPECT_FALSE(is_head_of_last(head(), 101, 106)) << "another line's sequence";
}

TEST(Head, IsNoLaterLineThatLooksLikeOne) {
  const auto is_refused = [](auto change) {
    RecordHead changed = head();
    change(changed);
    return !is_head_of_last(changed, 100, 105);
  };
  EXPECT_TRUE(is_refused([](RecordHead& h) { h.kind = static_cast<RecordKind>(0); }));
  EXPECT_TRUE(is_refused([](RecordHead& h) { h.kind = static_cast<RecordKind>(11); }));
  EXPECT_TRUE(is_refused([](RecordHead& h) { h.lines |= 0x80; }));
  EXPECT_TRUE(is_refused([](RecordHead& h) { h.profile_id = 0; }));
  EXPECT_TRUE(is_refused([](RecordHead& h) { h.refused = 41; }));
  EXPECT_TRUE(is_refused([](RecordHead& h) { h.ordinal = 200; })) << "more Records than lines";
}

}  // namespace
}  // namespace ddt::top
