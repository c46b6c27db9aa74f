#include "api/routes/system.hpp"

#include <algorithm>
#include <set>

#include "api/history/scripts.hpp"
#include "api/http/http1.hpp"
#include "api/live.hpp"
#include "api/routes/windows.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr std::size_t kScriptBytesMax = 50;
constexpr int kLookBackDays = 30;  // how far an expired live value is looked for in history

constexpr const char* kStateFields[] = {"rate_limit_remaining", "rate_limit_limit",
                                        "error_count",          "warning_count",
                                        "cpu_usage_pct",        "memory_usage_mb"};

void set_or_reason(Json& entry, Json& reasons, const char* name, Json value, const char* reason) {
  if (value.is_null()) reasons.set(name, reason);
  entry.set(name, std::move(value));
}

void set_latency(Json& entry, Json& reasons, const std::optional<model::LatencySummary>& latency,
                 const char* reason) {
  const auto figure = [&](const char* name, std::optional<int128> value_e8) {
    set_or_reason(entry, reasons, name, e8_json(value_e8), reason);
  };
  const model::LatencySummary none;
  const model::LatencySummary& summary = latency ? *latency : none;
  figure("api_latency_avg_ms", summary.avg_ms_e8());
  figure("api_latency_p50_ms", summary.quantile_ms_e8(500));
  figure("api_latency_p95_ms", summary.quantile_ms_e8(950));
  figure("api_latency_p99_ms", summary.quantile_ms_e8(990));
  figure("api_latency_min_ms", summary.min_ms_e8());
  figure("api_latency_max_ms", summary.max_ms_e8());
  entry.set("api_latency_count", summary.n());
}

void set_stored_state(Json& entry, Json& reasons, const StoredScript& stored) {
  const auto said = [&](const char* name, const Json& value) {
    set_or_reason(entry, reasons, name, value, "not_reported");
  };
  said("rate_limit_remaining", stored.rate_limit_remaining);
  said("rate_limit_limit", stored.rate_limit_limit);
  said("error_count", stored.error_count);
  said("warning_count", stored.warning_count);
  said("cpu_usage_pct", stored.cpu_usage_pct);
  said("memory_usage_mb", stored.memory_usage_mb);
  entry.set("timestamp", rfc3339_json(stored.last_seen_ns)).set("metadata", stored.metadata);
}

void set_no_state(Json& entry, Json& reasons, const char* reason) {
  for (const char* name : kStateFields) set_or_reason(entry, reasons, name, Json(), reason);
  entry.set("timestamp", Json()).set("metadata", Json::object());
}

Json number_of(const std::optional<redis::LiveValue>& value, const char* name) {
  return value ? e8_json(value->object.e8_or(name)) : Json();
}

// Each value live where it is, else the stored one. Says where the entry as a whole comes from.
Provenance set_live_state(Json& entry, Json& reasons, const LiveScript& live,
                          const StoredScript* stored) {
  bool is_live = false;
  bool is_stored = false;
  const auto either = [&](const char* name, Json value, const Json* otherwise) {
    if (!value.is_null()) {
      is_live = true;
    } else if (otherwise != nullptr && !otherwise->is_null()) {
      is_stored = true;
      value = *otherwise;
    }
    set_or_reason(entry, reasons, name, std::move(value), "not_reported");
  };
  const auto of_stored = [stored](Json StoredScript::*field) {
    return stored == nullptr ? nullptr : &(stored->*field);
  };
  either("rate_limit_remaining", number_of(live.rate_limit, "remaining"),
         of_stored(&StoredScript::rate_limit_remaining));
  either("rate_limit_limit", number_of(live.rate_limit, "limit"),
         of_stored(&StoredScript::rate_limit_limit));
  either("error_count", number_of(live.health, "error_count"),
         of_stored(&StoredScript::error_count));
  either("warning_count", number_of(live.health, "warning_count"),
         of_stored(&StoredScript::warning_count));
  either("cpu_usage_pct", number_of(live.health, "cpu_usage_pct"),
         of_stored(&StoredScript::cpu_usage_pct));
  either("memory_usage_mb", number_of(live.health, "memory_usage_mb"),
         of_stored(&StoredScript::memory_usage_mb));
  std::int64_t as_of_ns = live.last_seen_ns;
  if (live.health) as_of_ns = std::max(as_of_ns, live.health->event_time_ns);
  if (live.rate_limit) as_of_ns = std::max(as_of_ns, live.rate_limit->event_time_ns);
  if (!is_live && is_stored) as_of_ns = stored->last_seen_ns;
  entry.set("timestamp", rfc3339_json(as_of_ns));
  const auto* metadata = live.health ? live.health->object.find("metadata") : nullptr;
  const bool has_metadata = metadata != nullptr && metadata->is_object();
  entry.set("metadata", has_metadata        ? Json::raw(metadata->to_json())
                        : stored != nullptr ? stored->metadata
                                            : Json::object());
  return {is_live && is_stored ? "both" : is_stored ? "history" : "live", as_of_ns};
}

Json entry_head(std::int32_t profile_id, const std::string& script_name) {
  Json entry = Json::object();
  entry.set("profile_id", profile_id).set("script_name", script_name);
  return entry;
}

bool is_wanted(const std::optional<std::string>& script_name, const std::string& name) {
  return !script_name || *script_name == name;
}

struct Entries {
  Json list = Json::array();
  Provenance provenance{"live"};

  void add(Json entry, Json reasons, const Provenance& of_entry, std::int64_t now_ns) {
    if (list.size() == 0) {
      provenance.source = of_entry.source;
    } else if (provenance.source != of_entry.source) {
      provenance.source = "both";
    }
    provenance.as_of_ns = std::max(provenance.as_of_ns, of_entry.as_of_ns);
    entry.set("reasons", std::move(reasons)).set("meta", meta_json(of_entry, now_ns));
    list.push_back(std::move(entry));
  }
};

