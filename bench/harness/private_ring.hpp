// bench/harness/private_ring.hpp — the limit: 64-byte lines of one thread's own memory that stay in L1.
#pragma once

#include <x86intrin.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace ddt::bench {

class PrivateRing {
 public:
  template <bool Stamped>
  bool store(std::uint64_t duration) noexcept {
    Line& line = lines_[position_ % kLines];
    line.ordinal = position_;
    line.refused = 0;
    line.stamp = Stamped ? __rdtsc() : duration;
    line.kind = 9;
    line.duration = duration;
    line.rest[0] = line.rest[1] = 0;
    std::atomic_ref(line.sequence).store(position_ + 1, std::memory_order_release);
    ++position_;
    return true;
  }

 private:
  static constexpr std::uint64_t kLines = 256;  // 16 KiB
  struct alignas(64) Line {
    std::uint64_t sequence, ordinal, refused, stamp, kind, duration, rest[2];
  };
  static_assert(sizeof(Line) == 64);
  std::uint64_t position_ = 0;
  std::array<Line, kLines> lines_{};
};

}  // namespace ddt::bench
