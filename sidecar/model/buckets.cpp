#include "sidecar/model/buckets.hpp"

#include <algorithm>
#include <utility>

namespace ddt::model {

void Buckets::merge(const Buckets& other) {
  auto* ours = std::get_if<Pages>(&form_);
  const auto* theirs = std::get_if<Pages>(&other.form_);
  if (theirs == nullptr) {
    other.visit([this](std::int16_t key, std::uint64_t count) {
      add(key, count);
      return true;
    });
  } else if (ours == nullptr) {
    merge(std::exchange(*this, other));  // the few into the many
  } else {
    size_ += ours->merge(*theirs);
  }
}

void Buckets::add_to_few(Few& few, std::int16_t key, std::uint64_t times) {
  const std::size_t place = few.place_of(key);
  if (place < size_ && few.keys[place] == key) {
    few.counts[place] += times;
  } else if (size_ < kFewMax) {
    for (std::size_t i = size_; i > place; --i) {
      few.keys[i] = few.keys[i - 1];
      few.counts[i] = few.counts[i - 1];
    }
    few.keys[place] = key;
    few.counts[place] = times;
    ++size_;
  } else {
    Pages pages;
    for (std::size_t i = 0; i < kFewMax; ++i) pages.add(few.keys[i], few.counts[i]);
    form_ = std::move(pages);
    add(key, times);
  }
}

std::size_t Buckets::Pages::merge(const Pages& other) {
  std::size_t begun = 0;
  for (std::size_t index = 0; index < kPages; ++index) {
    if (other.numbers_[index] == 0) continue;
    const Page& theirs = other.pages_[other.numbers_[index] - 1U];
    Page& ours = page_at(index);
    for (std::size_t i = 0; i < kPageBuckets; ++i) {
      if (ours[i] == 0 && theirs[i] != 0) ++begun;
      ours[i] += theirs[i];
    }
  }
  return begun;
}

// Pages lie in order of key, whatever came first: equal ones are equal member by member.
void Buckets::Pages::make_page(std::size_t index) {
  const auto number = numbers_.begin() + static_cast<std::ptrdiff_t>(index);
  const auto before = std::count_if(numbers_.begin(), number, [](auto n) { return n != 0; });
  pages_.insert(pages_.begin() + before, Page{});
  *number = static_cast<std::uint8_t>(before + 1);
  std::for_each(number + 1, numbers_.end(), [](std::uint8_t& later) {
    if (later != 0) ++later;
  });
}

}  // namespace ddt::model
