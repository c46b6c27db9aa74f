// sidecar/redis/live.hpp — Blocks → writes of live values and update messages (docs/formats/live.md).
//
// Values    JSON objects that begin with {"event_time_ns":"…"; the append script keeps a value when
//           a stored one is of a later event time. Decimals are strings, what was not said is null.
// Old news  A replay of years must not flood Redis: facts, latencies and messages of Events older than
//           kLiveTtlS before now are left out. States are written, they are one command per batch.
// Threads   One: the appending one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "shm/base/result.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/redis/client.hpp"
#include "sidecar/redis/journal.hpp"
#include "sidecar/redis/keys.hpp"

namespace ddt::redis {

// Who was seen when, on its way to the registry: a script that speaks all the time is written once a second, one
// that begins, or begins anew in another Segment, at once.
class SeenScripts {
 public:
  static constexpr std::int64_t kWrittenEveryNs = 1'000'000'000;

  void see(std::int32_t profile_id, const std::string& script_name, std::int64_t last_seen_ns,
           const std::string& segment_name);
  // Writes of those whose time has come. now_ns: wall clock, as everywhere here.
  std::vector<LiveCommand> take(std::int64_t now_ns, const LiveKeys& keys);
  // Something waits, and take() would give it.
  bool is_due(std::int64_t now_ns) const noexcept { return now_ns >= due_ns_; }
  // The Segment has ended, which is written now: what waits of it is older than that.
  void ended(std::int32_t profile_id, const std::string& script_name,
             const std::string& segment_name);
  // Redis may not have what was taken: all of it again.
  void forget();

 private:
  struct Seen {
    std::int64_t last_seen_ns = 0;
    std::string segment_name;
    std::int64_t due_ns = 0;  // kNothing: Redis has it
    std::int64_t written_ns = 0;
  };
  static constexpr std::int64_t kNothing = std::numeric_limits<std::int64_t>::max();

  std::map<std::pair<std::int32_t, std::string>, Seen> scripts_;
  std::int64_t due_ns_ = kNothing;  // the earliest of them
};

// Which keys' TTLs are almost whole: renewing one is a write, and goes into the append-only file.
class RenewedTtls {
 public:
  static constexpr std::int64_t kRenewedEveryNs = 60'000'000'000;  // far below any TTL here

  // Takes the renewals that are not due yet out of the commands.
  void spare(std::vector<LiveCommand>& commands, std::int64_t now_ns);
  // Redis may not have what was given: all of it again.
  void forget() { renewed_ns_.clear(); }

 private:
  static constexpr std::int64_t kForgottenEveryNs = 3'600'000'000'000;

  std::unordered_map<std::string, std::int64_t> renewed_ns_;  // by key
  std::int64_t begun_ns_ = 0;
};

// All writes and messages for these Blocks, but for their latencies (live_latency.hpp), and what of the registry is
// due. Pure but for the scripts it sees and the TTLs it renews.
LivePart live_part(std::span<const model::Block> blocks, std::int64_t now_ns, const LiveKeys& keys,
                   SeenScripts& seen, RenewedTtls& ttls);

// JSON of one Event as its live key holds it: {"event_time_ns":"…","timestamp":"…",…}
std::string live_json(const model::Event& event);

// Marks a script offline, once its Segment's lock is free: unless someone was seen later than that.
LiveCommand offline_command(const LiveKeys& keys, std::int32_t profile_id,
                            std::string_view script_name, std::string_view segment_name,
                            std::int64_t last_seen_ns);

// What the appending thread holds.
//
//   live.part(blocks, now_ns) → writer.append(entry, positions, part)
//   failed → live.forget()
//
// Not for fill Blocks: their live values were written when they were drained first.
class LiveValues {
 public:
  explicit LiveValues(LiveKeys keys) : keys_(std::move(keys)) {}

  LivePart part(std::span<const model::Block> blocks, std::int64_t now_ns) {
    return live_part(blocks, now_ns, keys_, seen_, ttls_);
  }
  // Something is to be written even if no Block comes.
  bool is_due(std::int64_t now_ns) const noexcept { return seen_.is_due(now_ns); }
  LiveCommand offline(std::int32_t profile_id, const std::string& script_name,
                      const std::string& segment_name, std::int64_t last_seen_ns) {
    seen_.ended(profile_id, script_name, segment_name);
    return offline_command(keys_, profile_id, script_name, segment_name, last_seen_ns);
  }
  void forget() {
    seen_.forget();
    ttls_.forget();
  }
  const LiveKeys& keys() const noexcept { return keys_; }

 private:
  LiveKeys keys_;
  SeenScripts seen_;
  RenewedTtls ttls_;
};

}  // namespace ddt::redis
