// sidecar/model/equity_levels.hpp — arithmetic of levels that a minute's and a span's drawdown share.
#pragma once

#include <algorithm>
#include <cstdint>

#include "shm/base/decimal.hpp"

namespace ddt::model {

inline constexpr int128 kPctE8 = 100 * static_cast<int128>(kE8);

inline std::int64_t clamp_e8(int128 value) noexcept {
  return static_cast<std::int64_t>(std::clamp<int128>(value, -int128{kMaxE8}, kMaxE8));
}

// Clamped: times of a damaged row may be anything.
inline std::int64_t span_ns(std::int64_t from_ns, std::int64_t to_ns) noexcept {
  return clamp_e8(int128{to_ns} - from_ns);
}

// drop/high·100 as e8; 0 unless high > 0.
inline std::int64_t pct_of(int128 drop_e8, int128 high_e8) noexcept {
  if (high_e8 <= 0 || drop_e8 <= 0) return 0;
  return clamp_e8(divide_rounded(drop_e8 * kPctE8, high_e8));
}

}  // namespace ddt::model
