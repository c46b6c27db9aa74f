#include "api/live.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

int badness(std::string_view status) {
  static constexpr std::array<std::string_view, 4> kGood{"healthy", "starting", "stopping",
                                                         "unknown"};
  static constexpr std::array<std::string_view, 4> kBad{"degraded", "stale", "offline", "error"};
  for (std::size_t i = 0; i < kGood.size(); ++i) {
    if (kGood[i] == status) return static_cast<int>(i);
  }
  for (std::size_t i = 0; i < kBad.size(); ++i) {
    if (kBad[i] == status) return static_cast<int>(i + 5);
  }
  return 4;  // a word of the bot's own
}

}  // namespace

Result<std::map<std::string, LiveScript>> live_scripts(Stores& stores, std::int32_t profile_id,
                                                       std::int64_t now_ns,
                                                       std::size_t errors_max) {
  redis::LiveReader& live = stores.live();
  auto seen = live.scripts(profile_id);
  if (!seen) return seen.error();
  std::map<std::string, LiveScript> scripts;
  for (const redis::ScriptSeen& one : *seen) {
    LiveScript script{.last_seen_ns = one.last_seen_ns, .is_offline = one.state == "offline"};
    auto health = live.health(profile_id, one.script_name);
    if (!health) return health.error();
    auto rate_limit = live.rate_limit(profile_id, one.script_name);
    if (!rate_limit) return rate_limit.error();
    auto latency = live.latency_last_hour(profile_id, one.script_name, now_ns);
    if (!latency) return latency.error();
    if (errors_max > 0) {
      auto errors = live.errors(profile_id, one.script_name, errors_max);
      if (!errors) return errors.error();
      script.errors = std::move(*errors);
    }
    script.health = std::move(*health);
    script.rate_limit = std::move(*rate_limit);
    script.latency = std::move(*latency);
    scripts.emplace(one.script_name, std::move(script));
  }
  return scripts;
}

std::string status_of(const LiveScript& script, std::int64_t now_ns) {
  if (script.is_offline) return "offline";
  std::int64_t interval_s = kDefaultIntervalS;
  std::int64_t last_seen_ns = script.last_seen_ns;
  std::string reported = "unknown";
  if (script.health) {
    const auto& health = script.health->object;
    const std::int64_t declared_s = health.int_or("expected_interval_s", -1);
    if (declared_s > 0) interval_s = declared_s;
    last_seen_ns = std::max(last_seen_ns, script.health->event_time_ns);
    reported = health.string_or("status", "unknown");
    if (reported.empty()) reported = "unknown";
  }
  const bool is_stale =
      last_seen_ns == model::kNoTime || (now_ns - last_seen_ns) / model::kNsPerSecond > interval_s;
  return is_stale ? "stale" : reported;
}

std::string worse_status(std::string a, std::string b) { return badness(b) > badness(a) ? b : a; }

}  // namespace ddt::api
