// bench/replay/desk.hpp — orders and the position of one profile in one symbol. Values; no publishing.
//
// Units     *_e8 decimals; *_e16 sums of quantity·price. Times are simulated nanoseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bench/replay/detector.hpp"
#include "bench/replay/instrument.hpp"
#include "shm/base/decimal.hpp"

namespace ddt::replay {

enum class Purpose : std::uint8_t { entry, exit };

struct WorkingOrder {
  std::string order_id, parent_order_id, signal_id;
  Instrument instrument;
  Purpose purpose = Purpose::entry;
  bool is_limit = true, buys = true;
  std::int64_t quantity_e8 = 0, filled_e8 = 0;
  int128 filled_value_e16 = 0;
  std::int64_t limit_e8 = kNullE8;
  bool is_accepted = false, will_be_rejected = false, was_marketable = false, was_replaced = false;
  int bars_open = 0, timeout_bars = 0;
  std::string exit_reason, trade_type;  // exits

  std::int64_t remaining_e8() const noexcept { return quantity_e8 - filled_e8; }
  std::int64_t average_fill_e8() const noexcept {
    return filled_e8 == 0 ? kNullE8
                          : static_cast<std::int64_t>(divide_rounded(filled_value_e16, filled_e8));
  }
  void fill(std::int64_t quantity, std::int64_t price_e8) noexcept {
    filled_e8 += quantity;
    filled_value_e16 += int128{quantity} * price_e8;
  }
};

// What the signal and the decision leave on the trades that come of them.
struct EntryDecision {
  Breakout breakout;
  std::int64_t reference_e8 = kNullE8;
};

struct Holding {
  Instrument instrument;
  bool is_long = true;
  std::int64_t quantity_e8 = 0;  // open
  std::int64_t bought_e8 = 0;    // ever, by the entry
  int128 cost_e16 = 0;
  std::int64_t entry_time_ns = 0;
  EntryDecision decision;
  bool has_sold_half = false, has_tried_scratch = false;
  int bars_held = 0;

  std::int64_t average_e8() const noexcept {
    return static_cast<std::int64_t>(divide_rounded(cost_e16, bought_e8));
  }
  std::int64_t sign() const noexcept { return is_long ? 1 : -1; }
  // Of the open quantity at this price.
  std::int64_t unrealized_e8(std::int64_t price_e8) const noexcept {
    return sign() * value_of(quantity_e8, price_e8 - average_e8(), instrument.multiplier());
  }
  // How far the price has gone our way.
  std::int64_t gain_bps(std::int64_t price_e8) const noexcept {
    return sign() * (price_e8 - average_e8()) * 10'000 / average_e8();
  }
};

struct Desk {
  std::optional<WorkingOrder> entry, exit;
  EntryDecision decision;  // of `entry`
  std::optional<Holding> holding;
  std::optional<Bar> last_bar;
  bool is_idle() const noexcept { return !entry && !exit && !holding; }
};

// What a resting limit order gets of this bar: its price, or kNullE8.
std::int64_t fill_price_e8(const WorkingOrder& order, const Quote& quote) noexcept;
// Half of what remains, in the instrument's steps; 0 when it cannot be halved.
std::int64_t half_of(std::int64_t quantity_e8, bool is_fractional) noexcept;
// The limit price `tenth_bps` tenths of a basis point better than the quote, on the instrument's grid.
std::int64_t limit_near(const Instrument& instrument, const Quote& quote, bool buys,
                        std::int64_t tenth_bps) noexcept;
std::int64_t tick_of(const Instrument& instrument) noexcept;

}  // namespace ddt::replay
