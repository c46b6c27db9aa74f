// METRICS section 4: order chains, and the calls that made them.
#include <map>

#include "sidecar/figures/compute.hpp"
#include "sidecar/figures/read_facts.hpp"
#include "sidecar/model/order_span.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::string_view kLatency = "latency:";

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

Status add_rows(sql::Connection& mysql, const StaleWindow& window, const model::Stretch& stretch,
                model::OrderSpans& orders, std::set<WindowKey>& neighbours) {
  const TimeSpan rows{stretch.from_ns, stretch.to_ns};
  const auto chains = read_chains(mysql, window.key.profile_id, std::span(&rows, 1));
  if (!chains) return chains.error();
  const model::Window& of = window.key.window;
  const bool has_news = window.stale == Stale::facts && of.type == model::WindowType::hour;
  for (const model::KnownChain& chain : *chains) {
    orders.add(chain, stretch.from_ns, stretch.to_ns);
    if (!has_news) continue;
    for (const std::int64_t time_ns : chain.times_ns) {
      if (!of.contains(time_ns)) add_neighbours(window.key, time_ns, neighbours);
    }
  }
  return Done{};
}

Result<model::OrderSpans> orders_of(sql::Connection& mysql, const StaleWindow& window,
                                    std::set<WindowKey>& neighbours) {
  const auto pieces = pieces_of(mysql, window.key);
  if (!pieces) return pieces.error();
  model::OrderSpans orders;
  for (const model::Piece& piece : *pieces) {
    if (!piece.type) {
      if (auto added = add_rows(mysql, window, piece.stretch, orders, neighbours); !added)
        return added.error();
      continue;
    }
    orders.merge(*model::span_in<model::OrderSpans>(model::sections_of(piece.state)->first));
  }
  return orders;
}

}  // namespace

Result<ComputedWindows> compute_order(sql::Connection& mysql,
                                      std::span<const StaleWindow> windows) {
  const std::int32_t profile_id = windows.front().key.profile_id;
  const auto calls = calls_of(mysql, profile_id, windows, joined_spans(windows_of(windows)));
  if (!calls) return calls.error();
  ComputedWindows computed;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const auto orders = orders_of(mysql, windows[i], computed.neighbours);
    if (!orders) return orders.error();
    FigureRows rows;
    rows.all(orders->of("").known_figures());
    add_calls(rows, (*calls)[i]);
    computed.rows.push_back(std::move(rows).take());
    computed.states.push_back(
        has_state(windows[i].key.window)
            ? model::state_of_sections(windows[i].revision, model::section_of(*orders), {})
            : std::string());
  }
  return computed;
}

}  // namespace ddt::sidecar
