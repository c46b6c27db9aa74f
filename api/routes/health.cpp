#include "api/routes/health.hpp"

#include <algorithm>
#include <set>

#include "api/history/scripts.hpp"
#include "api/history/sidecars.hpp"
#include "api/live.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr std::size_t kErrorsShown = 10;  // per script
constexpr int kLookBackDays = 30;

Json live_errors_json(const std::vector<redis::LiveValue>& errors) {
  Json list = Json::array();
  for (const redis::LiveValue& error : errors) {
    Json item = Json::object();
    item.set("timestamp", rfc3339_json(error.event_time_ns));
    for (const char* name : {"severity", "code", "text", "metadata"}) {
      const auto* value = error.object.find(name);
      item.set(name, value == nullptr ? Json() : Json::raw(value->to_json()));
    }
    list.push_back(std::move(item));
  }
  return list;
}

Json age_json(std::int64_t time_ns, std::int64_t now_ns) {
  if (time_ns == model::kNoTime) return {};
  return std::max<std::int64_t>(0, now_ns - time_ns) / model::kNsPerSecond;
}

struct ScriptHealth {
  std::string status;
  std::int64_t last_seen_ns = model::kNoTime;
  Json json = Json::object();
};

Json count_of(const std::optional<redis::LiveValue>& health, const char* name, const Json* stored) {
  if (health) return health->object.int_or(name, 0);
  return stored == nullptr ? Json() : *stored;
}

ScriptHealth live_health(const std::string& name, const LiveScript& live,
                         const StoredScript* stored, std::int64_t now_ns) {
  ScriptHealth script{.status = status_of(live, now_ns), .last_seen_ns = live.last_seen_ns};
  if (live.health) {
    script.last_seen_ns = std::max(script.last_seen_ns, live.health->event_time_ns);
  }
  script.json.set("script_name", name).set("status", script.status);
  script.json.set("last_seen", rfc3339_json(script.last_seen_ns));
  script.json.set("heartbeat_age_s", age_json(script.last_seen_ns, now_ns));
  script.json.set("error_count", count_of(live.health, "error_count",
                                          stored == nullptr ? nullptr : &stored->error_count));
  script.json.set("warning_count", count_of(live.health, "warning_count",
                                            stored == nullptr ? nullptr : &stored->warning_count));
  script.json.set("recent_errors", live_errors_json(live.errors));
  return script;
}

Result<ScriptHealth> stored_health(Stores& stores, std::int32_t profile_id, const std::string& name,
                                   const StoredScript& stored, const char* status,
                                   std::int64_t now_ns) {
  auto errors = stored_errors(stores, profile_id, name, static_cast<std::int64_t>(kErrorsShown));
  if (!errors) return errors.error();
  ScriptHealth script{.status = status, .last_seen_ns = stored.last_seen_ns};
  script.json.set("script_name", name).set("status", status);
  script.json.set("last_seen", rfc3339_json(stored.last_seen_ns));
  script.json.set("heartbeat_age_s", age_json(stored.last_seen_ns, now_ns));
  script.json.set("error_count", stored.error_count);
  script.json.set("warning_count", stored.warning_count);
  script.json.set("recent_errors", std::move(*errors));
  return script;
}

