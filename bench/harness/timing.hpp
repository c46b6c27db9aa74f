// bench/harness/timing.hpp — one operation timed many times.
//
// Each operation stands between a pair of rdtscp;lfence; what the pair costs itself is measured beside it
// and subtracted by whoever prints (rows.hpp). Operations come one per interval, in blocks of 2 ms: most
// fit between two scheduler ticks. A block in which the scheduler took the CPU away says so.
#pragma once

#include <sched.h>
#include <sys/resource.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include "shm/base/clock.hpp"

namespace ddt::bench {

inline constexpr std::uint32_t kBlockMessages = 2'000;

inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) std::perror("bench: pin");
}

inline std::uint64_t fenced_ticks() {
  unsigned cpu;
  const std::uint64_t ticks = __rdtscp(&cpu);
  _mm_lfence();
  return ticks;
}

inline double measure_ticks_per_ns() {
  const std::int64_t begin_ns = monotonic_ns();
  const std::uint64_t begin = __rdtsc();
  while (monotonic_ns() - begin_ns < 100'000'000) {
  }
  return static_cast<double>(__rdtsc() - begin) / static_cast<double>(monotonic_ns() - begin_ns);
}

inline long involuntary_switches() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

struct Block {
  std::array<std::uint32_t, kBlockMessages> ticks;
  std::uint32_t messages = 0;  // those that were taken
  std::uint32_t refused = 0;
  bool is_clean = true;
};

// Up to some 30 ns, another time each time. Where the TSC ticks in steps (10 ns on an AMD EPYC under KVM), whoever has
// just seen it change would begin every pair right behind a step: then 3 ns and 9 ns may look alike, or 10 ns apart.
inline void wait_a_little(std::uint32_t i) {
  for (std::uint32_t rest = i * 2'654'435'761U >> 25U; rest != 0; --rest) asm volatile("" : "+r"(rest));
}

// One operation every `interval` ticks; operation(i) says whether it was taken. Never inlined: the code
// around the operation is the same for all.
template <typename Operation>
[[gnu::noinline]] void run_block(Operation operation, std::uint64_t interval, Block& block,
                                 std::uint32_t messages = kBlockMessages) {
  block.messages = block.refused = 0;
  const long switches = involuntary_switches();
  std::uint64_t due = __rdtsc() + interval;
  for (std::uint32_t i = 0; i < messages; ++i) {
    while (__rdtsc() < due) {
    }
    wait_a_little(i);
    const std::uint64_t begin = fenced_ticks();
    const bool taken = operation(i);
    asm volatile("" ::: "memory");
    const std::uint64_t end = fenced_ticks();
    if (taken) {
      block.ticks[block.messages++] =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(end - begin, 0xFFFF'FFFFU));
    } else {
      ++block.refused;
    }
    due = std::max(due + interval, end);  // after a pause: no burst
  }
  block.is_clean = involuntary_switches() == switches;
}

// What stands in the empty pair, so that the pair costs what it costs around anything: a processor may overlap two
// timestamps with nothing between them (docs/adr/0070-the-empty-timing-pair.md).
inline bool do_nothing(std::uint32_t) {
  asm volatile("nop");
  return true;
}

// Ticks of one operation when many follow each other without a pair around each: for what is cheaper than
// the pair can resolve. Less the empty loop; the least of ten runs.
template <typename Operation>
[[gnu::noinline]] double ticks_in_batch(Operation operation) {
  constexpr std::uint32_t kBatch = 100'000;
  double least = 1e9;
  for (int run = 0; run < 10; ++run) {
    const std::uint64_t begin = fenced_ticks();
    for (std::uint32_t i = 0; i < kBatch; ++i) {
      operation(i);
      asm volatile("" ::: "memory");
    }
    const std::uint64_t end = fenced_ticks();
    least = std::min(least, static_cast<double>(end - begin) / kBatch);
  }
  return least;
}

}  // namespace ddt::bench
