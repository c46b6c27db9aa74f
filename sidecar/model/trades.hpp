// sidecar/model/trades.hpp — trades: P&L and slippage of one, figures of many.
//
// pnl       side·(exit − entry)·quantity·multiplier − fees, buy = +1, sell = −1; undefined for any
// other
//           side and when one of the numbers is not said (fees not said are 0).
// slippage  side·(entry − reference_price) per unit, positive is a cost; undefined without
// reference. Units     Products of three e8 have scale 1e24 and stay unrounded in every sum; what
// leaves is e8, rounded
//           once, half away from zero.
// Errors    What does not fit is nullopt (one trade) or reason "overflow" (a figure), never
// wrapped.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shm/base/decimal.hpp"
#include "sidecar/model/bytes.hpp"
#include "sidecar/model/event.hpp"
#include "sidecar/model/identity.hpp"
#include "sidecar/model/ratio.hpp"
#include "sidecar/model/summary.hpp"

namespace ddt::model {

// +1 for "buy", −1 for "sell", 0 for anything else.
constexpr int sign_of_side(std::string_view side) noexcept {
  return side == "buy" ? 1 : side == "sell" ? -1 : 0;
}

// OCC option symbol without blanks: root of 1–6 (a letter, then letters or digits), yymmdd, C or P,
// strike in 8 digits ("SPY241218C00604000").
bool is_occ_symbol(std::string_view symbol) noexcept;
std::int64_t default_multiplier_e8(std::string_view symbol) noexcept;  // 100 for an option, else 1

// Columns of dd_trade_performance that figures are made from. kNullE8, kNoTime and "" are NULL.
struct TradeRow {
  RecordName name;  // order among trades of one instant
  std::string symbol, trade_type, side, direction, exit_reason, signal_id;
  std::int64_t quantity_e8 = kNullE8, multiplier_e8 = kE8;
  std::int64_t entry_price_e8 = kNullE8, exit_price_e8 = kNullE8, reference_price_e8 = kNullE8;
  std::int64_t fees_e8 = kNullE8;
  std::int64_t bar_strength_e8 = kNullE8, candle_size_e8 = kNullE8;
  std::int64_t entry_time_ns = kNoTime, exit_time_ns = kNoTime;
  // The pnl column: used where the raw columns define none (rows from before, which have no side).
  std::int64_t stored_pnl_e8 = kNullE8;
};
TradeRow row_of(const TradeEvent& event, const SegmentId& segment_id = {}, std::uint32_t lane = 0);

// Scale 1e24.
std::optional<int128> pnl_unrounded(const TradeRow& row) noexcept;
// What the figures count: the same, or the stored column where the raw ones define none.
std::optional<int128> counted_pnl_unrounded(const TradeRow& row) noexcept;

// The derived columns, each rounded once; nullopt is NULL: undefined, or too large for the column.
std::optional<int128> pnl_e8(const TradeRow& row) noexcept;  // DECIMAL(30,8)
std::optional<int128> pnl_pct_e8(
    const TradeRow& row) noexcept;  // DECIMAL(20,8); of entry·quantity·multiplier
std::optional<int128> slippage_e8(const TradeRow& row) noexcept;  // DECIMAL(20,8)
std::optional<std::int64_t> duration_ns(
    const TradeRow& row) noexcept;  // both times known, not negative
// exit − entry in whole microseconds, as the columns hold the times (either sign).
std::optional<std::int64_t> duration_us(const TradeRow& row) noexcept;

// trade_type is `breakout`, or it carries a signal_id.
bool is_breakout_trade(const TradeRow& row) noexcept;

// A figure as it leaves: a value with 8 decimals, or null with a reason.
struct Figure {
  std::string name;
  std::optional<int128> value_e8;
  std::string reason;  // "" when there is a value
  bool operator==(const Figure&) const = default;
};
const Figure* find(std::span<const Figure> figures, std::string_view name) noexcept;

// A set of trades. merge() is commutative and associative as long as no sum overflows.
struct TradeSummary {
  std::uint64_t trades = 0;
  std::uint64_t profitable = 0, losing = 0, flat = 0;    // pnl > 0, < 0, = 0, unrounded
  std::uint64_t without_pnl = 0;                         // undefined: in no class and in no ratio
  CheckedSum pnl_e24, gross_profit_e24, gross_loss_e24;  // gross loss is >= 0
  CheckedSum fees_e8;

  std::uint64_t with_slippage = 0;
  CheckedSum slippage_quantity_e16, quantity_e8;  // Σ slip·q, Σ q over trades with slippage
  CheckedSum slippage_cost_e24, reference_notional_e24;
  QuantileSketch slippage_bps_e8;

  std::optional<int128> largest_win_e24, largest_loss_e24;  // largest loss is < 0

  QuantileSketch duration_us;
  CheckedSum duration_sum_us;

  // Of pnl rounded to e8, for sqn alone.
  std::uint64_t moment_n = 0;
  CheckedSum moment_sum_e8, moment_squares_e16;

  void add(const TradeRow& row);
  void merge(const TradeSummary& other);

  void encode(ByteWriter& writer) const;
  static std::optional<TradeSummary> decode(ByteReader& reader);
  bool operator==(const TradeSummary&) const = default;
};

// The figures of METRICS section 2 that come from trades: success_rate, profitable_trades,
// losing_trades, flat_trades, avg_profit_per_trade, avg_slippage, avg_slippage_bps, slippage_cost,
// slippage_bps_p50/_p95/ _p99, profit_factor, expectancy, payoff_ratio, avg_win, avg_loss, sqn.
std::vector<Figure> breakout_figures(const TradeSummary& trades);

// Those of section 3: total_trades, winning_trades, losing_trades, flat_trades, closed_trade_pnl,
// fees, avg_pnl, win_rate, gross_profit, gross_loss, profit_factor, avg_win, avg_loss, largest_win,
// largest_loss, payoff_ratio, expectancy, duration_avg, duration_p50, duration_p95 (s), sqn.
// Reasons: no_trades, no_pnl (no trade has one), no_wins, no_losses, no_reference_price, no_durations, too_few_trades,
// zero_variance, overflow. Percent is 0–100. Denominators are the trades whose pnl is defined.
std::vector<Figure> trade_figures(const TradeSummary& trades);

// Runs of winning and of losing trades by (exit time, segment, lane, position); a flat trade breaks
// both, one without pnl is passed over.
struct Streaks {
  std::uint64_t win_max = 0, loss_max = 0;
  std::int64_t current = 0;  // > 0 wins, < 0 losses
  bool operator==(const Streaks&) const = default;
};
Streaks streaks_of(std::span<const TradeRow> rows);  // in any order

// win_streak_max, loss_streak_max, current_streak; null with no_trades when there are none.
std::vector<Figure> streak_figures(std::span<const TradeRow> rows);
std::vector<Figure> streak_figures(std::uint64_t trades, const Streaks& streaks);

}  // namespace ddt::model
