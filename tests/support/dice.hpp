// tests/support/dice.hpp — random choices of a test, the same each time for a seed.
#pragma once

#include <cstdint>
#include <random>

namespace ddt::test {

class Dice {
 public:
  explicit Dice(std::uint32_t seed) : engine_(seed) {}
  std::int64_t between(std::int64_t least, std::int64_t greatest) {
    return std::uniform_int_distribution<std::int64_t>(least, greatest)(engine_);
  }
  bool once_in(std::int64_t n) { return between(1, n) == 1; }

 private:
  std::mt19937 engine_;
};

}  // namespace ddt::test
