// shm/base/decimal.hpp — exact decimals: int64 scaled by 1e8 ("e8"), 128 bits for products and
// sums.
//
// Units     x_e8 is x·10^8. An e8 holds −92,233,720,368.54775806 … 92,233,720,368.54775807;
//           kNullE8 (INT64_MIN) means "not said".
//
// Errors    What does not fit or is no number is kInvalidE8; publish refuses it. No double ever
//           touches money again once it is an e8.
//
// Rounding  Half away from zero, once, where a number leaves (a column, a JSON number).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace ddt {

__extension__ using int128 = __int128;
__extension__ using uint128 = unsigned __int128;

inline constexpr std::int64_t kE8 = 100'000'000;
inline constexpr std::int64_t kNullE8 = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t kInvalidE8 = kNullE8 + 1;
inline constexpr std::int64_t kMaxE8 = std::numeric_limits<std::int64_t>::max();

constexpr bool is_null(std::int64_t value_e8) noexcept { return value_e8 == kNullE8; }
constexpr bool is_valid_number(std::int64_t value_e8) noexcept { return value_e8 > kInvalidE8; }

// Nearest e8 of a double, half away from zero; NaN, infinite or out of range gives kInvalidE8.
inline std::int64_t e8_from_double(double value) noexcept {
  const double scaled = std::round(value * 1e8);
  if (!(scaled > -9.2233720368547e18 && scaled < 9.2233720368547e18)) return kInvalidE8;
  return static_cast<std::int64_t>(scaled);
}

// A whole number; kInvalidE8 when it does not fit.
constexpr std::int64_t e8_from_int(std::int64_t value) noexcept {
  constexpr std::int64_t kLimit = kMaxE8 / kE8;
  return value > kLimit || value < -kLimit ? kInvalidE8 : value * kE8;
}

// "-12.34", "1e-5" refused; digits beyond the eighth decimal are rounded half away from zero.
// nullopt when it is not a decimal number or does not fit.
std::optional<std::int64_t> e8_from_string(std::string_view text) noexcept;

// Exact decimal of value·10^-scale: "1234.56", trailing zeros trimmed, no exponent, no "-0".
std::string decimal_string(int128 value, int scale);
inline std::string e8_string(std::int64_t value_e8) { return decimal_string(value_e8, 8); }

// numerator/denominator rounded half away from zero. denominator must not be 0.
constexpr int128 divide_rounded(int128 numerator, int128 denominator) noexcept {
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  const int128 quotient = numerator / denominator;
  const int128 rest = numerator % denominator;
  const int128 magnitude = rest < 0 ? -rest : rest;
  if (magnitude < denominator - magnitude) return quotient;
  return numerator < 0 ? quotient - 1 : quotient + 1;
}

// value·10^-from_scale as value'·10^-to_scale with from_scale >= to_scale, rounded half away from
// zero.
constexpr int128 rescale(int128 value, int from_scale, int to_scale) noexcept {
  int128 factor = 1;
  for (int i = to_scale; i < from_scale; ++i) factor *= 10;
  return divide_rounded(value, factor);
}

}  // namespace ddt
