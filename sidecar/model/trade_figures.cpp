// The figures of METRICS sections 2 and 3 that are made from trades.
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <tuple>

#include "sidecar/model/trades.hpp"

namespace ddt::model {
namespace {

constexpr int128 kE16 = static_cast<int128>(kE8) * kE8;
constexpr int128 kOneE8 = kE8;

// Collects figures; every `add` is one of METRICS' rows.
class FigureList {
 public:
  explicit FigureList(const TradeSummary& trades) : trades_(trades) {
    if (trades.trades == 0) {
      no_pnl_ = "no_trades";
    } else if (with_pnl() == 0) {
      no_pnl_ = "no_pnl";
    }
  }

  int128 with_pnl() const { return static_cast<int128>(trades_.trades - trades_.without_pnl); }

  void count(std::string_view name, std::uint64_t value) {
    set(name, static_cast<int128>(value) * kOneE8);
  }
  void total(std::string_view name, const CheckedSum& sum, int scale) {
    if (sum.overflow) return null(name, "overflow");
    set(name, rescale(sum.value, scale, 8));
  }
  // 100·part/all.
  void share(std::string_view name, std::uint64_t part) {
    if (!no_pnl_.empty()) return null(name, no_pnl_);
    set(name, divide_rounded(static_cast<int128>(part) * 100 * kOneE8, with_pnl()));
  }
  // Mean money over n trades.
  void mean(std::string_view name, const CheckedSum& sum_e24, int128 n, std::string_view reason) {
    if (n == 0) return null(name, no_pnl_.empty() ? reason : std::string_view(no_pnl_));
    if (sum_e24.overflow) return null(name, "overflow");
    set(name, divide_rounded(sum_e24.value, n * kE16));
  }
  void quantile(std::string_view name, const QuantileSketch& sketch, std::uint32_t permille,
                int128 factor, std::string_view reason) {
    const auto value = sketch.quantile(permille);
    if (!value) return null(name, trades_.trades == 0 ? "no_trades" : reason);
    set(name, *value * factor);
  }
  void set_or(std::string_view name, std::optional<int128> value_e8, std::string_view reason) {
    if (!value_e8) return null(name, reason);
    set(name, *value_e8);
  }
  void null(std::string_view name, std::string_view reason) {
    figures_.push_back({.name = std::string(name), .value_e8 = {}, .reason = std::string(reason)});
  }
  // The reason why nothing can be said about pnl, or "".
  const std::string& no_pnl() const { return no_pnl_; }
  std::vector<Figure> take() && { return std::move(figures_); }

 private:
  void set(std::string_view name, int128 value_e8) {
    // DECIMAL(30,8): a larger figure is set aside, its batch survives.
    constexpr int128 kColumn = kE16 * kE8 * 1'000'000;
    if (value_e8 >= kColumn || value_e8 <= -kColumn) return null(name, "overflow");
    figures_.push_back({.name = std::string(name), .value_e8 = value_e8, .reason = {}});
  }

