// bench/replay/trader.hpp — one profile: its listener, order monitor and equity monitor, bar by bar.
//
// profile_listener takes signals and places entry orders; order_monitor follows every order, converts
// what times out and places exit orders; equity_monitor says trades, positions and the account.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/replay/desk.hpp"
#include "bench/replay/detector.hpp"
#include "bench/replay/profile.hpp"
#include "bench/replay/voice.hpp"

namespace ddt::replay {

class Trader {
 public:
  Trader(const Market& market, ProfileSettings settings, Dice dice, RecordSink& sink);

  void begin_day(const Day& day, const DayPlan& plan);
  // Bars of symbols that the profile does not trade are ignored.
  void on_bar(const Bar& bar, const std::optional<Breakout>& breakout, const Detector& detector);
  void end_day();

  const ProfileSettings& settings() const noexcept { return settings_; }

 private:
  // entries (trader_entries.cpp)
  void consider(Desk& desk, const Bar& bar, const Breakout& breakout, const Detector& detector);
  std::string_view reason_against(const Desk& desk, const Bar& bar, const Breakout& breakout,
                                  const Detector& detector) const;
  std::int64_t size_e8(const Instrument& instrument, std::int64_t price_e8) const;

  // orders (trader_orders.cpp)
  void poll(Desk& desk);
  void advance(Desk& desk, std::optional<WorkingOrder>& slot, const Quote& quote);
  void time_out(Desk& desk, std::optional<WorkingOrder>& slot, const Quote& quote);
  void convert(Desk& desk, std::optional<WorkingOrder>& slot, const Quote& quote,
               std::string_view last_status);
  void replace(std::optional<WorkingOrder>& slot, const Quote& quote);
  void execute_market(Desk& desk, WorkingOrder order, const Quote& quote);
  void cancel(Desk& desk, std::optional<WorkingOrder>& slot, std::string_view status);
  void fill(Desk& desk, WorkingOrder& order, std::int64_t quantity_e8, std::int64_t price_e8);
  void say_order(Script script, const WorkingOrder& order, std::string_view status,
                 std::int64_t api_latency_ns = kUnsaidTime);
  void say_rate_limit();
  std::string next_order_id();

  // exits and the account (trader_exits.cpp)
  void manage(Desk& desk);
  void place_exit(Desk& desk, std::int64_t quantity_e8, std::int64_t limit_e8,
                  std::string exit_reason, std::string trade_type, int timeout_bars);
  void flatten(Desk& desk, std::string exit_reason, std::string trade_type);
  void finish_exit(Desk& desk, const WorkingOrder& order);
  void correct_trades(bool all);
  void say_position(const Desk& desk);
  void say_account(const Bar& bar);

  Quote quote_of_desk(const Desk& desk) const;
  std::int64_t fee_of(std::int64_t quantity_e8) const;
  int open_positions() const;
  bool is_near_close(const Bar& bar) const noexcept;

  struct Correction {
    TradeRecord trade;
    int bars_left = 0;
  };

  const Market& market_;
  ProfileSettings settings_;
  Dice dice_;
  Voice voice_;
  std::vector<Desk> desks_;  // by symbol
  std::vector<Correction> corrections_;
  std::int64_t open_ns_ = 0, close_ns_ = 0;
  std::int64_t realized_e8_ = 0, cash_flows_e8_ = 0;
  std::int64_t orders_ = 0, trades_ = 0, entries_ = 0, readings_ = 0;  // of the day; entries ever
  std::int64_t calls_this_minute_ = 0, minute_ns_ = 0;
  int stops_today_ = 0;
  bool has_reported_cash_flow_ = false;
};

}  // namespace ddt::replay