Response profile_health(const Context& context, const Request& request, const PathValues& values) {
  Parameters parameters(request);
  const std::int32_t profile_id = parameters.profile_id(values);
  if (auto bad = parameters.problems()) return *bad;
  const std::int64_t now_ns = context.now_ns();
  Stores& stores = context.stores.of_this_thread();
  const auto live = live_scripts(stores, profile_id, now_ns, kErrorsShown);
  const auto stored = stored_scripts(
      stores, profile_id,
      snapped({now_ns - kLookBackDays * model::kNsPerDay, now_ns + model::kNsPerHour},
              model::kNsPerHour));
  if (!live && !stored) return store_down("redis");

  std::vector<ScriptHealth> scripts;
  if (live) {
    for (const auto& [name, script] : *live) {
      const bool is_stored = stored && stored->contains(name);
      scripts.push_back(live_health(name, script, is_stored ? &stored->at(name) : nullptr, now_ns));
    }
  }
  bool has_stored = false;
  if (stored) {
    for (const auto& [name, script] : *stored) {
      if (live && live->contains(name)) continue;
      auto health =
          stored_health(stores, profile_id, name, script, live ? "offline" : "unknown", now_ns);
      if (!health) return store_down("mysql");
      has_stored = true;
      scripts.push_back(std::move(*health));
    }
  }

  ObjectAnswer answer(profile_id);
  std::string status = scripts.empty() ? "unknown" : "healthy";
  Provenance provenance{!live ? "history" : has_stored ? "both" : "live"};
  Json list = Json::array();
  for (ScriptHealth& script : scripts) {
    status = worse_status(status, script.status);
    provenance.as_of_ns = std::max(provenance.as_of_ns, script.last_seen_ns);
    list.push_back(std::move(script.json));
  }
  answer.set("status", status);
  if (!live) answer.reason("status", "redis_down");
  answer.set("scripts", std::move(list));
  return std::move(answer).finish_without_range(parameters, provenance, now_ns);
}

// ── the telemetry itself ─────────────────────────────────────────────────────────────────────────

// Its own numbers where a sidecar speaks; what MySQL has committed where none does.
Json ledger_of_status(const model::JsonValue& ledger) {
  Json json = Json::object();
  for (const auto& [name, value] : ledger.members()) json.set(name, Json::raw(value.to_json()));
  return json;
}

Json ledger_of_commits(const CommittedLedger& committed) {
  Json json = Json::object();
  json.set("produced", committed.produced);
  json.set("stored", committed.stored_samples + committed.stored_states + committed.stored_facts);
  json.set("dropped",
           committed.dropped_samples + committed.dropped_states + committed.dropped_facts);
  json.set("dropped_samples", committed.dropped_samples);
  json.set("dropped_states", committed.dropped_states);
  json.set("dropped_facts", committed.dropped_facts);
  json.set("refused", committed.refused).set("rejected", committed.rejected);
  json.set("lost", committed.lost).set("in_flight", Json()).set("residual", Json());
  json.set("reasons", Json::object().set("in_flight", "no_sidecar").set("residual", "no_sidecar"));
  return json;
}

// Adds b's counts to a's; what is no whole number is a's.
void add_counts(std::map<std::string, std::int64_t>& sums, const model::JsonValue& ledger) {
  for (const auto& [name, value] : ledger.members()) {
    if (const auto count = value.as_int()) sums[name] += *count;
  }
}

Result<std::map<std::string, model::JsonValue>> statuses(Stores& stores,
                                                         const std::string& only_id) {
  std::vector<std::string> ids{only_id};
  if (only_id.empty()) {
    auto known = stores.live().sidecar_ids();
    if (!known) return known.error();
    ids = std::move(*known);
  }
  std::map<std::string, model::JsonValue> found;
  for (const std::string& id : ids) {
    auto status = stores.live().sidecar_status(id);
    if (!status) return status.error();
    if (*status) found.emplace(id, std::move((*status)->object));
  }
  return found;
}

Json sidecars_json(const std::map<std::string, model::JsonValue>& found) {
  Json sidecars = Json::object();
  for (const auto& [id, status] : found) sidecars.set(id, Json::raw(status.to_json()));
  return sidecars;
}

struct SystemHealth {
  bool has_redis = false, has_mysql = false;
  std::map<std::string, model::JsonValue> sidecars;
  std::optional<CommittedLedger> committed;
  std::optional<std::int64_t> schema_version;

