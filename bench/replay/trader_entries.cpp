// The profile_listener: which signals become orders.
#include <algorithm>
#include <utility>

#include "bench/replay/trader.hpp"

namespace ddt::replay {
namespace {

constexpr Script kScript = Script::profile_listener;
constexpr std::int64_t kNoEntriesBeforeCloseNs = 5 * kMinuteNs;
constexpr int kPatientBars = 240;
constexpr std::int64_t kPatientFactor = 12;
constexpr std::int64_t kContractsMax = 20;
constexpr std::int64_t kFractionStepE8 = kE8 / 10'000;

Instrument instrument_for(Style style, const std::string& symbol, const Breakout& breakout,
                          std::int64_t date) {
  if (style != Style::options) return {.symbol = symbol, .underlying = breakout.symbol};
  return option_near(symbol, breakout.symbol,
                     breakout.is_up ? InstrumentKind::call : InstrumentKind::put, breakout.close_e8,
                     date);
}

}  // namespace

std::string_view Trader::reason_against(const Desk& desk, const Bar& bar, const Breakout& breakout,
                                        const Detector& detector) const {
  if (bar.time_ns >= close_ns_ - kNoEntriesBeforeCloseNs) return "near_close";
  if (stops_today_ >= settings_.stops_until_choppy) return "choppy_day";
  if (!breakout.is_up && settings_.style == Style::long_only) return "direction_not_traded";
  if (breakout.strength_e8 < settings_.strength_min_e8) return "below_strength";
  const auto lookback = static_cast<std::size_t>(settings_.lookback_bars);
  if (detector.bars_seen(bar.symbol) <= lookback) return "warming_up";
  if (!detector.has_left_range(bar.symbol, lookback, breakout.is_up)) return "inside_range";
  if (!desk.is_idle()) return "position_open";
  const auto busy =
      std::count_if(desks_.begin(), desks_.end(), [](const Desk& d) { return !d.is_idle(); });
  if (busy >= settings_.positions_max) return "max_positions";
  return {};
}

std::int64_t Trader::size_e8(const Instrument& instrument, std::int64_t price_e8) const {
  const int128 budget_e8 = int128{settings_.cash_e8} * settings_.size_bps / 10'000;
  const auto quantity_e8 =
      static_cast<std::int64_t>(budget_e8 * kE8 / (int128{price_e8} * instrument.multiplier()));
  const std::int64_t step_e8 = settings_.is_fractional ? kFractionStepE8 : kE8;
  const std::int64_t whole_e8 = quantity_e8 / step_e8 * step_e8;
  return instrument.kind == InstrumentKind::stock ? whole_e8
                                                  : std::min(whole_e8, kContractsMax * kE8);
}

void Trader::consider(Desk& desk, const Bar& bar, const Breakout& breakout,
                      const Detector& detector) {
  const std::string& symbol = market_.symbols[bar.symbol];
  std::string reason(reason_against(desk, bar, breakout, detector));
  const Instrument instrument =
      instrument_for(settings_.style, symbol, breakout, voice_.plan().date);
  const Quote quote = quote_of(instrument, bar);
  const bool buys = settings_.style == Style::options || breakout.is_up;
  const std::int64_t quantity_e8 = size_e8(instrument, buys ? quote.ask_e8 : quote.bid_e8);
  if (reason.empty() && quantity_e8 == 0) reason = "insufficient_funds";
  Call call;
  if (reason.empty()) {
    call = voice_.call(kScript, kPostOrders);
    if (!call.is_ok()) reason = "order_error";
  }
  if (!reason.empty()) {
    voice_.say(kScript, signal_record(breakout, symbol, "suppressed", reason));
    return;
  }
  voice_.say(kScript, signal_record(breakout, symbol, "traded"));
  const auto entry = static_cast<std::uint64_t>(entries_++);
  const Dice dice = dice_.of(2).of(entry);
  WorkingOrder order{.order_id = next_order_id(),
                     .parent_order_id = {},
                     .signal_id = breakout.signal_id,
                     .instrument = instrument,
                     .buys = buys,
                     .quantity_e8 = quantity_e8,
                     .will_be_rejected = dice.is_one_in(0, 40),
                     .timeout_bars = settings_.timeout_bars,
                     .exit_reason = {},
                     .trade_type = {}};
  order.is_limit = !dice.is_one_in(1, 10);
  const std::int64_t decision_quote_e8 = buys ? quote.ask_e8 : quote.bid_e8;
  if (order.is_limit) {
    const bool is_patient =
        dice.is_one_in(4, 20);  // waits for a better price, to the day's end if need be
    if (is_patient) order.timeout_bars = kPatientBars;
    order.limit_e8 =
        limit_near(instrument, quote, buys,
                   settings_.limit_offset_tenth_bps * (is_patient ? kPatientFactor : 1));
    order.was_marketable = buys ? order.limit_e8 >= quote.ask_e8 : order.limit_e8 <= quote.bid_e8;
  }
  desk.decision = {.breakout = breakout, .reference_e8 = decision_quote_e8};
  if (settings_.reference == ReferencePrice::limit && order.is_limit)
    desk.decision.reference_e8 = order.limit_e8;
  if (dice.is_one_in(2, 12)) desk.decision.reference_e8 = kNullE8;
  say_order(kScript, order, "new", call.duration_ns);
  if (dice.is_one_in(3, 3) && !order.will_be_rejected) {
    order.is_accepted = true;
    say_order(kScript, order, "accepted");
  }
  if (order.is_limit || order.will_be_rejected) {
    desk.entry = std::move(order);
  } else {
    execute_market(desk, std::move(order), quote);
  }
}

}  // namespace ddt::replay
