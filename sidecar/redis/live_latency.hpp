// sidecar/redis/live_latency.hpp — latencies of the last hour per script and minute, as Redis holds them.
//
// What is written is the whole Summary of a minute, once a second: beside it, what one append adds is little. Written
// with it is the id of the last entry that is in it; what the journal has behind that is folded in again when a fence
// is taken, so that a kill leaves nothing out and nothing twice.
//
// Fields are "<unix minute>:<sidecar id>": two hosts that run one script do not overwrite each other, readers merge.
//
//   connected → begin() · appended → load(), fold() · is_due() → one transaction of take() · any failed → connect again
//
// Threads   One: the appending one.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/redis/client.hpp"
#include "sidecar/redis/journal.hpp"
#include "sidecar/redis/keys.hpp"

namespace ddt::redis {

inline constexpr std::int64_t kLatencyMinutesKnown = 3;  // later ones are read again from Redis

class LiveLatency {
 public:
  static constexpr std::int64_t kWrittenEveryNs = 1'000'000'000;

  LiveLatency(SidecarKeys sidecar, LiveKeys live)
      : sidecar_(std::move(sidecar)), live_(std::move(live)) {}

  // The fence is ours: forgets what it knew, and folds what the journal has and Redis's minutes have not.
  Status begin(Client& client, JournalReader& journal, std::int64_t now_ns);

  // Reads the minutes these Blocks touch, where they are not known: one round trip per new minute.
  Status load(Client& client, std::span<const model::Block> blocks, std::int64_t now_ns);

  // The Blocks of an entry that is in the journal. Minutes outside the last hour are left out.
  void fold(std::span<const model::Block> blocks, std::string_view entry_id, std::int64_t now_ns);

  bool has_news() const noexcept { return !touched_.empty(); }
  bool is_due(std::int64_t now_ns) const noexcept {
    return has_news() && (now_ns < written_ns_ || now_ns - written_ns_ >= kWrittenEveryNs);
  }
  // What makes Redis hold what was folded, minutes older than an hour removed: to run as one transaction. The last
  // command says which entries these were.
  std::vector<Command> take(std::int64_t now_ns);

  std::size_t minutes_known() const noexcept { return minutes_.size(); }

 private:
  struct ScriptMinute {
    std::int64_t minute = 0;  // first: the oldest are forgotten first
    std::int32_t profile_id = 0;
    std::string script_name;
    auto operator<=>(const ScriptMinute&) const = default;
  };

  std::string field_of(std::int64_t minute) const;

  SidecarKeys sidecar_;
  LiveKeys live_;
  std::string folded_id_;  // of the last entry in the minutes
  std::map<ScriptMinute, model::LatencySummary>
      minutes_;                           // of the last kLatencyMinutesKnown minutes
  std::map<ScriptMinute, bool> touched_;  // since they were written; true: a minute that has begun
  std::int64_t written_ns_ = 0;
};

}  // namespace ddt::redis
