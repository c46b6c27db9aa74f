// METRICS section 2: signals, and the trades that follow them.
#include <map>
#include <set>
#include <utility>

#include "sidecar/figures/compute.hpp"
#include "sidecar/figures/read_facts.hpp"

namespace ddt::sidecar {
namespace {

// One per signal_id, whoever said it; one each where there is none.
struct SignalCount {
  std::set<std::string_view> ids;
  std::uint64_t without_id = 0;

  void add(const SignalRow& signal) {
    if (signal.signal_id.empty()) {
      ++without_id;
    } else {
      ids.insert(signal.signal_id);
    }
  }
  std::uint64_t count() const { return ids.size() + without_id; }
};

void add_signals(FigureRows& rows, std::span<const SignalRow> signals) {
  SignalCount all;
  std::map<std::string_view, SignalCount> suppressed;
  for (const SignalRow& signal : signals) {
    all.add(signal);
    if (signal.fate == "suppressed") suppressed[signal.reason].add(signal);
  }
  rows.count("total_signals", all.count());
  for (const auto& [reason, signals_of_reason] : suppressed)
    rows.count("signals_suppressed", signals_of_reason.count(), "reason=" + std::string(reason));
}

void add_placements(FigureRows& rows, std::span<const PlacementRow> placements) {
  model::LatencySummary summary;
  for (const PlacementRow& placement : placements) summary.add(placement.latency_ns, 200);
  for (const auto& [name, permille] : {std::pair{"order_placement_latency_p50", 500U},
                                       {"order_placement_latency_p95", 950U},
                                       {"order_placement_latency_p99", 990U}})
    rows.value_or(name, summary.quantile_ms_e8(permille), "no_samples");
}

}  // namespace

Result<ComputedWindows> compute_breakout(sql::Connection& mysql,
                                         std::span<const StaleWindow> windows) {
  const std::int32_t profile_id = windows.front().key.profile_id;
  const std::vector<TimeSpan> spans = joined_spans(windows_of(windows));
  auto trades = read_trades(mysql, profile_id, spans);
  if (!trades) return trades.error();
  std::erase_if(*trades,
                [](const model::TradeRow& trade) { return !model::is_breakout_trade(trade); });
  const auto signals = read_signals(mysql, profile_id, spans);
  if (!signals) return signals.error();
  const auto placements = read_placements(mysql, profile_id, spans);
  if (!placements) return placements.error();

  ComputedWindows computed;
  for (const StaleWindow& window : windows) {
    const auto [type, from_ns, to_ns] = window.key.window;
    const auto in_window = rows_between(*trades, from_ns, to_ns, &model::TradeRow::exit_time_ns);
    model::TradeSummary summary;
    for (const model::TradeRow& trade : in_window) summary.add(trade);
    FigureRows rows;
    add_signals(rows, rows_between(*signals, from_ns, to_ns, &SignalRow::event_time_ns));
    rows.all(model::breakout_figures(summary));
    rows.all(model::streak_figures(in_window));
    add_placements(rows, rows_between(*placements, from_ns, to_ns, &PlacementRow::event_time_ns));
    computed.rows.push_back(std::move(rows).take());
  }
  return computed;
}

}  // namespace ddt::sidecar
