#include "api/routes/orders.hpp"

#include <set>

#include "api/history/orders.hpp"
#include "api/routes/windows.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr int kOrderDays = 7;
constexpr std::size_t kScriptBytesMax = 50;
// Chains are judged anew for every Window, over all rows: this bounds the work of one request.
constexpr std::size_t kRowVisitsMax = 20'000'000;

// Open chains without a row in the range are not read, so these would be too small.
bool is_of_open_orders(const std::string& name) {
  return name == "open_orders" || name == "oldest_open_age";
}

std::vector<model::Figure> chain_figures(std::span<const model::OrderRow> rows,
                                         std::int64_t from_ns, std::int64_t to_ns) {
  auto figures = model::order_figures(rows, from_ns, to_ns).figures();
  std::erase_if(figures, [](const auto& figure) { return is_of_open_orders(figure.name); });
  return figures;
}

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

// All scripts' samples of hours that begin in [from, to).
model::LatencySummary latency_between(const LatencyHours& latencies, std::int64_t from_ns,
                                      std::int64_t to_ns) {
  model::LatencySummary sum;
  for (const auto& [script, hours] : latencies) {
    for (auto hour = hours.lower_bound(from_ns); hour != hours.end() && hour->first < to_ns;
         ++hour) {
      sum.merge(hour->second);
    }
  }
  return sum;
}

std::set<model::Window> windows_with_news(const OrderRows& orders, const LatencyHours& latencies,
                                          const Range& whole, model::WindowType type) {
  std::set<model::Window> windows;
  const auto add = [&](std::int64_t time_ns) {
    if (time_ns >= whole.from_ns && time_ns < whole.to_ns) {
      windows.insert(model::window_containing(type, time_ns));
    }
  };
  for (const model::OrderRow& row : orders.rows) add(row.event_time_ns);
  for (const auto& [script, hours] : latencies) {
    for (const auto& [start_ns, latency] : hours) add(start_ns);
  }
  return windows;
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
  const Range whole = whole_windows(range, window);
  const Range hours = snapped(range, model::kNsPerHour);
  const auto rows = order_rows(stores, profile_id, whole, script_name);
  if (!rows) return store_down("mysql");
  const auto latencies =
      latency_hours(stores, profile_id, snapped(whole, model::kNsPerHour), script_name);
  if (!latencies) return store_down("mysql");

  ObjectAnswer answer(profile_id);
  const auto latency = latency_between(*latencies, hours.from_ns, hours.to_ns);
  answer.figures(chain_figures(rows->rows, range.from_ns, range.to_ns));
  answer.figures(latency_figures(latency));
  answer.set("api_calls", latency.n());
  answer.set("latency_range", range_json(hours));
  if (window) {
    const auto windows = windows_with_news(*rows, *latencies, whole, *window);
    if (windows.size() * rows->rows.size() > kRowVisitsMax) {
      return bad_parameters({{"window", "too many windows: ask for a shorter range"}});
    }
    Json list = Json::array();
    for (const model::Window& one : windows) {
      Json json = window_head(one, now_ns);
      const auto calls = latency_between(*latencies, one.start_ns, one.end_ns);
      auto figures = chain_figures(rows->rows, one.start_ns, one.end_ns);
      for (auto& figure : latency_figures(calls)) figures.push_back(std::move(figure));
      set_figures(json, figures);
      json.set("api_calls", calls.n());
      list.push_back(std::move(json));
    }
    answer.set("windows", std::move(list));
  }
  return std::move(answer).finish(parameters, request, range, {"history", rows->newest_ns}, now_ns);
}

}  // namespace

void add_order_routes(Router& router, const Context& context) {
  router.add("/api/v1/metrics/orders/{profile_id}", bound(orders, context));
}

}  // namespace ddt::api