  const TradeSummary& trades_;
  std::string no_pnl_;
  std::vector<Figure> figures_;
};

void add_profit_factor(FigureList& list, const TradeSummary& t) {
  if (!list.no_pnl().empty()) return list.null("profit_factor", list.no_pnl());
  if (t.losing == 0) return list.null("profit_factor", "no_losses");
  if (t.gross_profit_e24.overflow || t.gross_loss_e24.overflow) {
    return list.null("profit_factor", "overflow");
  }
  list.set_or("profit_factor",
              multiply_divide(t.gross_profit_e24.value, kOneE8, t.gross_loss_e24.value),
              "overflow");
}

// avg_win ÷ |avg_loss| = (gross_profit·losing) ÷ (gross_loss·profitable), rounded once.
void add_payoff_ratio(FigureList& list, const TradeSummary& t) {
  if (!list.no_pnl().empty()) return list.null("payoff_ratio", list.no_pnl());
  if (t.profitable == 0) return list.null("payoff_ratio", "no_wins");
  if (t.losing == 0) return list.null("payoff_ratio", "no_losses");
  const auto divisor = checked_multiply(t.gross_loss_e24.value, static_cast<int128>(t.profitable));
  if (t.gross_profit_e24.overflow || t.gross_loss_e24.overflow || !divisor) {
    return list.null("payoff_ratio", "overflow");
  }
  list.set_or(
      "payoff_ratio",
      multiply_divide(t.gross_profit_e24.value, static_cast<int128>(t.losing) * kOneE8, *divisor),
      "overflow");
}

// √n·mean/stdev with stdev over n − 1. The root takes a double, from an exact integer variance.
void add_sqn(FigureList& list, const TradeSummary& t) {
  if (!list.no_pnl().empty()) return list.null("sqn", list.no_pnl());
  if (t.moment_n < 2) return list.null("sqn", "too_few_trades");
  const auto n = static_cast<int128>(t.moment_n);
  const auto n_squares = checked_multiply(t.moment_squares_e16.value, n);
  const auto square_of_sum = checked_multiply(t.moment_sum_e8.value, t.moment_sum_e8.value);
  if (t.moment_sum_e8.overflow || t.moment_squares_e16.overflow || !n_squares || !square_of_sum) {
    return list.null("sqn", "overflow");
  }
  const int128 spread = *n_squares - *square_of_sum;  // n²·variance (over n)
  if (spread <= 0) return list.null("sqn", "zero_variance");
  const double sqn = static_cast<double>(t.moment_sum_e8.value) *
                     std::sqrt(static_cast<double>(n - 1)) / std::sqrt(static_cast<double>(spread));
  const std::int64_t sqn_e8 = e8_from_double(sqn);
  list.set_or("sqn", is_valid_number(sqn_e8) ? std::optional<int128>(sqn_e8) : std::nullopt,
              "overflow");
}

void add_averages(FigureList& list, const TradeSummary& t) {
  CheckedSum loss = t.gross_loss_e24;
  loss.value = -loss.value;
  list.mean("avg_win", t.gross_profit_e24, static_cast<int128>(t.profitable), "no_wins");
  list.mean("avg_loss", loss, static_cast<int128>(t.losing), "no_losses");
  list.mean("expectancy", t.pnl_e24, list.with_pnl(), "no_trades");
  add_profit_factor(list, t);
  add_payoff_ratio(list, t);
  add_sqn(list, t);
}

void add_slippage(FigureList& list, const TradeSummary& t) {
  const std::string_view reason = t.trades == 0 ? "no_trades" : "no_reference_price";
  if (t.with_slippage == 0) {
    list.null("avg_slippage", reason);
    list.null("avg_slippage_bps", reason);
    list.null("slippage_cost", reason);
  } else {
    const bool fits = !t.slippage_quantity_e16.overflow && !t.quantity_e8.overflow;
    list.set_or("avg_slippage",
                fits ? multiply_divide(t.slippage_quantity_e16.value, 1, t.quantity_e8.value)
                     : std::nullopt,
                fits ? "zero_quantity" : "overflow");
    const bool notional_fits = !t.slippage_cost_e24.overflow && !t.reference_notional_e24.overflow;
    list.set_or("avg_slippage_bps",
                notional_fits ? multiply_divide(t.slippage_cost_e24.value, 10'000 * kOneE8,
                                                t.reference_notional_e24.value)
                              : std::nullopt,
                notional_fits ? "zero_notional" : "overflow");
    list.total("slippage_cost", t.slippage_cost_e24, 24);
  }
  list.quantile("slippage_bps_p50", t.slippage_bps_e8, 500, 1, "no_reference_price");
  list.quantile("slippage_bps_p95", t.slippage_bps_e8, 950, 1, "no_reference_price");
  list.quantile("slippage_bps_p99", t.slippage_bps_e8, 990, 1, "no_reference_price");
}

void add_durations(FigureList& list, const TradeSummary& t) {
  constexpr int128 kUsToE8OfSecond = kE8 / 1'000'000;
  const std::string_view reason = t.trades == 0 ? "no_trades" : "no_durations";
  const auto n = static_cast<int128>(t.duration_us.n());
  if (n == 0) {
    list.null("duration_avg", reason);
  } else if (t.duration_sum_us.overflow) {
    list.null("duration_avg", "overflow");
  } else {
    list.set_or("duration_avg", multiply_divide(t.duration_sum_us.value, kUsToE8OfSecond, n),
                "overflow");
  }
  list.quantile("duration_p50", t.duration_us, 500, kUsToE8OfSecond, "no_durations");
  list.quantile("duration_p95", t.duration_us, 950, kUsToE8OfSecond, "no_durations");
}

std::optional<int128> rounded(const std::optional<int128>& value_e24) {
  if (!value_e24) return std::nullopt;
  return rescale(*value_e24, 24, 8);
}

}  // namespace

std::vector<Figure> breakout_figures(const TradeSummary& trades) {
  FigureList list(trades);
  list.share("success_rate", trades.profitable);
  list.count("profitable_trades", trades.profitable);
  list.count("losing_trades", trades.losing);
  list.count("flat_trades", trades.flat);
  list.mean("avg_profit_per_trade", trades.pnl_e24, list.with_pnl(), "no_trades");
  add_slippage(list, trades);
  add_averages(list, trades);
  return std::move(list).take();
}

std::vector<Figure> trade_figures(const TradeSummary& trades) {
  FigureList list(trades);
  list.count("total_trades", trades.trades);
  list.count("winning_trades", trades.profitable);
  list.count("losing_trades", trades.losing);
  list.count("flat_trades", trades.flat);
  list.total("closed_trade_pnl", trades.pnl_e24, 24);
  list.total("fees", trades.fees_e8, 8);
  list.mean("avg_pnl", trades.pnl_e24, list.with_pnl(), "no_trades");
  list.share("win_rate", trades.profitable);
  list.total("gross_profit", trades.gross_profit_e24, 24);
  list.total("gross_loss", trades.gross_loss_e24, 24);
  add_averages(list, trades);
  const bool no_pnl = !list.no_pnl().empty();
  list.set_or("largest_win", rounded(trades.largest_win_e24), no_pnl ? list.no_pnl() : "no_wins");
  list.set_or("largest_loss", rounded(trades.largest_loss_e24),
              no_pnl ? list.no_pnl() : "no_losses");
  add_durations(list, trades);
  return std::move(list).take();
}

Streaks streaks_of(std::span<const TradeRow> rows) {
  std::vector<const TradeRow*> in_order;
  in_order.reserve(rows.size());
  for (const TradeRow& row : rows) in_order.push_back(&row);
  std::sort(in_order.begin(), in_order.end(), [](const TradeRow* a, const TradeRow* b) {
    return std::tie(a->exit_time_ns, a->name) < std::tie(b->exit_time_ns, b->name);
  });
  Streaks streaks;
  for (const TradeRow* row : in_order) {
    const auto pnl = counted_pnl_unrounded(*row);
    if (!pnl) continue;
    if (*pnl > 0) {
      streaks.current = std::max<std::int64_t>(streaks.current, 0) + 1;
      streaks.win_max = std::max(streaks.win_max, static_cast<std::uint64_t>(streaks.current));
    } else if (*pnl < 0) {
      streaks.current = std::min<std::int64_t>(streaks.current, 0) - 1;
      streaks.loss_max = std::max(streaks.loss_max, static_cast<std::uint64_t>(-streaks.current));
    } else {
      streaks.current = 0;
    }
  }
  return streaks;
}

std::vector<Figure> streak_figures(std::span<const TradeRow> rows) {
  return streak_figures(rows.size(), streaks_of(rows));
}

std::vector<Figure> streak_figures(std::uint64_t trades, const Streaks& streaks) {
  std::vector<Figure> figures;
  const auto add = [&](std::string_view name, int128 value) {
    Figure figure{.name = std::string(name), .value_e8 = {}, .reason = {}};
    if (trades == 0) {
      figure.reason = "no_trades";
    } else {
      figure.value_e8 = value * kOneE8;
    }
    figures.push_back(std::move(figure));
  };
  add("win_streak_max", static_cast<int128>(streaks.win_max));
  add("loss_streak_max", static_cast<int128>(streaks.loss_max));
  add("current_streak", streaks.current);
  return figures;
}

}  // namespace ddt::model
