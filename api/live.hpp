// api/live.hpp — the scripts of a profile as Redis knows them, and how they are doing (METRICS section 5).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/stores.hpp"
#include "sidecar/model/event.hpp"
#include "sidecar/model/summary.hpp"

namespace ddt::api {

inline constexpr std::int64_t kDefaultIntervalS = 2'100;  // the bots sleep up to 1,800 s by design

struct LiveScript {
  std::int64_t last_seen_ns = model::kNoTime;
  bool is_offline = false;  // its Segment's lock is free
  std::optional<redis::LiveValue> health = {}, rate_limit = {};
  std::optional<model::LatencySummary> latency = {};  // of the last 60 minutes
  std::vector<redis::LiveValue> errors = {};          // newest first
};

// By script. An Error says that Redis is away.
Result<std::map<std::string, LiveScript>> live_scripts(Stores& stores, std::int32_t profile_id,
                                                       std::int64_t now_ns, std::size_t errors_max);

// `offline` once its Segment's lock is free, `stale` after its own declared interval, else what it
// reports; `unknown` when it never said.
std::string status_of(const LiveScript& script, std::int64_t now_ns);

// The worst of two: error, offline, stale, degraded, an unknown word, unknown, stopping, starting, healthy.
std::string worse_status(std::string a, std::string b);

}  // namespace ddt::api
