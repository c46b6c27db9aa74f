// What the sidecar says about its Lanes, and that it says it once.
#include "sidecar/redis/lane_words.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "sidecar/redis/keys.hpp"

namespace ddt::redis {
namespace {

model::LaneName lane(std::uint8_t segment, std::uint32_t index = 0) {
  model::LaneName name;
  name.segment_id.fill(segment);
  name.lane = index;
  return name;
}

// A hash that obeys commands, as Redis would.
class Hash {
 public:
  void run(const std::vector<Command>& commands) {
    for (const Command& command : commands) {
      if (command[0] == "DEL") fields_.clear();
      for (std::size_t i = 2; command[0] == "HSET" && i + 1 < command.size(); i += 2)
        fields_[command[i]] = command[i + 1];
      for (std::size_t i = 2; command[0] == "HDEL" && i < command.size(); ++i)
        fields_.erase(command[i]);
      words_ += command.size();
    }
  }
  std::optional<LaneWords> read() const {
    std::vector<Reply> items;
    for (const auto& [field, value] : fields_) {
      items.push_back({.kind = Reply::Kind::string, .integer = 0, .text = field, .items = {}});
      items.push_back({.kind = Reply::Kind::string, .integer = 0, .text = value, .items = {}});
    }
    return lane_words_of(items);
  }
  std::size_t words_seen() { return std::exchange(words_, 0); }

 private:
  std::map<std::string, std::string> fields_;
  std::size_t words_ = 0;
};

TEST(LaneWord, ReadsBackAsItWasWritten) {
  for (const LaneWord& word :
       {LaneWord{}, LaneWord{300, 200, 100, ""}, LaneWord{3, 2, 1, "impossible sequence: 5 6"}})
    EXPECT_EQ(lane_word_of(to_text(word)), word);
}

TEST(LaneWord, IsNothingElse) {
  for (const char* text : {"", "1", "1:2", "1:2:", "a:b:c", "1:2:3x", "-1:2:3", "1:2:3:4", " 1:2:3",
                           "99999999999999999999:1:1"})
    EXPECT_FALSE(lane_word_of(text)) << text;
}

TEST(LaneWord, CutsALongReason) {
  const LaneWord word{1, 1, 1, std::string(5'000, 'x')};
  EXPECT_EQ(lane_word_of(to_text(word))->quarantine_reason.size(), kReasonBytesMax);
}

TEST(LaneBoard, SaysWhatIsSo) {
  Hash hash;
  LaneBoard board("k");
  LaneWords now{.at_ns = 5,
                .lanes = {{lane(1), {3, 2, 1, ""}}, {lane(2, 7), {9, 9, 9, "why"}}},
                .refused_segments = {{"seg-x", "too short"}}};
  hash.run(board.commands_for(now));
  auto read = hash.read();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->at_ns, 5);
  EXPECT_EQ(read->lanes, now.lanes);
  EXPECT_EQ(read->refused_segments, now.refused_segments);

  now = {.at_ns = 6,
         .lanes = {{lane(1), {4, 4, 4, ""}}, {lane(3), {1, 1, 1, ""}}},
         .refused_segments = {}};
  hash.run(board.commands_for(now));
  read = hash.read();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->at_ns, 6);
  EXPECT_EQ(read->lanes, now.lanes) << "changed, new and gone";
  EXPECT_TRUE(read->refused_segments.empty());
}

TEST(LaneBoard, SaysOnlyWhatHasChanged) {
  Hash hash;
  LaneBoard board("k");
  LaneWords now{.at_ns = 1, .lanes = {}, .refused_segments = {}};
  for (std::uint32_t i = 0; i < 3'000; ++i) now.lanes[lane(1, i)] = {i, i, i, ""};
  hash.run(board.commands_for(now));
  EXPECT_GT(hash.words_seen(), 6'000U);
  EXPECT_EQ(hash.read()->lanes, now.lanes) << "over several commands";
  now.at_ns = 2;
  hash.run(board.commands_for(now));
  EXPECT_LE(hash.words_seen(), 8U) << "3,000 idle Lanes cost nothing";
  now.lanes[lane(1, 5)].drained = 77;
  hash.run(board.commands_for(now));
  EXPECT_LE(hash.words_seen(), 10U);
  EXPECT_EQ(hash.read()->lanes, now.lanes);
}

TEST(LaneBoard, SaysEverythingAgainOnceItWasForgotten) {
  LaneBoard board("k");
  const LaneWords now{.at_ns = 1, .lanes = {{lane(1), {3, 2, 1, ""}}}, .refused_segments = {}};
  EXPECT_TRUE(board.is_fresh());
  (void)board.commands_for(now);
  EXPECT_FALSE(board.is_fresh());
  board.forget();
  EXPECT_TRUE(board.is_fresh());
  Hash flushed;
  flushed.run(board.commands_for(now));
  EXPECT_EQ(flushed.read()->lanes, now.lanes);
}

TEST(LaneBoard, LetsTheHashExpire) {
  LaneBoard board("k");
  const LaneWords now{.at_ns = 1, .lanes = {}, .refused_segments = {}};
  for (int i = 0; i < 2; ++i) {
    const auto commands = board.commands_for(now);
    EXPECT_EQ(commands.front(), (Command{"EXPIRE", "k", std::to_string(kStatusTtlS)}));
    // A hash that was deleted, or made, by these commands gets its time after that.
    EXPECT_EQ(i == 0 ? commands.back() : commands.front(),
              (Command{"EXPIRE", "k", std::to_string(kStatusTtlS)}));
  }
}

TEST(LaneWords, NeedATime) {
  EXPECT_FALSE(lane_words_of({}));
  Hash hash;
  hash.run({{"HSET", "k", "at", "soon", "junk", "1"}});
  EXPECT_FALSE(hash.read());
  hash.run({{"HSET", "k", "at", "7", "zz:0", "1:1:1", lane_field(lane(1)), "no numbers"}});
  ASSERT_TRUE(hash.read());
  EXPECT_TRUE(hash.read()->lanes.empty()) << "what is neither of ours is left out";
}

}  // namespace
}  // namespace ddt::redis
