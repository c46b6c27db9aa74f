// bench/replay/dice.hpp — chance without state: the same question always has the same answer.
//
// Every process asks its own questions in its own order and still sees the same world.
#pragma once

#include <cstdint>

namespace ddt::replay {

// splitmix64's finalizer: every input bit reaches every output bit.
constexpr std::uint64_t scrambled(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

class Dice {
 public:
  constexpr explicit Dice(std::uint64_t seed) noexcept : seed_(scrambled(seed)) {}

  // Dice of a sub-question: of a profile, an order, a bar.
  constexpr Dice of(std::uint64_t question) const noexcept {
    return Dice(seed_ ^ scrambled(question + 0x5851f42d4c957f2dULL));
  }
  // 0 … sides-1
  constexpr std::int64_t roll(std::uint64_t question, std::int64_t sides) const noexcept {
    return static_cast<std::int64_t>(scrambled(seed_ ^ scrambled(question)) %
                                     static_cast<std::uint64_t>(sides));
  }
  constexpr bool is_one_in(std::uint64_t question, std::int64_t sides) const noexcept {
    return roll(question, sides) == 0;
  }

 private:
  std::uint64_t seed_;
};

}  // namespace ddt::replay
