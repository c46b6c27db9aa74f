// bench/replay/instrument.hpp — what a profile trades: a stock itself, or an option made up from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/replay/bars.hpp"
#include "shm/base/decimal.hpp"

namespace ddt::replay {

enum class InstrumentKind : std::uint8_t { stock, call, put };

struct Instrument {
  std::string symbol;  // the stock's, or an OCC option symbol
  std::uint32_t underlying = 0;
  InstrumentKind kind = InstrumentKind::stock;
  std::int64_t strike_e8 = 0;
  std::int64_t multiplier() const noexcept { return kind == InstrumentKind::stock ? 1 : 100; }
};

// Of one bar: the range traded in it, and the quote at its end.
struct Quote {
  std::int64_t bid_e8 = 0, ask_e8 = 0, low_e8 = 0, high_e8 = 0, last_e8 = 0;
};

// The option nearest to the money that expires on the first Friday after `date`.
Instrument option_near(std::string_view symbol, std::uint32_t underlying, InstrumentKind kind,
                       std::int64_t price_e8, std::int64_t date);
// Intrinsic value plus a time value that falls linearly with the distance from the strike: deterministic,
// monotone in the underlying, in steps of 0.0001.
std::int64_t option_price_e8(const Instrument& instrument, std::int64_t underlying_e8) noexcept;
Quote quote_of(const Instrument& instrument, const Bar& bar) noexcept;

// quantity·price·multiplier rounded to 8 decimals.
std::int64_t value_of(std::int64_t quantity_e8, std::int64_t price_e8,
                      std::int64_t multiplier) noexcept;

}  // namespace ddt::replay
