// sidecar/model/identity.hpp — the name of one Record, for ever: segment, lane, position.
#pragma once

#include <compare>
#include <cstdint>

#include "sidecar/model/event.hpp"

namespace ddt::model {

struct RecordName {
  SegmentId segment_id{};
  std::uint32_t lane = 0;
  std::uint64_t position = 0;  // lines
  auto operator<=>(const RecordName&) const = default;
};

}  // namespace ddt::model
