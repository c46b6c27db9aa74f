// shm/lane_memory.hpp — the memory a Lane lies in: every access the ring makes to what both sides see.
//
// BasicLaneWriter and BasicLaneReader (shm/lane.hpp) touch shared memory through these five functions
// only, so that tests/model can put a memory in their place in which every interleaving, every stale
// value that the orders allow and every crash is tried. In a bot and in the sidecar they are the bare
// instructions.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ddt {

struct LaneMemory {
  using Word = std::atomic<std::uint64_t>;

  // Sequence words, `released`, counters.
  static std::uint64_t load(const Word& word, std::memory_order order) noexcept {
    return word.load(order);
  }
  static void store(Word& word, std::uint64_t value, std::memory_order order) noexcept {
    word.store(value, order);
  }
  // Heads and payloads: plain words and bytes, published and given back by the words above.
  static void store_word(std::byte* to, std::uint64_t word) noexcept {
    std::memcpy(to, &word, sizeof word);
  }
  static void store_byte(std::byte* to, std::byte byte) noexcept { *to = byte; }
  static void copy_out(void* to, const std::byte* from, std::size_t bytes) noexcept {
    std::memcpy(to, from, bytes);
  }
};

}  // namespace ddt
