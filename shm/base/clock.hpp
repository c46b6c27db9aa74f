// shm/base/clock.hpp — the clocks a Record can be stamped with.
//
// Ticks     The invariant TSC where there is one, else CLOCK_MONOTONIC in nanoseconds. Ticks mean
// nothing
//           alone: a Segment's calibration pairs turn them into wall time (shm/segment_layout.hpp).
#pragma once

#include <time.h>

#include <cstdint>
#include <limits>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace ddt {

inline constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;

enum class ClockKind : std::uint32_t { monotonic = 1, tsc = 2 };

inline std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * kNsPerSecond + now.tv_nsec;
}
inline std::int64_t wall_ns() noexcept { return clock_ns(CLOCK_REALTIME); }
inline std::int64_t monotonic_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }

// True where the TSC ticks at one rate through frequency changes and deep sleeps (CPUID 80000007h,
// bit 8).
inline bool has_invariant_tsc() noexcept {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x80000007U, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
#else
  return false;
#endif
}

inline const ClockKind kTickClock = has_invariant_tsc() ? ClockKind::tsc : ClockKind::monotonic;

inline std::uint64_t ticks_now() noexcept {
#if defined(__x86_64__)
  // rdtsc, not rdtscp: a stamp may move by a few instructions, and rdtscp costs 5 ns more.
  if (kTickClock == ClockKind::tsc) [[likely]]
    return __rdtsc();
#endif
  return static_cast<std::uint64_t>(monotonic_ns());
}

}  // namespace ddt
