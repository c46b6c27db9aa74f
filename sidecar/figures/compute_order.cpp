// METRICS section 4: order chains, and the calls that made them.
#include <map>

#include "sidecar/figures/compute.hpp"
#include "sidecar/figures/read_facts.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::string_view kLatency = "latency:";

bool is_left_out(std::string_view name) {
  return name == "open_orders" || name == "oldest_open_age";
}

void add_calls(FigureRows& rows, const model::LatencySummary& calls) {
  rows.value_or("avg_api_latency_ms", calls.avg_ms_e8(), "no_samples");
  rows.value_or("api_latency_p50", calls.quantile_ms_e8(500), "no_samples");
  rows.value_or("api_latency_p95", calls.quantile_ms_e8(950), "no_samples");
  rows.value_or("api_latency_p99", calls.quantile_ms_e8(990), "no_samples");
  rows.value_or("api_latency_max", calls.max_ms_e8(), "no_samples");
  rows.count("api_calls", calls.n());
  rows.count("api_errors", calls.errors());
  rows.count("rate_limited", calls.rate_limited());
  for (const auto& [outcome, count] : calls.outcomes) {
    if (outcome == 0 || outcome >= 400)
      rows.count("api_errors", count, "code=" + std::to_string(outcome));
  }
}

// Of each Window, in their order: all scripts and endpoints.
Result<std::vector<model::LatencySummary>> calls_of(sql::Connection& mysql, std::int32_t profile_id,
                                                    std::span<const StaleWindow> windows,
                                                    std::span<const TimeSpan> spans) {
  std::map<model::Window, model::LatencySummary*> slots;
  std::vector<model::LatencySummary> calls(windows.size());
  for (std::size_t i = 0; i < windows.size(); ++i) slots[windows[i].key.window] = &calls[i];
  const auto use = [&](std::string_view, std::string_view name, std::int64_t hour_ns,
                       std::string_view state) -> Status {
    if (!name.starts_with(kLatency)) return Done{};
    model::ByteReader reader(state);
    const auto summary = model::LatencySummary::decode(reader);
    if (!summary)
      return Error{.message = "mysql: dd_window_state: undecodable state of " + std::string(name)};
    for (const model::WindowType type : model::kWindowTypes) {
      const auto slot = slots.find(model::window_containing(type, hour_ns));
      if (slot != slots.end()) slot->second->merge(*summary);
    }
    return Done{};
  };
  if (auto read = for_each_hour_state(mysql, profile_id, spans, use); !read) return read.error();
  return calls;
}

bool has_row_in(const ChainRows& chain, const model::Window& window) {
  const auto first = std::ranges::lower_bound(chain.times_ns, window.start_ns);
  return first != chain.times_ns.end() && *first < window.end_ns;
}

}  // namespace

Result<ComputedWindows> compute_order(sql::Connection& mysql,
                                      std::span<const StaleWindow> windows) {
  const std::int32_t profile_id = windows.front().key.profile_id;
  const std::vector<TimeSpan> spans = joined_spans(windows_of(windows));
  const auto chains = read_chains(mysql, profile_id, spans);
  if (!chains) return chains.error();
  const auto calls = calls_of(mysql, profile_id, windows, spans);
  if (!calls) return calls.error();

  ComputedWindows computed;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const model::Window& window = windows[i].key.window;
    std::vector<model::OrderChain> in_window;
    for (const ChainRows& chain : *chains) {
      if (!has_row_in(chain, window)) continue;
      in_window.push_back(chain.chain);
      if (windows[i].stale != Stale::facts) continue;
      for (const std::int64_t time_ns : chain.times_ns) {
        if (!window.contains(time_ns))
          computed.neighbours.insert({.profile_id = profile_id,
                                      .metric_type = windows[i].key.metric_type,
                                      .window = model::window_containing(window.type, time_ns)});
      }
    }
    auto figures = model::order_figures(std::span<const model::OrderChain>(in_window),
                                        window.start_ns, window.end_ns)
                       .figures();
    std::erase_if(figures, [](const model::Figure& figure) { return is_left_out(figure.name); });
    FigureRows rows;
    rows.all(figures);
    add_calls(rows, (*calls)[i]);
    computed.rows.push_back(std::move(rows).take());
  }
  return computed;
}

}  // namespace ddt::sidecar
