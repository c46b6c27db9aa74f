#include "sidecar/model/ratio.hpp"

#include <limits>

namespace ddt::model {
namespace {

constexpr uint128 magnitude_of(int128 value) {
  return value < 0 ? uint128{0} - static_cast<uint128>(value) : static_cast<uint128>(value);
}

struct Wide {
  uint128 high = 0, low = 0;
};

// Schoolbook product of 64-bit halves.
Wide multiply(uint128 a, uint128 b) {
  constexpr uint128 kLow = ~std::uint64_t{0};
  const uint128 a0 = a & kLow, a1 = a >> 64, b0 = b & kLow, b1 = b >> 64;
  const uint128 p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
  const uint128 middle = (p00 >> 64) + (p01 & kLow) + (p10 & kLow);
  return {.high = p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64),
          .low = (middle << 64) | (p00 & kLow)};
}

struct Quotient {
  uint128 value = 0, rest = 0;
};

// Bit by bit; requires product.high < divisor, so that the quotient fits. Divisors are below 2^127 + 1,
// so the doubled rest fits as well.
Quotient divide(const Wide& product, uint128 divisor) {
  Quotient result{.value = 0, .rest = product.high};
  for (int bit = 127; bit >= 0; --bit) {
    const bool carry = (result.rest >> 127) != 0;
    result.rest = (result.rest << 1) | ((product.low >> bit) & 1);
    result.value <<= 1;
    if (carry || result.rest >= divisor) {
      result.rest -= divisor;
      result.value |= 1;
    }
  }
  return result;
}

}  // namespace

std::optional<int128> multiply_divide(int128 a, int128 b, int128 c) noexcept {
  if (c == 0) return std::nullopt;
  const bool negative = ((a < 0) != (b < 0)) != (c < 0);
  const uint128 divisor = magnitude_of(c);
  const Wide product = multiply(magnitude_of(a), magnitude_of(b));
  Quotient quotient;
  if (product.high == 0) {
    quotient = {.value = product.low / divisor, .rest = product.low % divisor};
  } else {
    if (product.high >= divisor) return std::nullopt;
    quotient = divide(product, divisor);
  }
  if (quotient.rest >= divisor - quotient.rest) {
    if (++quotient.value == 0) return std::nullopt;
  }
  if (quotient.value >> 127 != 0) return std::nullopt;
  const auto value = static_cast<int128>(quotient.value);
  return negative ? -value : value;
}

}  // namespace ddt::model
