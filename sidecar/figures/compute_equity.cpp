// METRICS section 3: the account's equity by the minute, and all trades.
#include <map>
#include <optional>

#include "sidecar/figures/compute.hpp"
#include "sidecar/figures/read_facts.hpp"
#include "sidecar/model/ratio.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::sidecar {
namespace {

struct ReasonFigures {
  std::uint64_t closes = 0, without_pnl = 0;
  model::CheckedSum pnl_e24;
};

void add_trades(FigureRows& rows, std::span<const model::TradeRow> trades) {
  model::TradeSummary summary;
  std::map<std::string_view, ReasonFigures> by_reason;
  for (const model::TradeRow& trade : trades) {
    summary.add(trade);
    ReasonFigures& reason = by_reason[trade.exit_reason];
    ++reason.closes;
    if (const auto pnl = model::counted_pnl_unrounded(trade)) {
      reason.pnl_e24.add(*pnl);
    } else {
      ++reason.without_pnl;
    }
  }
  rows.all(model::trade_figures(summary));
  rows.all(model::streak_figures(trades));
  for (const auto& [exit_reason, reason] : by_reason) {
    const std::string labels = "exit_reason=" + std::string(exit_reason);
    rows.count("closes", reason.closes, labels);
    if (reason.without_pnl == reason.closes) {
      rows.null("pnl", "no_pnl", labels);
    } else if (reason.pnl_e24.overflow) {
      rows.null("pnl", "overflow", labels);
    } else {
      rows.value("pnl", rescale(reason.pnl_e24.value, 24, 8), labels);
    }
  }
}

// One Window's minutes, put together in time order.
struct EquitySpan {
  model::DrawdownFold fold;
  std::optional<model::EquityMinute> last;
  std::int64_t open_e8 = 0, high_e8 = 0, low_e8 = 0;
  model::CheckedSum cash_flow_e8, margin_pct_sum_e8;
  bool has_cash_flow = false;
  std::int64_t margin_pct_max_e8 = kNullE8;
  std::uint64_t margin_readings = 0;

