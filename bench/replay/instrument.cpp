#include "bench/replay/instrument.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "bench/replay/calendar.hpp"

namespace ddt::replay {
namespace {

constexpr std::int64_t kOptionTickE8 = kE8 / 10'000;
constexpr std::int64_t kTimeValueBps = 120;  // of the strike, at the money
constexpr std::int64_t kSpreadDivisor = 150;

constexpr std::int64_t to_tick(std::int64_t price_e8) noexcept {
  return price_e8 / kOptionTickE8 * kOptionTickE8;
}

}  // namespace

Instrument option_near(std::string_view symbol, std::uint32_t underlying, InstrumentKind kind,
                       std::int64_t price_e8, std::int64_t date) {
  std::int64_t expiry = date + 1;
  while (weekday_of(expiry) != 4) ++expiry;
  const std::int64_t step_e8 = price_e8 >= 300 * kE8  ? 5 * kE8
                               : price_e8 >= 30 * kE8 ? kE8
                                                      : kE8 / 2;
  const std::int64_t strike_e8 =
      std::max((price_e8 + step_e8 / 2) / step_e8, std::int64_t{1}) * step_e8;
  const CivilDate civil = civil_from_days(expiry);
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%.6s%02d%02d%02d%c%08lld", std::string(symbol).c_str(),
                civil.year % 100, civil.month, civil.day, kind == InstrumentKind::call ? 'C' : 'P',
                static_cast<long long>(strike_e8 / (kE8 / 1'000)));
  return {.symbol = text.data(), .underlying = underlying, .kind = kind, .strike_e8 = strike_e8};
}

std::int64_t option_price_e8(const Instrument& instrument, std::int64_t underlying_e8) noexcept {
  const std::int64_t in_the_money_e8 = instrument.kind == InstrumentKind::call
                                           ? underlying_e8 - instrument.strike_e8
                                           : instrument.strike_e8 - underlying_e8;
  const std::int64_t distance_e8 = in_the_money_e8 < 0 ? -in_the_money_e8 : in_the_money_e8;
  const std::int64_t time_value_e8 =
      std::max(kOptionTickE8, instrument.strike_e8 / 10'000 * kTimeValueBps - distance_e8 / 2);
  return to_tick(std::max(in_the_money_e8, std::int64_t{0}) + time_value_e8);
}

Quote quote_of(const Instrument& instrument, const Bar& bar) noexcept {
  if (instrument.kind == InstrumentKind::stock)
    return {.bid_e8 = bar.bid_e8,
            .ask_e8 = bar.ask_e8,
            .low_e8 = bar.low_e8,
            .high_e8 = bar.high_e8,
            .last_e8 = bar.close_e8};
  const std::int64_t at_low_e8 = option_price_e8(instrument, bar.low_e8);
  const std::int64_t at_high_e8 = option_price_e8(instrument, bar.high_e8);
  const std::int64_t last_e8 = option_price_e8(instrument, bar.close_e8);
  const std::int64_t half_spread_e8 = std::max(kOptionTickE8, to_tick(last_e8 / kSpreadDivisor));
  return {.bid_e8 = std::max(last_e8 - half_spread_e8, kOptionTickE8),
          .ask_e8 = last_e8 + half_spread_e8,
          .low_e8 = std::min(at_low_e8, at_high_e8),
          .high_e8 = std::max(at_low_e8, at_high_e8),
          .last_e8 = last_e8};
}

std::int64_t value_of(std::int64_t quantity_e8, std::int64_t price_e8,
                      std::int64_t multiplier) noexcept {
  return static_cast<std::int64_t>(rescale(int128{quantity_e8} * price_e8 * multiplier, 16, 8));
}

}  // namespace ddt::replay