// ── the present ──────────────────────────────────────────────────────────────────────────────────

Response system_now(const Context& context, const Parameters& parameters, std::int32_t profile_id,
                    const std::optional<std::string>& script_name) {
  const std::int64_t now_ns = context.now_ns();
  Stores& stores = context.stores.of_this_thread();
  const Range hours = snapped(
      {now_ns - kLookBackDays * model::kNsPerDay, now_ns + model::kNsPerHour}, model::kNsPerHour);
  const auto live = live_scripts(stores, profile_id, now_ns, 0);
  const auto stored = stored_scripts(stores, profile_id, hours);
  if (!live && !stored) return store_down("redis");

  std::set<std::string> names;
  if (live) {
    for (const auto& [name, script] : *live) names.insert(name);
  }
  if (stored) {
    for (const auto& [name, script] : *stored) names.insert(name);
  }
  Entries entries;
  for (const std::string& name : names) {
    if (!is_wanted(script_name, name)) continue;
    Json entry = entry_head(profile_id, name);
    Json reasons = Json::object();
    const StoredScript* old = stored && stored->contains(name) ? &stored->at(name) : nullptr;
    Provenance provenance{"history"};
    if (!live) {
      entry.set("status", "unknown");
      reasons.set("status", "redis_down");
      set_latency(entry, reasons, std::nullopt, "redis_down");
      set_no_state(entry, reasons, "redis_down");
      provenance.as_of_ns = old == nullptr ? model::kNoTime : old->last_seen_ns;
    } else if (const auto found = live->find(name); found != live->end()) {
      entry.set("status", status_of(found->second, now_ns));
      set_latency(entry, reasons, found->second.latency, "no_samples");
      provenance = set_live_state(entry, reasons, found->second, old);
    } else {  // Redis has forgotten it: its TTL is over, so it has long been silent
      entry.set("status", "offline");
      set_latency(entry, reasons, std::nullopt, "no_samples");
      set_stored_state(entry, reasons, *old);
      provenance.as_of_ns = old->last_seen_ns;
    }
    entries.add(std::move(entry), std::move(reasons), provenance, now_ns);
  }
  Response response{.body = entries.list.dump(), .headers = {}};
  set_common_headers(response, parameters, entries.provenance);
  return response;
}

// ── a range ──────────────────────────────────────────────────────────────────────────────────────

// One script in a span of whole hours, from history.
void set_span(Json& entry, Json& reasons, const model::ScriptSpan& span) {
  const auto state = stored_script(span);
  const bool has_status = state && !state->status.empty();
  entry.set("status", has_status ? state->status : std::string("unknown"));
  if (!has_status) reasons.set("status", "not_reported");
  set_latency(entry, reasons, span.calls, "no_samples");
  if (state) {
    set_stored_state(entry, reasons, *state);
  } else {
    set_no_state(entry, reasons, "not_reported");
  }
}

// Every Window of the range in which a script said something: script → its windows.
std::map<std::string, Json> windows_of(const SystemHistory& history, std::int64_t now_ns) {
  std::map<std::string, Json> lists;
  for (const auto& [window, system] : history.windows) {
    for (const auto& [name, span] : system.scripts) {
      Json json = window_head(window, now_ns);
      Json reasons = Json::object();
      set_span(json, reasons, span);
      json.set("reasons", std::move(reasons));
      lists.try_emplace(name, Json::array()).first->second.push_back(std::move(json));
    }
  }
  return lists;
}

Response system_then(const Context& context, const Parameters& parameters, std::int32_t profile_id,
                     const Range& range, const std::optional<std::string>& script_name,
                     const std::optional<model::WindowType>& window) {
  const std::int64_t now_ns = context.now_ns();
  Stores& stores = context.stores.of_this_thread();
  const Range hours = snapped(range, model::kNsPerHour);
  const auto history = system_history(stores, profile_id, hours, window, Parts::all);
  if (!history) return store_down("mysql");
  const auto lists = windows_of(*history, now_ns);
  Entries entries;
  for (const auto& [name, span] : history->range.scripts) {
    if (!is_wanted(script_name, name)) continue;
    Json entry = entry_head(profile_id, name);
    Json reasons = Json::object();
    set_span(entry, reasons, span);
    entry.set("range", range_json(hours));
    if (window) {
      const auto list = lists.find(name);
      entry.set("windows", list == lists.end() ? Json::array() : list->second);
    }
    const auto state = stored_script(span);
    const Provenance provenance{"history", state ? state->last_seen_ns : model::kNoTime};
    entries.add(std::move(entry), std::move(reasons), provenance, now_ns);
  }
  entries.provenance.source = "history";
  Response response{.body = entries.list.dump(), .headers = {}};
  if (response.body.size() > kReplyBytesMax) {
    return bad_parameters({{"window", "too many windows for one reply: ask for a shorter range"}});
  }
  set_common_headers(response, parameters, entries.provenance);
  return response;
}

Response system(const Context& context, const Request& request, const PathValues& values) {
  Parameters parameters(request);
  const std::int32_t profile_id = parameters.profile_id(values);
  const auto script_name = parameters.text("script_name", kScriptBytesMax);
  const Range range = parameters.range(1, context.now_ns());
  const auto window = parameters.window();
  if (auto bad = parameters.problems()) return *bad;
  if (!range.is_explicit && !window) {
    return system_now(context, parameters, profile_id, script_name);
  }
  return system_then(context, parameters, profile_id, range, script_name, window);
}

}  // namespace

void add_system_routes(Router& router, const Context& context) {
  router.add("/api/v1/metrics/system/{profile_id}", bound(system, context));
}

}  // namespace ddt::api
