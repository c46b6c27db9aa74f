// sidecar/redis/live.hpp — Blocks → writes of live values and update messages (docs/formats/live.md).
//
// Values    JSON objects that begin with {"event_time_ns":"…"; the append script keeps a value when
//           a stored one is of a later event time. Decimals are strings, what was not said is null.
// Old news  A replay of years must not flood Redis: facts, latencies and messages of Events older than
//           kLiveTtlS before now are left out. States are written, they are one command per batch.
// Threads   One: the appending one.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "shm/base/result.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/redis/client.hpp"
#include "sidecar/redis/journal.hpp"
#include "sidecar/redis/keys.hpp"

namespace ddt::redis {

inline constexpr std::int64_t kLatencyMinutesKnown = 3;  // later ones are read again from Redis

// Latencies of the last hour per script and minute, as Redis holds them: what is written is the whole
// Summary of a minute, so writing it twice changes nothing. Fields are "<unix minute>:<sidecar id>":
// two hosts that run one script do not overwrite each other, readers merge.
class LiveLatency {
 public:
  explicit LiveLatency(std::string sidecar_id) : sidecar_id_(std::move(sidecar_id)) {}

  // Reads the minutes these Blocks touch, where they are not known: one round trip per new minute.
  Status load(Client& client, const LiveKeys& keys, std::span<const model::Block> blocks,
              std::int64_t now_ns);

  // Folds the Blocks in; gives the commands that make Redis hold the result, minutes older than an hour
  // removed. Minutes outside the last hour are left out.
  std::vector<LiveCommand> fold(std::span<const model::Block> blocks, std::int64_t now_ns,
                                const LiveKeys& keys);

  // Redis may hold something else than we think: read again before the next fold.
  void forget() { minutes_.clear(); }

  std::size_t minutes_known() const noexcept { return minutes_.size(); }

 private:
  struct ScriptMinute {
    std::int64_t minute = 0;  // first: the oldest are forgotten first
    std::int32_t profile_id = 0;
    std::string script_name;
    auto operator<=>(const ScriptMinute&) const = default;
  };

  std::string field_of(std::int64_t minute) const;

  std::string sidecar_id_;
  std::map<ScriptMinute, model::LatencySummary>
      minutes_;  // of the last kLatencyMinutesKnown minutes
};

// All writes and messages for these Blocks. Pure but for the latencies it folds.
LivePart live_part(std::span<const model::Block> blocks, std::int64_t now_ns, const LiveKeys& keys,
                   LiveLatency& latency);

// JSON of one Event as its live key holds it: {"event_time_ns":"…","timestamp":"…",…}
std::string live_json(const model::Event& event);

// Marks a script offline, once its Segment's lock is free: unless someone was seen later than that.
LiveCommand offline_command(const LiveKeys& keys, std::int32_t profile_id,
                            std::string_view script_name, std::string_view segment_name,
                            std::int64_t last_seen_ns);

// What the appending thread holds.
//
//   live.load(writer.client(), blocks, now_ns) → live.part(blocks, now_ns) → writer.append(entry, positions, part)
//   any of them failed → live.forget()
//
// Not for fill Blocks: their live values were written when they were drained first.
class LiveValues {
 public:
  LiveValues(LiveKeys keys, std::string sidecar_id)
      : keys_(std::move(keys)), latency_(std::move(sidecar_id)) {}

  Status load(Client& client, std::span<const model::Block> blocks, std::int64_t now_ns) {
    return latency_.load(client, keys_, blocks, now_ns);
  }
  LivePart part(std::span<const model::Block> blocks, std::int64_t now_ns) {
    return live_part(blocks, now_ns, keys_, latency_);
  }
  void forget() { latency_.forget(); }
  const LiveKeys& keys() const noexcept { return keys_; }

 private:
  LiveKeys keys_;
  LiveLatency latency_;
};

}  // namespace ddt::redis
