// METRICS section 3: the account's equity by the minute, and all trades.
#include <optional>

#include "sidecar/figures/compute.hpp"
#include "sidecar/figures/read_facts.hpp"
#include "sidecar/model/equity_span.hpp"
#include "sidecar/model/ratio.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/model/trade_span.hpp"

namespace ddt::sidecar {
namespace {

struct Span {
  model::AccountTrades account;
  model::EquitySpan equity;  // without what was before it
};

void add_trades(FigureRows& rows, const model::AccountTrades& account) {
  rows.all(model::trade_figures(account.trades.summary));
  rows.all(account.trades.streak_figures());
  for (const auto& [exit_reason, reason] : account.reasons) {
    const std::string labels = "exit_reason=" + exit_reason;
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

void add_drawdown(FigureRows& rows, const model::EquitySpan& span) {
  const auto drawdown = span.drawdown();
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

void add_margin(FigureRows& rows, const model::EquitySpan& span) {
  const model::EquityMinute& last = span.last();
  const auto last_pct = is_null(last.margin_used_e8)
                            ? std::nullopt
                            : model::margin_utilization_pct_e8(last.margin_used_e8, last.close_e8);
  const char* reason = last.close_e8 <= 0 ? "no_equity" : "not_reported";
  rows.value_or("margin_utilization_pct",
                last_pct ? std::optional<int128>(*last_pct) : std::nullopt, reason);
  if (span.margin_readings() == 0) {
    rows.null("margin_utilization_pct_avg", reason);
  } else if (span.margin_pct_sum_e8().overflow) {
    rows.null("margin_utilization_pct_avg", "overflow");
  } else {
    rows.value("margin_utilization_pct_avg",
               divide_rounded(span.margin_pct_sum_e8().value, int128{span.margin_readings()}));
  }
  rows.value_or("margin_utilization_pct_max", said(span.margin_pct_max_e8()), reason);
}

void add_equity(FigureRows& rows, const model::EquitySpan& span) {
  if (span.is_empty()) {
    for (const char* name :
         {"current_equity", "unrealized_pnl", "realized_pnl", "total_pnl", "equity_open",
          "equity_high", "equity_low", "equity_close", "cash_flow", "margin_utilization_pct",
          "margin_utilization_pct_avg", "margin_utilization_pct_max"})
      rows.null(name, "no_readings");
    add_drawdown(rows, span);
    return;
  }
  const model::EquityMinute& last = span.last();
  rows.value("current_equity", last.close_e8);
  rows.value_or("unrealized_pnl", said(last.unrealized_pnl_e8), "not_reported");
  rows.value_or("realized_pnl", said(last.realized_pnl_e8), "not_reported");
  rows.value_or("total_pnl", model::total_pnl_e8(last.realized_pnl_e8, last.unrealized_pnl_e8),
                "not_reported");
  rows.value("equity_open", span.open_e8());
  rows.value("equity_high", span.high_e8());
  rows.value("equity_low", span.low_e8());
  rows.value("equity_close", last.close_e8);
  if (span.cash_flow_e8().overflow) {
    rows.null("cash_flow", "overflow");
  } else if (span.has_cash_flow()) {
    rows.value("cash_flow", span.cash_flow_e8().value);
  } else {
    rows.null("cash_flow", "not_reported");
  }
  add_drawdown(rows, span);
  add_margin(rows, span);
}

Status append_minutes(sql::Connection& mysql, const WindowKey& key, const model::Stretch& stretch,
                      model::EquitySpan& span) {
  const auto minutes = read_minutes(mysql, key.profile_id, {stretch.from_ns, stretch.to_ns});
  if (!minutes) return minutes.error();
  for (const MinuteRow& minute : *minutes) span.append(model::EquitySpan::of(minute.equity));
  return Done{};
}

// Appends what happened in the stretch, in pieces small enough to be exact.
Status append_equity(sql::Connection& mysql, const WindowKey& key, const model::Piece& piece,
                     model::EquitySpan& span) {
  if (!piece.type) return append_minutes(mysql, key, piece.stretch, span);
  const auto equity = *model::span_in<model::EquitySpan>(model::sections_of(piece.state)->first);
  if (span.is_exact(equity)) {
    span.append(equity);
    return Done{};
  }
  if (piece.type == model::WindowType::hour) return append_minutes(mysql, key, piece.stretch, span);
  const auto shorter =
      piece.type == model::WindowType::day ? model::WindowType::hour : model::WindowType::day;
  const auto pieces = pieces_of(mysql, key, piece.stretch, shorter);
  if (!pieces) return pieces.error();
  for (const model::Piece& one : *pieces) {
    if (auto appended = append_equity(mysql, key, one, span); !appended) return appended;
  }
  return Done{};
}

Status append_trades(sql::Connection& mysql, const WindowKey& key, const model::Piece& piece,
                     model::AccountTrades& account) {
  if (piece.type) {
    const auto sections = model::sections_of(piece.state);
    account.append(*model::span_in<model::AccountTrades>(sections->second));
    return Done{};
  }
  const TimeSpan rows{piece.stretch.from_ns, piece.stretch.to_ns};
  const auto trades = read_trades(mysql, key.profile_id, std::span(&rows, 1));
  if (!trades) return trades.error();
  for (const model::TradeRow& trade : *trades) account.add(trade);
  return Done{};
}

Result<Span> span_of(sql::Connection& mysql, const WindowKey& key,
                     const std::vector<model::Piece>& pieces) {
  Span span;
  for (const model::Piece& piece : pieces) {
    if (auto done = append_trades(mysql, key, piece, span.account); !done) return done.error();
    if (auto done = append_equity(mysql, key, piece, span.equity); !done) return done.error();
  }
  return span;
}

// With the last equity before it: a loss in the first reading counts.
Result<model::EquitySpan> with_opening(sql::Connection& mysql, const WindowKey& key,
                                       const std::vector<model::Piece>& pieces,
                                       const model::EquitySpan& own) {
  const auto before = last_minute_before(mysql, key.profile_id, key.window.start_ns);
  if (!before) return before.error();
  if (!*before || own.is_empty()) return own;
  const model::EquityMinute& last = (*before)->equity;
  auto opened = model::EquitySpan::after(last.close_e8, last.close_time_ns);
  if (opened.is_exact(own)) {
    opened.append(own);
    return opened;
  }
  for (const model::Piece& piece : pieces) {
    if (auto done = append_equity(mysql, key, piece, opened); !done) return done.error();
  }
  return opened;
}

std::string state_of(const StaleWindow& window, const Span& span) {
  if (!has_state(window.key.window)) return {};
  if (!span.equity.is_storable()) return model::state_without_sections(window.revision);
  return model::state_of_sections(window.revision, model::section_of(span.equity),
                                  model::section_of(span.account));
}

}  // namespace

Result<ComputedWindows> compute_equity(sql::Connection& mysql,
                                       std::span<const StaleWindow> windows) {
  ComputedWindows computed;
  for (const StaleWindow& window : windows) {
    const WindowKey& key = window.key;
    const auto pieces = pieces_of(mysql, key);
    if (!pieces) return pieces.error();
    const auto span = span_of(mysql, key, *pieces);
    if (!span) return span.error();
    const auto opened = with_opening(mysql, key, *pieces, span->equity);
    if (!opened) return opened.error();
    FigureRows rows;
    add_trades(rows, span->account);
    add_equity(rows, *opened);
    computed.rows.push_back(std::move(rows).take());
    computed.states.push_back(state_of(window, *span));
    if (window.stale != Stale::facts) continue;
    const auto after = first_minute_from(mysql, key.profile_id, key.window.end_ns);
    if (!after) return after.error();
    if (*after)
      computed.neighbours.insert(
          {.profile_id = key.profile_id,
           .metric_type = key.metric_type,
           .window = model::window_containing(key.window.type, (*after)->start_ns)});
  }
  return computed;
}

}  // namespace ddt::sidecar
