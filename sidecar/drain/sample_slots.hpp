// sidecar/drain/sample_slots.hpp — where the last samples of a Lane were summed up, found by what their Records say.
//
// A Summary belongs to texts (script, endpoint or name) and to a minute or an hour; a Record has indices for the
// texts. Most samples go where one of the last few went, and find it here without a text being touched; one that
// is not here is looked up by its texts. Two indices of one text are two slots and one Summary.
//
// Pure. The Summaries stay where they are until clear().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sidecar/drain/decode.hpp"

namespace ddt::sidecar {

template <typename Summary, std::int64_t kSpanNs>
class SampleSlots {
 public:
  // nullptr where it is not known.
  Summary* find(const Sample& sample) const noexcept {
    const Slot& slot = slots_[index_of(sample)];
    const auto since_begin_ns = static_cast<std::uint64_t>(sample.event_time_ns - slot.begin_ns);
    const bool is_there =
        slot.key == key_of(sample) && since_begin_ns < static_cast<std::uint64_t>(kSpanNs);
    return is_there ? slot.summary : nullptr;
  }
  void remember(const Sample& sample, Summary& summary) noexcept {
    slots_[index_of(sample)] = {.key = key_of(sample),
                                .begin_ns = sample.event_time_ns - sample.event_time_ns % kSpanNs,
                                .summary = &summary};
  }
  void clear() noexcept { slots_ = {}; }

 private:
  static constexpr std::size_t kSlots = 16;  // names of one Lane in turn; a power of two

  struct Slot {
    std::uint64_t key = 0;  // no sample's: its profile is at least 1
    std::int64_t begin_ns = 0;
    Summary* summary = nullptr;
  };
  static std::uint64_t key_of(const Sample& sample) noexcept {
    return std::uint64_t{static_cast<std::uint32_t>(sample.profile_id)} << 32U |
           std::uint64_t{sample.script} << 16U | sample.name;
  }
  static std::size_t index_of(const Sample& sample) noexcept {
    return (sample.name ^ static_cast<std::uint32_t>(sample.profile_id) * 7U) % kSlots;
  }

  std::array<Slot, kSlots> slots_;
};

}  // namespace ddt::sidecar
