// bench/replay/profile.hpp — how each profile trades: a pure function of its number and the seed.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/replay/bars.hpp"
#include "bench/replay/dice.hpp"

namespace ddt::replay {

inline constexpr std::int32_t kDetectorProfile = 9000;  // the breakout detector's own
inline constexpr std::int32_t kProfilesMax = 5000;

enum class Style : std::uint8_t { long_only, long_and_short, options };
enum class AfterTimeout : std::uint8_t { converted, canceled, replaced_then_converted };
enum class ReferencePrice : std::uint8_t { quote, limit };

struct ProfileSettings {
  std::int32_t profile_id = 1;
  std::vector<std::uint32_t> symbols;  // indexes into Market::symbols, sorted
  Style style = Style::long_only;
  bool is_fractional = false;
  bool sells_half_first = false;  // at half of the target
  bool expires_at_eod = false;    // open orders are reported expired, not canceled
  bool reports_cash_flow = false;
  AfterTimeout after_timeout = AfterTimeout::converted;
  ReferencePrice reference = ReferencePrice::quote;
  int lookback_bars = 20;
  int timeout_bars = 3;
  int hold_bars_max = 90;      // then a limit order at the entry price: time_based
  int stops_until_choppy = 4;  // stop-losses of a day that make it a choppy day
  int positions_max = 3;
  std::int64_t take_profit_bps = 25, stop_loss_bps = 15;
  std::int64_t limit_offset_tenth_bps = 1;  // below the ask (above the bid) of the decision
  std::int64_t strength_min_e8 = 0;
  std::int64_t cash_e8 = 0;          // at the start
  std::int64_t size_bps = 1'000;     // of the cash, per position
  std::int64_t fee_per_unit_e8 = 0;  // each way
  std::int64_t fee_min_e8 = 0;
};

// Profiles 1 … 4 are one of each: long, short too, options, fractional quantities; then they repeat with
// other numbers. Every profile trades at least one symbol of the last day, so that the live day shows it.
ProfileSettings profile_settings(std::int32_t profile_id, const Market& market, Dice dice);

}  // namespace ddt::replay
