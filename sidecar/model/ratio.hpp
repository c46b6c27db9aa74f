// sidecar/model/ratio.hpp — exact quotients and sums of 128-bit decimals.
//
// Errors    nullopt when the result does not fit 128 bits or the denominator is 0; never a wrapped
// number. Rounding  Half away from zero, once.
#pragma once

#include <optional>

#include "shm/base/decimal.hpp"

namespace ddt::model {

// a·b/c rounded half away from zero, with a 256-bit product.
std::optional<int128> multiply_divide(int128 a, int128 b, int128 c) noexcept;

// A sum that remembers that it once did not fit: from then on it has no value. Commutative as long
// as no partial sum overflows, which is what the flag says.
struct CheckedSum {
  int128 value = 0;
  bool overflow = false;

  constexpr void add(int128 addend) noexcept {
    if (__builtin_add_overflow(value, addend, &value)) {
      value = 0;
      overflow = true;
    }
  }
  constexpr void merge(const CheckedSum& other) noexcept {
    add(other.value);
    overflow = overflow || other.overflow;
    if (overflow) value = 0;
  }
  bool operator==(const CheckedSum&) const = default;
};

constexpr std::optional<int128> checked_multiply(int128 a, int128 b) noexcept {
  int128 product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

}  // namespace ddt::model
