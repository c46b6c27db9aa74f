// sidecar/drain/lane_rules.hpp — what the drain decides about a Lane, without any I/O: where to begin, what to give
// back, what is left to say, when it is done. tests/model runs these very functions.
//
// Pure: positions and counts in, decisions out.
#pragma once

#include <algorithm>
#include <cstdint>

#include "shm/lane.hpp"
#include "sidecar/exchange.hpp"
#include "sidecar/model/block.hpp"

namespace ddt::sidecar {

// What the heads of the Records read here have said; 0 before the first.
struct LaneSeen {
  std::uint64_t ordinal = 0;    // of the next Record
  std::uint64_t published = 0;  // Records up to the last one read
};

// A bot that is killed while it refuses a Record has counted the refusal, but not its ordinal: what was published and
// what was refused is then one more than the ordinals say, and it is the larger one that was produced. From the
// Lane's own words only: what MySQL holds is to be compared with this, never to raise it.
inline model::LaneCounts counts_of(const LaneCounters& counters, const LaneSeen& seen) noexcept {
  const std::uint64_t refused =
      counters.dropped[0] + counters.dropped[1] + counters.dropped[2] + counters.refused;
  return {.dropped_samples = counters.dropped[0],
          .dropped_states = counters.dropped[1],
          .dropped_facts = counters.dropped[2],
          .refused = counters.refused,
          .produced = std::max({counters.ordinals, seen.ordinal, seen.published + refused})};
}

// Everything that `now` says is already said by `said`.
inline bool covers(const model::LaneCounts& said, const model::LaneCounts& now) noexcept {
  return said.dropped_samples >= now.dropped_samples && said.dropped_states >= now.dropped_states &&
         said.dropped_facts >= now.dropped_facts && said.refused >= now.refused &&
         said.produced >= now.produced;
}

// Where a drain begins: behind what Redis has, what MySQL has, and what was given back.
inline std::uint64_t start_of(const StartPosition& start, std::uint64_t released) noexcept {
  return std::max({start.acknowledged, start.committed, released});
}

struct LaneState {
  std::uint64_t next = 0, released = 0, line_count = 0;
  std::uint64_t committed = 0, acknowledged = 0, forgotten_to = 0;
};

// Lines before this may go back to the bot: what MySQL has committed; what Redis holds only while it is the one
// witness there is, the Lane fills up, and it has forgotten nothing that MySQL does not have.
inline std::uint64_t release_position(const LaneState& lane, bool redis_is_witness) noexcept {
  const bool fills_up = lane.next - lane.released >= lane.line_count / 4;
  const bool redis_has_all = lane.committed >= lane.forgotten_to;
  std::uint64_t position = lane.committed;
  if (redis_is_witness && fills_up && redis_has_all)
    position = std::max(position, lane.acknowledged);
  return std::min(position, lane.next);
}

// Of what is asked for, what the Lane no longer holds ends here.
inline std::uint64_t fill_start(const FillRequest& request, std::uint64_t released) noexcept {
  return std::clamp(released, request.from, request.to);
}

// Records published before a Record and not counted by MySQL: the first one behind what is gone tells how many it was.
inline std::uint64_t lost_before(const RecordHead& head, const FillRequest& request) noexcept {
  return head.ordinal - head.refused - request.published_before;
}

}  // namespace ddt::sidecar
