#include "api/routes/service.hpp"

#include <algorithm>

#include "api/history/sidecars.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr const char* kService = "deltadyno-telemetry";
constexpr int kHeartbeatS = 15;

constexpr const char* kPage = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>DeltaDyno Telemetry</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
code{font-size:.95em}li{margin:.2rem 0}</style></head><body>
<h1>DeltaDyno Telemetry</h1>
<p>This is the REST API. Replace <code>1</code> by a profile's id.</p>
<ul>
<li><a href="/api/v1/profiles">/api/v1/profiles</a></li>
<li><a href="/api/v1/health/system">/api/v1/health/system</a></li>
<li><a href="/api/v1/health/1">/api/v1/health/1</a></li>
<li><a href="/api/v1/metrics/breakout/1?days=30">/api/v1/metrics/breakout/1?days=30</a></li>
<li><a href="/api/v1/metrics/equity/1">/api/v1/metrics/equity/1</a></li>
<li><a href="/api/v1/metrics/orders/1">/api/v1/metrics/orders/1</a></li>
<li><a href="/api/v1/metrics/system/1">/api/v1/metrics/system/1</a></li>
<li><a href="/api/v1/metrics/1">/api/v1/metrics/1</a></li>
<li><a href="/api/v1/trades/1?limit=5">/api/v1/trades/1?limit=5</a></li>
<li><a href="/api/v1/trades/1/performance">/api/v1/trades/1/performance</a></li>
<li><a href="/api/v1/config">/api/v1/config</a></li>
</ul></body></html>
)";

Response json_response(const Json& body, int status = 200) {
  Response response{.status = status, .body = body.dump(), .headers = {}};
  response.set("Cache-Control", "no-store");
  return response;
}

// text/html named and not put behind application/json.
bool prefers_html(const Request& request) {
  const auto accept = request.header("accept");
  if (!accept) return false;
  const std::size_t html = accept->find("text/html");
  return html != std::string_view::npos && html < accept->find("application/json");
}

Response docs(const Context&, const Request&, const PathValues&) {
  Response page{.content_type = "text/html; charset=utf-8", .body = kPage, .headers = {}};
  page.set("Cache-Control", "no-cache");
  page.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
  return page;
}

Response root(const Context& context, const Request& request, const PathValues& values) {
  if (prefers_html(request)) return docs(context, request, values);
  Json body = Json::object();
  body.set("service", kService).set("version", context.options.version).set("docs", "/docs");
  return json_response(body);
}

Response health(const Context&, const Request&, const PathValues&) {
  return json_response(Json::object().set("status", "healthy").set("service", kService));
}

Response ready(const Context& context, const Request&, const PathValues&) {
  Stores& stores = context.stores.of_this_thread();
  const bool has_redis = static_cast<bool>(stores.live().ping());
  const auto version = stored_schema_version(stores);
  const bool has_mysql = version && *version > 0;
  const bool is_ready = has_redis && has_mysql;
  Json body = Json::object();
  body.set("status", is_ready ? "ready" : "not_ready").set("service", kService);
  body.set("redis", has_redis).set("mysql", has_mysql);
  Response response = json_response(body, is_ready ? 200 : 503);
  if (!is_ready) response.set("Retry-After", "2");
  return response;
}

// The name the client reached us by, without its port.
std::string host_of(const Context& context, const Request& request) {
  std::string host(request.header("host").value_or(context.options.bind));
  const std::size_t colon = host.rfind(':');
  if (colon != std::string::npos && host.find(']', colon) == std::string::npos) host.resize(colon);
  return host;
}

Response config(const Context& context, const Request& request, const PathValues&) {
  Json body = Json::object();
  body.set("service", kService).set("version", context.options.version);
  body.set("ws_url", "ws://" + host_of(context, request) + ":" +
                         std::to_string(context.options.ws_port) + "/ws/metrics/{profile_id}");
  body.set("ws_port", std::int32_t{context.options.ws_port}).set("ws_heartbeat_s", kHeartbeatS);
  return json_response(body);
}

struct SeenScript {
  std::int64_t last_seen_ns = model::kNoTime;
  std::string state = "offline";
};
using SeenProfiles = std::map<std::int32_t, std::map<std::string, SeenScript>>;

Status add_live_profiles(Stores& stores, SeenProfiles& profiles) {
  const auto ids = stores.live().profiles();
  if (!ids) return ids.error();
  for (const std::int32_t id : *ids) {
    const auto scripts = stores.live().scripts(id);
    if (!scripts) return scripts.error();
    auto& seen = profiles[id];
    for (const redis::ScriptSeen& script : *scripts) {
      seen[script.script_name] = {script.last_seen_ns, script.state};
    }
  }
  return Done{};
}

Response profiles(const Context& context, const Request& request, const PathValues&) {
  const Parameters parameters(request);
  const std::int64_t now_ns = context.now_ns();
  Stores& stores = context.stores.of_this_thread();
  SeenProfiles seen;
  const auto stored = stored_profiles(stores);
  if (stored) {
    for (const auto& [id, scripts] : *stored) {
      for (const auto& [name, time_ns] : scripts) seen[id][name].last_seen_ns = time_ns;
    }
  }
  const auto live = add_live_profiles(stores, seen);
  if (!live && !stored) return store_down("redis");

  Provenance provenance{live && stored ? "both" : live ? "live" : "history"};
  Json list = Json::array();
  for (const auto& [id, scripts] : seen) {
    std::int64_t last_seen_ns = model::kNoTime;
    Json names = Json::array();
    for (const auto& [name, script] : scripts) {
      last_seen_ns = std::max(last_seen_ns, script.last_seen_ns);
      Json one = Json::object();
      one.set("script_name", name).set("state", live ? Json(script.state) : Json("unknown"));
      names.push_back(one.set("last_seen", rfc3339_json(script.last_seen_ns)));
    }
    provenance.as_of_ns = std::max(provenance.as_of_ns, last_seen_ns);
    Json one = Json::object();
    one.set("profile_id", id).set("last_seen", rfc3339_json(last_seen_ns));
    list.push_back(one.set("scripts", std::move(names)));
  }
  Json body = Json::object();
  body.set("profiles", std::move(list)).set("meta", meta_json(provenance, now_ns));
  Response response{.body = body.dump(), .headers = {}};
  set_common_headers(response, parameters, provenance);
  return response;
}

}  // namespace

void add_service_routes(Router& router, const Context& context) {
  router.add("/", bound(root, context));
  router.add("/docs", bound(docs, context));
  router.add("/health", bound(health, context));
  router.add("/ready", bound(ready, context));
  router.add("/api/v1/config", bound(config, context));
  router.add("/api/v1/profiles", bound(profiles, context));
}

}  // namespace ddt::api