  // mysql only when every sidecar says so.
  Json durability() const {
    if (sidecars.empty()) return {};
    std::string word = "mysql";
    for (const auto& [id, status] : sidecars) {
      const std::string said = status.string_or("durability", "unknown");
      if (said != "mysql") word = said;
    }
    return word;
  }
  std::string status() const {
    if (!has_redis && !has_mysql) return "error";
    const Json durable = durability();
    const bool is_degraded =
        !has_redis || !has_mysql || durable.is_null() || durable.dump() != "\"mysql\"";
    return is_degraded ? "degraded" : "healthy";
  }
  Json ledger() const {
    std::map<std::string, std::int64_t> sums;
    const model::JsonValue* only = nullptr;
    for (const auto& [id, status] : sidecars) {
      const auto* one = status.find("ledger");
      if (one == nullptr || !one->is_object()) continue;
      only = one;
      add_counts(sums, *one);
    }
    if (only != nullptr && sidecars.size() == 1) return ledger_of_status(*only);
    if (only != nullptr) {
      Json json = Json::object();
      for (const auto& [name, count] : sums) json.set(name, count);
      return json;
    }
    return committed ? ledger_of_commits(*committed) : Json();
  }
};

// Parts of a sidecar's status that speak about the store of that name.
void set_lags(Json& json, const SystemHealth& health, const char* name) {
  for (const auto& [id, status] : health.sidecars) {
    const auto* part = status.find(name);
    if (part == nullptr || !part->is_object()) continue;
    for (const auto& [key, value] : part->members()) json.set(key, Json::raw(value.to_json()));
  }
}

Json store_json(const SystemHealth& health, const char* name, bool is_reachable) {
  Json json = Json::object();
  json.set("reachable", is_reachable);
  set_lags(json, health, name);
  json.set("reachable", is_reachable);  // from here, whatever the sidecar sees
  if (json.find("lag_s") == nullptr) json.set("lag_s", Json());
  return json;
}

Response system_health(const Context& context, const Request& request, const PathValues&) {
  const Parameters parameters(request);
  const std::int64_t now_ns = context.now_ns();
  Stores& stores = context.stores.of_this_thread();
  SystemHealth health;
  if (auto found = statuses(stores, context.options.sidecar_id)) {
    health.has_redis = true;
    health.sidecars = std::move(*found);
  }
  if (const auto version = stored_schema_version(stores)) health.schema_version = *version;
  if (const auto committed = committed_ledger(stores)) {
    health.has_mysql = true;
    health.committed = *committed;
  }
  Json sidecar = Json::object();
  sidecar.set("reachable", !health.sidecars.empty());
  Json lag;
  for (const auto& [id, status] : health.sidecars) {
    if (const auto* value = status.find("lag_s")) lag = Json::raw(value->to_json());
  }
  sidecar.set("lag_s", std::move(lag)).set("status", sidecars_json(health.sidecars));

  Json body = Json::object();
  body.set("status", health.status()).set("durability", health.durability());
  body.set("redis", store_json(health, "redis", health.has_redis));
  body.set("mysql", store_json(health, "mysql", health.has_mysql));
  body.set("sidecar", std::move(sidecar)).set("ledger", health.ledger());
  body.set("version", context.options.version);
  body.set("schema_version", health.schema_version ? Json(*health.schema_version) : Json());
  const bool is_live = !health.sidecars.empty();
  const Provenance provenance{is_live && health.has_mysql ? "both"
                              : is_live                   ? "live"
                                                          : "history",
                              is_live || !health.committed ? now_ns : health.committed->updated_ns};
  body.set("meta", meta_json(provenance, now_ns));
  Response response{.body = body.dump(), .headers = {}};
  set_common_headers(response, parameters, provenance);
  return response;
}

}  // namespace

void add_health_routes(Router& router, const Context& context) {
  router.add("/api/v1/health/{profile_id}", bound(profile_health, context));
  router.add("/api/v1/health/system", bound(system_health, context));
}

}  // namespace ddt::api
