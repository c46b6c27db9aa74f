// METRICS section 2: signals, and the trades that follow them.
#include <utility>

#include "sidecar/figures/compute.hpp"
#include "sidecar/figures/read_facts.hpp"
#include "sidecar/model/trade_span.hpp"

namespace ddt::sidecar {
namespace {

struct BreakoutSpan {
  model::TradeSpan trades;
  model::SignalSpans signals;
};

Status add_rows(sql::Connection& mysql, std::int32_t profile_id, const model::Stretch& stretch,
                BreakoutSpan& span) {
  const TimeSpan rows{stretch.from_ns, stretch.to_ns};
  const auto trades = read_trades(mysql, profile_id, std::span(&rows, 1));
  if (!trades) return trades.error();
  for (const model::TradeRow& trade : *trades) {
    if (model::is_breakout_trade(trade)) span.trades.add(trade);
  }
  const auto signals = read_signals(mysql, profile_id, std::span(&rows, 1));
  if (!signals) return signals.error();
  for (const SignalRow& signal : *signals) {
    span.signals.all.add(signal.signal_id);
    if (signal.fate == "suppressed") span.signals.suppressed[signal.reason].add(signal.signal_id);
  }
  const auto placements = read_placements(mysql, profile_id, std::span(&rows, 1));
  if (!placements) return placements.error();
  for (const PlacementRow& placement : *placements)
    span.signals.placements.add(placement.latency_ns, 200);
  return Done{};
}

Result<BreakoutSpan> span_of(sql::Connection& mysql, const WindowKey& key) {
  const auto pieces = pieces_of(mysql, key);
  if (!pieces) return pieces.error();
  BreakoutSpan span;
  for (const model::Piece& piece : *pieces) {
    if (!piece.type) {
      if (auto added = add_rows(mysql, key.profile_id, piece.stretch, span); !added)
        return added.error();
      continue;
    }
    const auto sections = model::sections_of(piece.state);
    span.trades.append(*model::span_in<model::TradeSpan>(sections->first));
    span.signals.merge(*model::span_in<model::SignalSpans>(sections->second));
  }
  return span;
}

std::vector<FigureRow> rows_of(const BreakoutSpan& span) {
  FigureRows rows;
  rows.count("total_signals", span.signals.all.count());
  for (const auto& [reason, signals] : span.signals.suppressed)
    rows.count("signals_suppressed", signals.count(), "reason=" + reason);
  rows.all(model::breakout_figures(span.trades.summary));
  rows.all(span.trades.streak_figures());
  for (const auto& [name, permille] : {std::pair{"order_placement_latency_p50", 500U},
                                       {"order_placement_latency_p95", 950U},
                                       {"order_placement_latency_p99", 990U}})
    rows.value_or(name, span.signals.placements.quantile_ms_e8(permille), "no_samples");
  return std::move(rows).take();
}

}  // namespace

Result<ComputedWindows> compute_breakout(sql::Connection& mysql,
                                         std::span<const StaleWindow> windows) {
  ComputedWindows computed;
  for (const StaleWindow& window : windows) {
    const WindowKey& key = window.key;
    auto span = span_of(mysql, key);
    if (!span) return span.error();
    // An id counts once, wherever its Records lie: the Windows of the others must know it by name, too.
    const TimeSpan inside{key.window.start_ns, key.window.end_ns};
    const auto elsewhere =
        key.window.type == model::WindowType::hour
            ? read_signals_elsewhere(mysql, key.profile_id, inside)
            : read_signals_elsewhere(mysql, key.profile_id, span->signals.all.shared, inside);
    if (!elsewhere) return elsewhere.error();
    std::set<std::string> ids;
    for (const auto& [id, times_ns] : *elsewhere) {
      ids.insert(id);
      if (window.stale != Stale::facts || key.window.type != model::WindowType::hour) continue;
      for (const std::int64_t time_ns : times_ns) add_neighbours(key, time_ns, computed.neighbours);
    }
    span->signals.settle(ids);
    computed.rows.push_back(rows_of(*span));
    computed.states.push_back(has_state(key.window)
                                  ? model::state_of_sections(window.revision,
                                                             model::section_of(span->trades),
                                                             model::section_of(span->signals))
                                  : std::string());
  }
  return computed;
}

}  // namespace ddt::sidecar