  void add(const model::EquityMinute& minute) {
    if (!last) {
      open_e8 = minute.open_e8;
      high_e8 = minute.high_e8;
      low_e8 = minute.low_e8;
    }
    fold.add(minute);
    high_e8 = std::max(high_e8, minute.high_e8);
    low_e8 = std::min(low_e8, minute.low_e8);
    if (minute.has_cash_flow) cash_flow_e8.add(minute.cash_flow_e8);
    has_cash_flow = has_cash_flow || minute.has_cash_flow;
    margin_pct_sum_e8.add(minute.margin_pct_sum_e8);
    if (!is_null(minute.margin_pct_max_e8))
      margin_pct_max_e8 = std::max(margin_pct_max_e8, minute.margin_pct_max_e8);
    margin_readings += minute.margin_readings;
    last = minute;
  }
};

std::optional<int128> said(std::int64_t value_e8) {
  return is_null(value_e8) ? std::nullopt : std::optional<int128>(value_e8);
}

std::string drawdown_notes(const model::Drawdown& drawdown) {
  std::string notes;
  const auto add = [&notes](const std::string& member) {
    if (!notes.empty()) notes += ',';
    notes += member;
  };
  if (drawdown.unadjusted) add("\"unadjusted\":true");
  if (drawdown.peak_time_ns != model::kNoTime)
    add("\"peak_time\":\"" + model::rfc3339(drawdown.peak_time_ns) + "\"");
  if (drawdown.trough_time_ns != model::kNoTime)
    add("\"trough_time\":\"" + model::rfc3339(drawdown.trough_time_ns) + "\"");
  return notes;
}

void add_drawdown(FigureRows& rows, const EquitySpan& span) {
  const auto drawdown = span.fold.result();
  if (!drawdown || drawdown->overflow) {
    for (const char* name :
         {"max_drawdown", "max_drawdown_pct", "drawdown_current", "longest_underwater"})
      rows.null(name, drawdown ? "overflow" : "no_readings");
    return;
  }
  const std::string notes = drawdown_notes(*drawdown);
  rows.value("max_drawdown", drawdown->max_drawdown_e8).notes = notes;
  rows.value("max_drawdown_pct", drawdown->max_drawdown_pct_e8).notes = notes;
  rows.value("drawdown_current", drawdown->drawdown_current_e8);
  rows.value("longest_underwater",
             divide_rounded(int128{drawdown->longest_underwater_ns} * kE8, model::kNsPerSecond));
}

void add_margin(FigureRows& rows, const EquitySpan& span) {
  const model::EquityMinute& last = *span.last;
  const auto last_pct = is_null(last.margin_used_e8)
                            ? std::nullopt
                            : model::margin_utilization_pct_e8(last.margin_used_e8, last.close_e8);
  const char* reason = last.close_e8 <= 0 ? "no_equity" : "not_reported";
  rows.value_or("margin_utilization_pct",
                last_pct ? std::optional<int128>(*last_pct) : std::nullopt, reason);
  if (span.margin_readings == 0) {
    rows.null("margin_utilization_pct_avg", reason);
  } else if (span.margin_pct_sum_e8.overflow) {
    rows.null("margin_utilization_pct_avg", "overflow");
  } else {
    rows.value("margin_utilization_pct_avg",
               divide_rounded(span.margin_pct_sum_e8.value, int128{span.margin_readings}));
  }
  rows.value_or("margin_utilization_pct_max", said(span.margin_pct_max_e8), reason);
}

void add_equity(FigureRows& rows, const EquitySpan& span) {
  if (!span.last) {
    for (const char* name :
         {"current_equity", "unrealized_pnl", "realized_pnl", "total_pnl", "equity_open",
          "equity_high", "equity_low", "equity_close", "cash_flow", "margin_utilization_pct",
          "margin_utilization_pct_avg", "margin_utilization_pct_max"})
      rows.null(name, "no_readings");
    add_drawdown(rows, span);
    return;
  }
  const model::EquityMinute& last = *span.last;
  rows.value("current_equity", last.close_e8);
  rows.value_or("unrealized_pnl", said(last.unrealized_pnl_e8), "not_reported");
  rows.value_or("realized_pnl", said(last.realized_pnl_e8), "not_reported");
  rows.value_or("total_pnl", model::total_pnl_e8(last.realized_pnl_e8, last.unrealized_pnl_e8),
                "not_reported");
  rows.value("equity_open", span.open_e8);
  rows.value("equity_high", span.high_e8);
  rows.value("equity_low", span.low_e8);
  rows.value("equity_close", last.close_e8);
  if (span.cash_flow_e8.overflow) {
    rows.null("cash_flow", "overflow");
  } else if (span.has_cash_flow) {
    rows.value("cash_flow", span.cash_flow_e8.value);
  } else {
    rows.null("cash_flow", "not_reported");
  }
  add_drawdown(rows, span);
  add_margin(rows, span);
}

}  // namespace

Result<ComputedWindows> compute_equity(sql::Connection& mysql,
                                       std::span<const StaleWindow> windows) {
  const std::int32_t profile_id = windows.front().key.profile_id;
  const std::vector<TimeSpan> spans = joined_spans(windows_of(windows));
  const auto trades = read_trades(mysql, profile_id, spans);
  if (!trades) return trades.error();
  const auto minutes = read_minutes(mysql, profile_id, spans);
  if (!minutes) return minutes.error();

  ComputedWindows computed;
  for (const StaleWindow& window : windows) {
    const auto [type, from_ns, to_ns] = window.key.window;
    const auto in_window = rows_between(*minutes, from_ns, to_ns, &MinuteRow::start_ns);
    EquitySpan span;
    if (in_window.data() != minutes->data()) {  // with the last equity before it
      const model::EquityMinute& before = (in_window.data() - 1)->equity;
      span.fold = model::DrawdownFold(before.close_e8, before.close_time_ns);
    }
    for (const MinuteRow& minute : in_window) span.add(minute.equity);
    FigureRows rows;
    add_trades(rows, rows_between(*trades, from_ns, to_ns, &model::TradeRow::exit_time_ns));
    add_equity(rows, span);
    computed.rows.push_back(std::move(rows).take());

    const MinuteRow* after = in_window.data() + in_window.size();
    if (window.stale == Stale::facts && after != minutes->data() + minutes->size())
      computed.neighbours.insert({.profile_id = profile_id,
                                  .metric_type = window.key.metric_type,
                                  .window = model::window_containing(type, after->start_ns)});
  }
  return computed;
}

}  // namespace ddt::sidecar
