#include "bench/replay/profile.hpp"

#include <algorithm>

#include "shm/base/decimal.hpp"

namespace ddt::replay {
namespace {

std::vector<std::uint32_t> symbols_of(std::int32_t profile_id, const Market& market, Dice dice) {
  std::vector<std::uint32_t> chosen;
  const auto count = static_cast<std::uint32_t>(market.symbols.size());
  for (std::uint32_t symbol = 0; symbol < count; ++symbol) {
    if (profile_id <= 4 || count <= 2 || dice.roll(symbol, 100) < 50) chosen.push_back(symbol);
  }
  if (market.days.empty()) return chosen;
  const std::vector<Bar>& last = market.days.back().bars;
  const bool sees_last_day = std::any_of(last.begin(), last.end(), [&](const Bar& bar) {
    return std::find(chosen.begin(), chosen.end(), bar.symbol) != chosen.end();
  });
  if (!sees_last_day) chosen.push_back(last.front().symbol);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

void set_option_sizes(ProfileSettings& settings, Dice dice) {
  // An option moves about fifty times as much as its stock.
  settings.take_profit_bps = 1'000 + dice.roll(20, 10) * 150;
  settings.stop_loss_bps = 700 + dice.roll(21, 8) * 100;
  settings.limit_offset_tenth_bps = dice.roll(22, 4) * 100;
  settings.size_bps = 200;
  settings.fee_per_unit_e8 = 65 * (kE8 / 100);
  settings.fee_min_e8 = 0;
}

}  // namespace

ProfileSettings profile_settings(std::int32_t profile_id, const Market& market, Dice dice) {
  ProfileSettings settings;
  settings.profile_id = profile_id;
  settings.symbols = symbols_of(profile_id, market, dice.of(1));
  const int flavour = (profile_id - 1) % 4;
  settings.style = flavour == 1   ? Style::long_and_short
                   : flavour == 2 ? Style::options
                                  : Style::long_only;
  settings.is_fractional = flavour == 3;
  settings.reports_cash_flow = profile_id == 1 || profile_id % 7 == 0;
  settings.sells_half_first = flavour == 0 || dice.is_one_in(2, 3);
  settings.expires_at_eod = profile_id % 2 == 1;
  settings.after_timeout = static_cast<AfterTimeout>((profile_id - 1) % 3);
  settings.reference = dice.is_one_in(4, 3) ? ReferencePrice::limit : ReferencePrice::quote;
  settings.lookback_bars = static_cast<int>(10 + 5 * dice.roll(5, 5));
  settings.timeout_bars = static_cast<int>(2 + dice.roll(6, 4));
  settings.hold_bars_max = static_cast<int>(20 + dice.roll(7, 40));
  settings.stops_until_choppy = static_cast<int>(3 + dice.roll(8, 4));
  settings.positions_max = static_cast<int>(1 + dice.roll(9, 3));
  settings.take_profit_bps = 8 + dice.roll(10, 25);
  settings.stop_loss_bps = 6 + dice.roll(11, 15);
  settings.limit_offset_tenth_bps = dice.roll(12, 60);
  settings.strength_min_e8 = dice.roll(13, 15) * (kE8 / 100);
  settings.cash_e8 = (25'000 + 5'000 * dice.roll(14, 30)) * kE8;
  settings.size_bps = 500 + 100 * dice.roll(15, 20);
  settings.fee_per_unit_e8 = flavour == 0 ? 0 : kE8 / 1'000 * dice.roll(16, 6);
  settings.fee_min_e8 = flavour == 1 ? kE8 : 0;
  if (settings.style == Style::options) set_option_sizes(settings, dice);
  return settings;
}

}  // namespace ddt::replay
