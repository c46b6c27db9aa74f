// sidecar/redis/lane_words.hpp — what a sidecar says about its Lanes, for people who look inside.
//
//   ddt:{id}:lanes   hash, TTL kStatusTtlS, at most one write a second
//     "at"                        wall nanoseconds of the sidecar's look at its Lanes
//     "<32 hex digits>:<lane>"    "<drained>:<acknowledged>:<committed>", positions; when the Lane is
//                                 quarantined a blank and the reason
//     "seg-…"                     why the sidecar does not read this Segment at all
//
// Only what has changed is written: an idle Lane costs nothing, a busy one 60 bytes a second.
// Pure      Texts and commands in and out; who has a connection runs them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/model/block.hpp"
#include "sidecar/redis/client.hpp"

namespace ddt::redis {

struct LaneWord {
  std::uint64_t drained = 0;       // read and decoded
  std::uint64_t acknowledged = 0;  // in the journal
  std::uint64_t committed = 0;     // in MySQL
  std::string quarantine_reason;   // "" = not quarantined
  bool operator==(const LaneWord&) const = default;
};

struct LaneWords {
  std::int64_t at_ns = 0;  // wall
  std::map<model::LaneName, LaneWord> lanes;
  std::map<std::string, std::string> refused_segments;  // file name → why it is not read
};

// Reasons are cut here: some of them carry texts of bots.
inline constexpr std::size_t kReasonBytesMax = 200;

std::string to_text(const LaneWord& word);
std::optional<LaneWord> lane_word_of(std::string_view text);

// The hash as HGETALL gives it; fields that are neither of ours are left out. nullopt: no "at".
std::optional<LaneWords> lane_words_of(const std::vector<Reply>& hash);

// Commands that bring the hash from what was said before to what is so now.
class LaneBoard {
 public:
  explicit LaneBoard(std::string key) : key_(std::move(key)) {}

  // The first of them is EXPIRE, whose answer says whether Redis still had the hash. When it had not,
  // and what was said before counted on it, or when a command failed: forget().
  std::vector<Command> commands_for(const LaneWords& now);
  bool is_fresh() const noexcept { return said_.empty(); }
  // Redis may have lost what was said, or was never told: say everything next time.
  void forget() noexcept { said_.clear(); }

 private:
  std::string key_;
  std::map<std::string, std::string> said_;
};

}  // namespace ddt::redis
