#include "sidecar/model/trades.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include "sidecar/model/time.hpp"

namespace ddt::model {
namespace {

constexpr int128 kE16 = static_cast<int128>(kE8) * kE8;

constexpr int128 power_of_ten(int exponent) {
  int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

// DECIMAL(digits,8) holds |value_e8| < 10^digits.
std::optional<int128> fitting_column(std::optional<int128> value_e8, int digits) noexcept {
  if (!value_e8) return std::nullopt;
  const int128 limit = power_of_ten(digits);
  return *value_e8<limit&& * value_e8> - limit ? value_e8 : std::nullopt;
}

// a·b·c, each an e8.
std::optional<int128> product_e24(int128 a, std::int64_t b_e8, std::int64_t c_e8) noexcept {
  const auto ab = checked_multiply(a, b_e8);
  return ab ? checked_multiply(*ab, c_e8) : std::nullopt;
}

constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool is_occ_symbol(std::string_view symbol) noexcept {
  constexpr std::size_t kTail = 15;  // yymmdd, C or P, eight digits of strike
  if (symbol.size() <= kTail || symbol.size() > kTail + 6) return false;
  const std::string_view root = symbol.substr(0, symbol.size() - kTail);
  const std::string_view tail = symbol.substr(root.size());
  if (!is_upper(root.front())) return false;
  for (const char c : root) {
    if (!is_upper(c) && !is_digit(c)) return false;
  }
  for (std::size_t i = 0; i < kTail; ++i) {
    if (i == 6 ? tail[i] != 'C' && tail[i] != 'P' : !is_digit(tail[i])) return false;
  }
  const int month = (tail[2] - '0') * 10 + (tail[3] - '0');
  const int day = (tail[4] - '0') * 10 + (tail[5] - '0');
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

std::int64_t default_multiplier_e8(std::string_view symbol) noexcept {
  return is_occ_symbol(symbol) ? 100 * kE8 : kE8;
}

TradeRow row_of(const TradeEvent& event, const SegmentId& segment_id, std::uint32_t lane) {
  TradeRow row;
  row.name = {.segment_id = segment_id, .lane = lane, .position = event.origin.position};
  row.symbol = event.symbol;
  row.trade_type = event.trade_type;
  row.side = event.side;
  row.direction = event.direction;
  row.exit_reason = event.exit_reason;
  row.signal_id = event.signal_id;
  row.quantity_e8 = event.quantity_e8;
  row.multiplier_e8 = event.multiplier_e8;
  row.entry_price_e8 = event.entry_price_e8;
  row.exit_price_e8 = event.exit_price_e8;
  row.reference_price_e8 = event.reference_price_e8;
  row.fees_e8 = event.fees_e8;
  row.bar_strength_e8 = event.bar_strength_e8;
  row.candle_size_e8 = event.candle_size_e8;
  row.entry_time_ns = event.entry_time_ns;
  row.exit_time_ns = event.exit_time_ns;
  return row;
}

std::optional<int128> pnl_unrounded(const TradeRow& row) noexcept {
  const int sign = sign_of_side(row.side);
  if (sign == 0 || is_null(row.entry_price_e8) || is_null(row.exit_price_e8) ||
      is_null(row.quantity_e8) || is_null(row.multiplier_e8)) {
    return std::nullopt;
  }
  const int128 move_e8 = (int128{row.exit_price_e8} - row.entry_price_e8) * sign;
  const auto gross = product_e24(move_e8, row.quantity_e8, row.multiplier_e8);
  if (!gross) return std::nullopt;
  const int128 fees_e24 = is_null(row.fees_e8) ? 0 : row.fees_e8 * kE16;
  int128 pnl = 0;
  if (__builtin_sub_overflow(*gross, fees_e24, &pnl)) return std::nullopt;
  return pnl;
}

std::optional<int128> counted_pnl_unrounded(const TradeRow& row) noexcept {
  if (const auto pnl = pnl_unrounded(row)) return pnl;
  if (is_null(row.stored_pnl_e8)) return std::nullopt;
  return checked_multiply(row.stored_pnl_e8, kE16);
}

std::optional<int128> pnl_e8(const TradeRow& row) noexcept {
  const auto pnl = pnl_unrounded(row);
  if (!pnl) return std::nullopt;
  return fitting_column(rescale(*pnl, 24, 8), 30);
}

std::optional<int128> pnl_pct_e8(const TradeRow& row) noexcept {
  const auto pnl = pnl_unrounded(row);
  if (!pnl) return std::nullopt;
  const auto base = product_e24(row.entry_price_e8, row.quantity_e8, row.multiplier_e8);
  if (!base) return std::nullopt;
  return fitting_column(multiply_divide(*pnl, 100 * static_cast<int128>(kE8), *base), 20);
}

std::optional<int128> slippage_e8(const TradeRow& row) noexcept {
  const int sign = sign_of_side(row.side);
  if (sign == 0 || is_null(row.entry_price_e8) || is_null(row.reference_price_e8)) {
    return std::nullopt;
  }
  return fitting_column((int128{row.entry_price_e8} - row.reference_price_e8) * sign, 20);
}

std::optional<std::int64_t> duration_us(const TradeRow& row) noexcept {
  if (row.entry_time_ns == kNoTime || row.exit_time_ns == kNoTime) return std::nullopt;
  return floor_div(row.exit_time_ns, kNsPerUs) - floor_div(row.entry_time_ns, kNsPerUs);
}

bool is_breakout_trade(const TradeRow& row) noexcept {
  return row.trade_type == "breakout" || !row.signal_id.empty();
}

const Figure* find(std::span<const Figure> figures, std::string_view name) noexcept {
  for (const Figure& figure : figures) {
    if (figure.name == name) return &figure;
  }
  return nullptr;
}

namespace {

void add_pnl(TradeSummary& summary, const TradeRow& row) {
  const auto pnl = counted_pnl_unrounded(row);
  if (!pnl) {
    ++summary.without_pnl;
    return;
  }
  summary.pnl_e24.add(*pnl);
  if (*pnl > 0) {
    ++summary.profitable;
    summary.gross_profit_e24.add(*pnl);
    summary.largest_win_e24 = std::max(summary.largest_win_e24.value_or(*pnl), *pnl);
  } else if (*pnl < 0) {
    ++summary.losing;
    summary.gross_loss_e24.add(-*pnl);
    summary.largest_loss_e24 = std::min(summary.largest_loss_e24.value_or(*pnl), *pnl);
  } else {
    ++summary.flat;
  }
  const int128 rounded_e8 = rescale(*pnl, 24, 8);
  ++summary.moment_n;
  summary.moment_sum_e8.add(rounded_e8);
  if (const auto square = checked_multiply(rounded_e8, rounded_e8)) {
    summary.moment_squares_e16.add(*square);
  } else {
    summary.moment_squares_e16 = {.value = 0, .overflow = true};
  }
}

void add_product(CheckedSum& sum, std::optional<int128> product) {
  if (product) {
    sum.add(*product);
  } else {
    sum = {.value = 0, .overflow = true};
  }
}

void add_slippage(TradeSummary& summary, const TradeRow& row) {
  const auto slippage = slippage_e8(row);
  if (!slippage || is_null(row.quantity_e8) || is_null(row.multiplier_e8)) return;
  ++summary.with_slippage;
  add_product(summary.slippage_quantity_e16, checked_multiply(*slippage, row.quantity_e8));
  summary.quantity_e8.add(row.quantity_e8);
  add_product(summary.slippage_cost_e24,
              product_e24(*slippage, row.quantity_e8, row.multiplier_e8));
  add_product(summary.reference_notional_e24,
              product_e24(row.reference_price_e8, row.quantity_e8, row.multiplier_e8));
  if (row.reference_price_e8 == 0) return;
  const auto bps_e8 =
      multiply_divide(*slippage, 10'000 * static_cast<int128>(kE8), row.reference_price_e8);
  if (bps_e8 && *bps_e8 <= kMaxE8 && *bps_e8 >= -int128{kMaxE8}) {
    summary.slippage_bps_e8.add(static_cast<std::int64_t>(*bps_e8));
  }
}

}  // namespace

void TradeSummary::add(const TradeRow& row) {
  ++trades;
  add_pnl(*this, row);
  add_slippage(*this, row);
  if (!is_null(row.fees_e8)) fees_e8.add(row.fees_e8);
  if (const auto duration = model::duration_us(row)) {
    duration_us.add(*duration);
    duration_sum_us.add(*duration);
  }
}

void TradeSummary::merge(const TradeSummary& other) {
  trades += other.trades;
  profitable += other.profitable;
  losing += other.losing;
  flat += other.flat;
  without_pnl += other.without_pnl;
  pnl_e24.merge(other.pnl_e24);
  gross_profit_e24.merge(other.gross_profit_e24);
  gross_loss_e24.merge(other.gross_loss_e24);
  fees_e8.merge(other.fees_e8);
  with_slippage += other.with_slippage;
  slippage_quantity_e16.merge(other.slippage_quantity_e16);
  quantity_e8.merge(other.quantity_e8);
  slippage_cost_e24.merge(other.slippage_cost_e24);
  reference_notional_e24.merge(other.reference_notional_e24);
  slippage_bps_e8.merge(other.slippage_bps_e8);
  if (other.largest_win_e24) {
    largest_win_e24 =
        std::max(largest_win_e24.value_or(*other.largest_win_e24), *other.largest_win_e24);
  }
  if (other.largest_loss_e24) {
    largest_loss_e24 =
        std::min(largest_loss_e24.value_or(*other.largest_loss_e24), *other.largest_loss_e24);
  }
  duration_us.merge(other.duration_us);
  duration_sum_us.merge(other.duration_sum_us);
  moment_n += other.moment_n;
  moment_sum_e8.merge(other.moment_sum_e8);
  moment_squares_e16.merge(other.moment_squares_e16);
}

namespace {

void encode_sum(const CheckedSum& sum, ByteWriter& writer) {
  writer.boolean(sum.overflow);
  writer.i128(sum.value);
}

CheckedSum decode_sum(ByteReader& reader) {
  CheckedSum sum;
  sum.overflow = reader.boolean();
  sum.value = reader.i128();
  if (sum.overflow && sum.value != 0) reader.fail();
  return sum;
}

void encode_extreme(const std::optional<int128>& value, ByteWriter& writer) {
  writer.boolean(value.has_value());
  if (value) writer.i128(*value);
}

std::optional<int128> decode_extreme(ByteReader& reader) {
  if (!reader.boolean()) return std::nullopt;
  return reader.i128();
}

// Members in the order in which they travel.
template <typename Summary>
auto counts_of(Summary& s) {
  return std::tie(s.trades, s.profitable, s.losing, s.flat, s.without_pnl, s.with_slippage,
                  s.moment_n);
}
template <typename Summary>
auto sums_of(Summary& s) {
  return std::tie(s.pnl_e24, s.gross_profit_e24, s.gross_loss_e24, s.fees_e8,
                  s.slippage_quantity_e16, s.quantity_e8, s.slippage_cost_e24,
                  s.reference_notional_e24, s.duration_sum_us, s.moment_sum_e8,
                  s.moment_squares_e16);
}

}  // namespace

void TradeSummary::encode(ByteWriter& writer) const {
  std::apply([&writer](const auto&... count) { (writer.varint(count), ...); }, counts_of(*this));
  std::apply([&writer](const auto&... sum) { (encode_sum(sum, writer), ...); }, sums_of(*this));
  encode_extreme(largest_win_e24, writer);
  encode_extreme(largest_loss_e24, writer);
  slippage_bps_e8.encode(writer);
  duration_us.encode(writer);
}

std::optional<TradeSummary> TradeSummary::decode(ByteReader& reader) {
  TradeSummary summary;
  std::apply([&reader](auto&... count) { ((count = reader.varint()), ...); }, counts_of(summary));
  std::apply([&reader](auto&... sum) { ((sum = decode_sum(reader)), ...); }, sums_of(summary));
  summary.largest_win_e24 = decode_extreme(reader);
  summary.largest_loss_e24 = decode_extreme(reader);
  auto slippage = QuantileSketch::decode(reader);
  if (!slippage) return std::nullopt;
  auto durations = QuantileSketch::decode(reader);
  if (!durations || !reader.ok()) return std::nullopt;
  summary.slippage_bps_e8 = std::move(*slippage);
  summary.duration_us = std::move(*durations);
  for (const std::uint64_t part : {summary.trades, summary.profitable, summary.losing, summary.flat,
                                   summary.without_pnl, summary.with_slippage, summary.moment_n}) {
    if (part > kSamplesMax || part > summary.trades) return std::nullopt;
  }
  const std::uint64_t classes =
      summary.profitable + summary.losing + summary.flat + summary.without_pnl;
  if (classes != summary.trades || summary.gross_loss_e24.value < 0) return std::nullopt;
  return summary;
}

}  // namespace ddt::model
