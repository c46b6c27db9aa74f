// sidecar/drain/refill.hpp — the Records of a fill, believed as far as they can be what was read before.
//
// The first one tells how many Records before it are gone: no more than there are lines in between, no fewer than
// one in 32. Each one after it is the next one, and the last one is followed by as many as were known to be before
// the end: it may have been made longer and cover another. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "shm/record.hpp"
#include "sidecar/exchange.hpp"

namespace ddt::sidecar {

class Refill {
 public:
  // The Lane holds what is asked for from `from` on; `published` Records have ever been read of it.
  Refill(const FillRequest& request, std::uint64_t from, std::uint64_t published) noexcept
      : published_before_(request.published_before), gone_(from - request.from), end_(published) {}

  // False where it cannot be the next one. `published_after`: Records before its end, where that is known.
  bool add(const RecordHead& head, std::optional<std::uint64_t> published_after) noexcept {
    if (head.refused > head.ordinal) return false;
    const std::uint64_t published = head.ordinal - head.refused;
    if (published_after && published + 1 != *published_after) return false;
    if (is_empty_) {
      const std::uint64_t lost = published - published_before_;  // wraps where it is before
      if (published < published_before_ || lost > gone_ || published > end_) return false;
      lost_ = lost;
    } else if (published != next_) {
      return false;
    }
    is_empty_ = false;
    next_ = published + 1;
    ordinal_ = head.ordinal + 1;
    return true;
  }

  bool is_empty() const noexcept { return is_empty_; }
  std::uint64_t lost() const noexcept { return lost_; }        // Records before the first one
  std::uint64_t ordinal() const noexcept { return ordinal_; }  // after the last one

 private:
  std::uint64_t published_before_, gone_, end_;
  std::uint64_t lost_ = 0, next_ = 0, ordinal_ = 0;
  bool is_empty_ = true;
};

}  // namespace ddt::sidecar
