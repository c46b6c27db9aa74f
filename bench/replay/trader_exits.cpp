// Exits, and the equity_monitor: trades, positions, the account.
#include <algorithm>
#include <utility>

#include "bench/replay/trader.hpp"

namespace ddt::replay {
namespace {

constexpr Script kMonitor = Script::order_monitor;
constexpr Script kScript = Script::equity_monitor;
constexpr int kCorrectionBars = 12;
constexpr int kExitTriesMax = 8;
constexpr std::int64_t kHealthEveryReadings = 10;
constexpr std::int64_t kMetadataEveryReadings = 60;
constexpr std::int64_t kHealthIntervalS = 600;
constexpr std::int64_t kScratchTimeoutFactor = 4;
constexpr std::int64_t kMiddayNs = 3 * 60 * kMinuteNs;  // after the open

}  // namespace

void Trader::manage(Desk& desk) {
  Holding& holding = *desk.holding;
  ++holding.bars_held;
  const Quote quote = quote_of_desk(desk);
  const std::int64_t exit_e8 = holding.is_long ? quote.bid_e8 : quote.ask_e8;
  const std::int64_t gain_bps = holding.gain_bps(exit_e8);
  if (gain_bps <= -settings_.stop_loss_bps) {
    ++stops_today_;
    return flatten(desk, "stop_loss", "stop_loss");
  }
  if (stops_today_ >= settings_.stops_until_choppy)
    return flatten(desk, "choppy_day", "choppy_day_close");
  if (desk.exit) return;
  const std::int64_t limit_e8 = limit_near(holding.instrument, quote, !holding.is_long, 0);
  if (gain_bps >= settings_.take_profit_bps)
    return place_exit(desk, holding.quantity_e8, limit_e8, "profit_target", "breakout",
                      settings_.timeout_bars);
  const std::int64_t half_e8 = half_of(holding.quantity_e8, settings_.is_fractional);
  if (settings_.sells_half_first && !holding.has_sold_half && half_e8 > 0 &&
      gain_bps * 2 >= settings_.take_profit_bps) {
    holding.has_sold_half = true;
    return place_exit(desk, half_e8, limit_e8, "profit_target", "take_profit",
                      settings_.timeout_bars);
  }
  if (holding.bars_held < settings_.hold_bars_max || holding.has_tried_scratch) return;
  holding.has_tried_scratch = true;  // out where we came in, if the market lets us
  place_exit(desk, holding.quantity_e8, holding.average_e8(), "time_based", "breakout",
             static_cast<int>(kScratchTimeoutFactor) * settings_.timeout_bars);
}

void Trader::place_exit(Desk& desk, std::int64_t quantity_e8, std::int64_t limit_e8,
                        std::string exit_reason, std::string trade_type, int timeout_bars) {
  if (desk.entry) cancel(desk, desk.entry, "canceled");
  Call call;
  for (int tries = 0; tries < kExitTriesMax;
       ++tries) {  // an exit must get out: tried again at once
    call = voice_.call(kMonitor, kPostOrders);
    ++calls_this_minute_;
    if (call.is_ok()) break;
  }
  const Holding& holding = *desk.holding;
  WorkingOrder order{.order_id = next_order_id(),
                     .parent_order_id = {},
                     .signal_id = holding.decision.breakout.signal_id,
                     .instrument = holding.instrument,
                     .purpose = Purpose::exit,
                     .is_limit = !is_null(limit_e8),
                     .buys = !holding.is_long,
                     .quantity_e8 = quantity_e8,
                     .limit_e8 = limit_e8,
                     .timeout_bars = timeout_bars,
                     .exit_reason = std::move(exit_reason),
                     .trade_type = std::move(trade_type)};
  const Quote quote = quote_of_desk(desk);
  if (order.is_limit)
    order.was_marketable = order.buys ? limit_e8 >= quote.ask_e8 : limit_e8 <= quote.bid_e8;
  say_order(kMonitor, order, "new", call.duration_ns);
  if (order.is_limit) {
    desk.exit = std::move(order);
  } else {
    execute_market(desk, std::move(order), quote);
  }
}

void Trader::flatten(Desk& desk, std::string exit_reason, std::string trade_type) {
  const bool is_eod = exit_reason == "eod";
  const std::string_view status = is_eod && settings_.expires_at_eod ? "expired" : "canceled";
  if (desk.entry) cancel(desk, desk.entry, status);
  if (desk.exit) cancel(desk, desk.exit, status);
  if (desk.holding)
    place_exit(desk, desk.holding->quantity_e8, kNullE8, std::move(exit_reason),
               std::move(trade_type), 0);
}

// The exit order has ended: what it filled is one trade.
void Trader::finish_exit(Desk& desk, const WorkingOrder& order) {
  if (order.filled_e8 == 0) return;
  Holding& holding = *desk.holding;
  const Dice dice = dice_.of(6).of(static_cast<std::uint64_t>(voice_.now_ns()));
  const std::int64_t multiplier = holding.instrument.multiplier();
  const bool is_stock = holding.instrument.kind == InstrumentKind::stock;
  const bool drops_signal = order.trade_type == "equity_close" && dice.is_one_in(0, 2);
  const std::string trade_id = "t-" + std::to_string(settings_.profile_id) + "-" +
                               voice_.plan().tag + "-" + std::to_string(++trades_);
  TradeRecord trade{
      .symbol = holding.instrument.symbol,
      .trade_type = order.trade_type,
      .side = holding.is_long ? "buy" : "sell",
      .quantity_e8 = order.filled_e8,
      .multiplier_e8 =
          is_stock && dice.is_one_in(1, 2) ? kE8 : kNullE8,  // options: the default rule
      .entry_price_e8 = holding.average_e8(),
      .exit_price_e8 = order.average_fill_e8(),
      .reference_price_e8 = holding.decision.reference_e8,
      .fees_e8 = 2 * fee_of(order.filled_e8),
      .entry_time_ns =
          dice.is_one_in(2, 30) ? kUnsaidTime : voice_.published_ns(holding.entry_time_ns),
      .exit_time_ns = voice_.published_ns(voice_.now_ns()),
      .exit_reason = order.exit_reason,
      .direction = holding.decision.breakout.direction,
      .bar_strength_e8 = holding.decision.breakout.strength_e8,
      .candle_size_e8 = holding.decision.breakout.candle_size_e8,
      .trade_id = dice.is_one_in(3, 15) ? std::string{} : trade_id,
      .order_id = order.order_id,
      .signal_id = drops_signal ? std::string{} : holding.decision.breakout.signal_id};
  realized_e8_ +=
      holding.sign() *
          value_of(order.filled_e8, trade.exit_price_e8 - trade.entry_price_e8, multiplier) -
      trade.fees_e8;
  if (!trade.trade_id.empty() && dice.is_one_in(4, 12))
    corrections_.push_back({trade, kCorrectionBars});
  voice_.say(kScript, std::move(trade),
             R"({"bars_held":)" + std::to_string(holding.bars_held) + "}");
  holding.quantity_e8 -= order.filled_e8;
  say_position(desk);
  if (holding.quantity_e8 == 0) desk.holding.reset();
}

// The broker's statement says other fees than were expected: the same trade again, corrected.
void Trader::correct_trades(bool all) {
  for (Correction& correction : corrections_) {
    if (!all && --correction.bars_left > 0) continue;
    correction.bars_left = 0;
    const std::int64_t more_e8 = 2 * (kE8 / 100) + correction.trade.fees_e8 / 50;
    correction.trade.fees_e8 += more_e8;
    realized_e8_ -= more_e8;
    voice_.say(kScript, correction.trade, R"({"corrects":"fees"})");
  }
  std::erase_if(corrections_,
                [](const Correction& correction) { return correction.bars_left == 0; });
}

void Trader::say_position(const Desk& desk) {
  const Holding& holding = *desk.holding;
  const std::int64_t price_e8 = quote_of_desk(desk).last_e8;
  voice_.say(kScript, PositionRecord{.symbol = holding.instrument.symbol,
                                     .side = holding.is_long ? "buy" : "sell",
                                     .quantity_e8 = holding.quantity_e8,
                                     .average_entry_e8 = holding.average_e8(),
                                     .current_price_e8 = price_e8,
                                     .market_value_e8 =
                                         holding.sign() * value_of(holding.quantity_e8, price_e8,
                                                                   holding.instrument.multiplier()),
                                     .unrealized_pnl_e8 = holding.unrealized_e8(price_e8)});
}

void Trader::say_account(const Bar& bar) {
  if (readings_ % 2 == 0) voice_.call(kScript, kAccount);
  EquityRecord equity{.realized_pnl_e8 = realized_e8_, .open_positions_count = open_positions()};
  std::int64_t exposure_e8 = 0;
  for (const Desk& desk : desks_) {
    if (!desk.holding) continue;
    const std::int64_t price_e8 = quote_of_desk(desk).last_e8;
    equity.unrealized_pnl_e8 += desk.holding->unrealized_e8(price_e8);
    exposure_e8 +=
        value_of(desk.holding->quantity_e8, price_e8, desk.holding->instrument.multiplier());
  }
  if (settings_.reports_cash_flow && !has_reported_cash_flow_ &&
      bar.time_ns >= open_ns_ + kMiddayNs) {
    has_reported_cash_flow_ = true;
    const std::int64_t roll = dice_.of(7).roll(static_cast<std::uint64_t>(bar.time_ns), 9) - 3;
    equity.cash_flow_e8 = roll * 250 * kE8;
    cash_flows_e8_ += equity.cash_flow_e8;
  }
  equity.account_equity_e8 =
      settings_.cash_e8 + cash_flows_e8_ + realized_e8_ + equity.unrealized_pnl_e8;
  equity.margin_used_e8 = exposure_e8 / 2;
  equity.margin_available_e8 =
      std::max(equity.account_equity_e8 - equity.margin_used_e8, std::int64_t{0});
  std::string metadata;
  if (readings_ % kMetadataEveryReadings == 0) metadata = R"({"account":"paper","currency":"USD"})";
  voice_.say(kScript, equity, std::move(metadata));
  if (desks_[bar.symbol].holding) {
    voice_.call(kScript, kPositions);
    say_position(desks_[bar.symbol]);
  }
  if (readings_++ % kHealthEveryReadings != 0) return;
  voice_.say_health(Script::profile_listener, kHealthIntervalS);
  voice_.say_health(kMonitor, kHealthIntervalS);
  voice_.say_health(kScript, kHealthIntervalS);
  voice_.say(kMonitor, MetricRecord{"open_orders", "gauge",
                                    std::count_if(desks_.begin(), desks_.end(), [](const Desk& d) {
                                      return d.entry || d.exit;
                                    }) * kE8});
}

}  // namespace ddt::replay
