// sidecar/model/buckets.hpp — How many samples fell into each bucket of a QuantileSketch.
//
// Form      Up to kFewMax buckets that are not empty lie in the object itself, in order of key: a Block's
//           Summaries hold a few samples each, and are made, moved, encoded and merged without the heap.
//           More lie in pages. Buckets never get fewer and their number alone decides the form, so equal
//           ones are equal member by member, whatever the order of adding and merging.
// Moved     What was moved from may be destroyed or assigned to, and nothing else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <variant>
#include <vector>

namespace ddt::model {

class Buckets {
 public:
  static constexpr std::int16_t kKeyMax = 2'050;  // keys are −kKeyMax … kKeyMax

  void add(std::int16_t key, std::uint64_t times) {
    if (auto* pages = std::get_if<Pages>(&form_)) [[likely]] {
      size_ += pages->add(key, times);
    } else {
      add_to_few(*std::get_if<Few>(&form_), key, times);
    }
  }
  void merge(const Buckets& other);

  std::size_t size() const noexcept { return size_; }  // of those that are not empty

  // Calls visit(key, count) for every bucket that is not empty, in order of key, until it returns false.
  template <typename Visit>
  void visit(Visit visit) const {
    if (const auto* pages = std::get_if<Pages>(&form_)) return pages->visit(visit);
    const Few& few = *std::get_if<Few>(&form_);
    for (std::size_t i = 0; i < size_ && visit(few.keys[i], few.counts[i]); ++i) {
    }
  }

  bool operator==(const Buckets&) const = default;

 private:
  static constexpr std::size_t kFewMax = 12;
  static constexpr std::int16_t kNoKey = std::numeric_limits<std::int16_t>::max();

  struct Few {
    std::array<std::int16_t, kFewMax> keys;  // ascending, then kNoKey
    std::array<std::uint64_t, kFewMax> counts{};

    Few() noexcept { keys.fill(kNoKey); }
    std::size_t place_of(std::int16_t key) const noexcept {
      std::size_t before = 0;
      for (const std::int16_t other : keys) before += other < key ? 1 : 0;
      return before;
    }
    bool operator==(const Few&) const = default;
  };

  // Pages of kPageBuckets in order of key; one is there once one of its buckets is. So a key finds its count
  // without a search, and 256 bytes is the most that it costs.
  class Pages {
   public:
    // Both return how many buckets were empty before.
    std::size_t add(std::int16_t key, std::uint64_t times) {
      const auto place = static_cast<std::size_t>(key + kKeyMax);
      std::uint64_t& count = page_at(place / kPageBuckets)[place % kPageBuckets];
      const std::size_t begun = count == 0 ? 1 : 0;
      count += times;
      return begun;
    }
    std::size_t merge(const Pages& other);

    template <typename Visit>
    void visit(Visit visit) const {
      for (std::size_t index = 0; index < kPages; ++index) {
        if (numbers_[index] == 0) continue;
        const Page& page = pages_[numbers_[index] - 1U];
        for (std::size_t i = 0; i < kPageBuckets; ++i) {
          const auto key = static_cast<std::int32_t>(index * kPageBuckets + i) - kKeyMax;
          if (page[i] != 0 && !visit(static_cast<std::int16_t>(key), page[i])) return;
        }
      }
    }
    bool operator==(const Pages&) const = default;

   private:
    static constexpr std::size_t kPageBuckets = 32;
    static constexpr std::size_t kPages = 2 * kKeyMax / kPageBuckets + 1;
    using Page = std::array<std::uint64_t, kPageBuckets>;

    Page& page_at(std::size_t index) {
      if (numbers_[index] == 0) [[unlikely]]
        make_page(index);
      return pages_[numbers_[index] - 1U];
    }
    void make_page(std::size_t index);

    std::vector<Page> pages_;  // those that are there
    std::vector<std::uint8_t> numbers_ =
        std::vector<std::uint8_t>(kPages);  // 1 + index in pages_, 0 = not there
  };

  void add_to_few(Few& few, std::int16_t key, std::uint64_t times);

  std::variant<Few, Pages> form_;
  std::size_t size_ = 0;
};

}  // namespace ddt::model
