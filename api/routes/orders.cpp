#include "api/routes/orders.hpp"

#include <set>
#include <utility>

#include "api/history/orders.hpp"
#include "api/history/scripts.hpp"
#include "api/routes/windows.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr int kOrderDays = 7;
constexpr std::size_t kScriptBytesMax = 50;

std::vector<model::Figure> latency_figures(const model::LatencySummary& latency) {
  const auto figure = [](const char* name, std::optional<int128> value_e8) {
    return model::Figure{name, value_e8, value_e8 ? "" : "no_samples"};
  };
  return {figure("avg_api_latency_ms", latency.avg_ms_e8()),
          figure("api_latency_p50_ms", latency.quantile_ms_e8(500)),
          figure("api_latency_p95_ms", latency.quantile_ms_e8(950)),
          figure("api_latency_p99_ms", latency.quantile_ms_e8(990)),
          figure("api_latency_max_ms", latency.max_ms_e8())};
}

model::LatencySummary calls_of(const model::SystemSpan& system,
                               const std::optional<std::string>& script_name) {
  model::LatencySummary sum;
  for (const auto& [name, script] : system.scripts) {
    if (script.calls && (!script_name || *script_name == name)) sum.merge(*script.calls);
  }
  return sum;
}

Json windows_json(const OrderHistory& orders, const SystemHistory& system,
                  const std::optional<std::string>& script_name, std::int64_t now_ns) {
  std::set<model::Window> windows;
  for (const auto& [window, spans] : orders.windows) {
    if (spans.of(script_name.value_or("")).rows > 0) windows.insert(window);
  }
  for (const auto& [window, span] : system.windows) {
    if (calls_of(span, script_name).n() > 0) windows.insert(window);
  }
  Json list = Json::array();
  for (const model::Window& one : windows) {
    Json json = window_head(one, now_ns);
    const auto chains = orders.windows.find(one);
    auto figures = (chains == orders.windows.end() ? model::OrderSpan()
                                                   : chains->second.of(script_name.value_or("")))
                       .known_figures();
    const auto spans = system.windows.find(one);
    const auto calls = spans == system.windows.end() ? model::LatencySummary()
                                                     : calls_of(spans->second, script_name);
    for (auto& figure : latency_figures(calls)) figures.push_back(std::move(figure));
    set_figures(json, figures);
    json.set("api_calls", calls.n());
    list.push_back(std::move(json));
  }
  return list;
}

Response orders(const Context& context, const Request& request, const PathValues& values) {
  Parameters parameters(request);
  const std::int64_t now_ns = context.now_ns();
  const std::int32_t profile_id = parameters.profile_id(values);
  const Range range = parameters.range(kOrderDays, now_ns);
  const auto script_name = parameters.text("script_name", kScriptBytesMax);
  const auto window = parameters.window();
  if (auto bad = parameters.problems()) return *bad;

  Stores& stores = context.stores.of_this_thread();
  const Range hours = snapped(range, model::kNsPerHour);
  const auto read = stores.in_snapshot([&]() -> Result<std::pair<OrderHistory, SystemHistory>> {
    auto chains = order_history(stores, profile_id, range, window);
    if (!chains) return chains.error();
    auto system = system_history(stores, profile_id, hours, window, Parts::calls);
    if (!system) return system.error();
    return std::pair(std::move(*chains), std::move(*system));
  });
  if (!read) return store_down("mysql");
  const auto& [chains, system] = *read;

  ObjectAnswer answer(profile_id);
  const model::OrderSpan& orders_of_script = chains.range.of(script_name.value_or(""));
  const auto calls = calls_of(system.range, script_name);
  answer.figures(orders_of_script.known_figures());
  answer.figures(latency_figures(calls));
  answer.set("api_calls", calls.n());
  answer.set("latency_range", range_json(hours));
  if (window) answer.set("windows", windows_json(chains, system, script_name, now_ns));
  return std::move(answer).finish(parameters, request, range,
                                  {"history", orders_of_script.last_row_ns}, now_ns);
}

}  // namespace

void add_order_routes(Router& router, const Context& context) {
  router.add("/api/v1/metrics/orders/{profile_id}", bound(orders, context));
}

}  // namespace ddt::api
