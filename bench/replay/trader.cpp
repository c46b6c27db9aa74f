#include "bench/replay/trader.hpp"

#include <algorithm>
#include <utility>

namespace ddt::replay {
namespace {

constexpr std::int64_t kFlatBeforeCloseNs = 5 * kMinuteNs;

}  // namespace

Trader::Trader(const Market& market, ProfileSettings settings, Dice dice, RecordSink& sink)
    : market_(market),
      settings_(std::move(settings)),
      dice_(dice),
      voice_(settings_.profile_id, market.symbols.size(), dice.of(1), sink),
      desks_(market.symbols.size()) {}

void Trader::begin_day(const Day& day, const DayPlan& plan) {
  voice_.begin_day(plan);
  open_ns_ = day.open_ns;
  close_ns_ = day.close_ns;
  orders_ = trades_ = readings_ = 0;
  stops_today_ = 0;
  has_reported_cash_flow_ = false;
  for (Desk& desk : desks_) desk = {};
}

void Trader::on_bar(const Bar& bar, const std::optional<Breakout>& breakout,
                    const Detector& detector) {
  if (!std::binary_search(settings_.symbols.begin(), settings_.symbols.end(), bar.symbol)) return;
  Desk& desk = desks_[bar.symbol];
  desk.last_bar = bar;
  voice_.begin_bar(bar, 8);
  if (bar.time_ns != minute_ns_) {
    minute_ns_ = bar.time_ns;
    calls_this_minute_ = 0;
  }
  if (desk.entry || desk.exit) poll(desk);
  if (is_near_close(bar)) {
    flatten(desk, "eod", "equity_close");
  } else if (desk.holding) {
    manage(desk);
  }
  if (breakout) consider(desk, bar, *breakout, detector);
  correct_trades(false);
  say_account(bar);
}

void Trader::end_day() {
  for (Desk& desk : desks_) flatten(desk, "eod", "equity_close");
  correct_trades(true);
}

Quote Trader::quote_of_desk(const Desk& desk) const {
  const Instrument& instrument = desk.holding ? desk.holding->instrument
                                 : desk.entry ? desk.entry->instrument
                                              : desk.exit->instrument;
  return quote_of(instrument, *desk.last_bar);
}

std::int64_t Trader::fee_of(std::int64_t quantity_e8) const {
  return std::max(value_of(quantity_e8, settings_.fee_per_unit_e8, 1), settings_.fee_min_e8);
}

int Trader::open_positions() const {
  return static_cast<int>(std::count_if(desks_.begin(), desks_.end(),
                                        [](const Desk& desk) { return desk.holding.has_value(); }));
}

bool Trader::is_near_close(const Bar& bar) const noexcept {
  return bar.time_ns >= close_ns_ - kFlatBeforeCloseNs;
}

}  // namespace ddt::replay
