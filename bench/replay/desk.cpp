#include "bench/replay/desk.hpp"

#include <algorithm>

namespace ddt::replay {
namespace {

constexpr std::int64_t kFractionStepE8 = kE8 / 10'000;

}  // namespace

std::int64_t fill_price_e8(const WorkingOrder& order, const Quote& quote) noexcept {
  const std::int64_t other_side_e8 = order.buys ? quote.ask_e8 : quote.bid_e8;
  const bool crosses =
      order.buys ? other_side_e8 <= order.limit_e8 : other_side_e8 >= order.limit_e8;
  const bool is_traded_through =
      order.buys ? quote.low_e8 < order.limit_e8 : quote.high_e8 > order.limit_e8;
  if (order.was_marketable && crosses) return other_side_e8;
  if (is_traded_through) return order.limit_e8;
  return crosses ? other_side_e8 : kNullE8;
}

std::int64_t half_of(std::int64_t quantity_e8, bool is_fractional) noexcept {
  const std::int64_t step_e8 = is_fractional ? kFractionStepE8 : kE8;
  return quantity_e8 / 2 / step_e8 * step_e8;
}

std::int64_t tick_of(const Instrument& instrument) noexcept {
  return instrument.kind == InstrumentKind::stock ? kE8 / 100 : kE8 / 10'000;
}

std::int64_t limit_near(const Instrument& instrument, const Quote& quote, bool buys,
                        std::int64_t tenth_bps) noexcept {
  const std::int64_t tick_e8 = tick_of(instrument);
  const std::int64_t quote_e8 = buys ? quote.ask_e8 : quote.bid_e8;
  const std::int64_t better_e8 = quote_e8 / 100'000 * tenth_bps;
  if (buys) return std::max((quote_e8 - better_e8) / tick_e8 * tick_e8, tick_e8);
  return (quote_e8 + better_e8 + tick_e8 - 1) / tick_e8 * tick_e8;
}

}  // namespace ddt::replay
