// sidecar/top/position.hpp — how far a Lane is written, found from outside. Pure.
//
// The writer's position is nowhere in shared memory. But every line below it carries its own position + 1
// as its sequence word, and every line from it on what the lap before left there: a few words, bisected,
// tell where one ends and the other begins. Lines of a Record that is just being written may look
// published before its first line is: the answer can be that many lines too high (sampler.cpp steps back
// where no Record ends there).
//
// Reads     At most 2·log2(line_count) words, two where nothing has been published since the last look.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "shm/lane.hpp"

namespace ddt::top {

enum class Line : std::uint8_t { published, free, impossible };

// What the sequence word `found` in the line of `position` says.
constexpr Line judge_line(std::uint64_t found, std::uint64_t position,
                          std::uint32_t line_count) noexcept {
  if (found == position + 1) return Line::published;
  // A later lap, if the consumer has moved on since `position` was asked for.
  if (found > position + 1 && (found - position - 1) % line_count == 0) return Line::published;
  const std::uint64_t before = position >= line_count ? position + 1 - line_count : 0;
  return found == before ? Line::free : Line::impossible;
}

// The first position from `released` on that is not published. `hint`: where it was before, or 0.
// judge(position) looks at that line.
template <typename Judge>
std::uint64_t find_position(std::uint64_t released, std::uint32_t line_count, std::uint64_t hint,
                            const Judge& judge) {
  const auto is_published = [&](std::uint64_t p) { return judge(p) == Line::published; };
  std::uint64_t low = released;                // everything before it is published
  std::uint64_t high = released + line_count;  // nothing from it on is
  hint = std::clamp(hint, low, high);
  if (hint < high && is_published(hint)) {
    low = hint + 1;
    for (std::uint64_t step = 1; low < high; step *= 2) {
      const std::uint64_t probe = std::min(low + step, high) - 1;
      if (!is_published(probe)) {
        high = probe;
        break;
      }
      low = probe + 1;
    }
  } else {
    high = hint;
    if (low < high && is_published(high - 1)) return high;
  }
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (is_published(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Whether `head`, found in the line of `position`, is the first line of a Record that ends at `end`.
// Later lines of a Record hold what a bot likes: everything that must be true is asked for.
constexpr bool is_head_of_last(const RecordHead& head, std::uint64_t position,
                               std::uint64_t end) noexcept {
  const auto kind = static_cast<unsigned>(head.kind);
  return head.sequence == position + 1 && position + (head.lines & kLinesMask) + 1U == end &&
         (head.lines & ~(kLinesMask | kEventTimeGiven)) == 0 && kind >= 1 && kind <= 10 &&
         head.profile_id >= 1 && head.ordinal >= head.refused &&
         head.ordinal - head.refused <= position;
}

}  // namespace ddt::top
