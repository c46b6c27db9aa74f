// sidecar/append/acknowledged.hpp — what Redis said it holds of every Lane, and what it has forgotten since.
//
// Redis may be flushed, restarted empty or come back old. Positions appended later lie above the hole, so that
// a position alone would vouch for Records that are gone. The highest position ever acknowledged before the
// hole goes with it as `forgotten_to`, here, in Redis and to the drain: below it only MySQL's word counts.
//
// Pure: positions in, positions out.
#pragma once

#include <span>
#include <vector>

#include "sidecar/model/block.hpp"
#include "sidecar/redis/journal.hpp"

namespace ddt::sidecar {

class Acknowledged {
 public:
  // The positions Redis has after a connect, and every Lane it has forgotten, as they count from now on.
  std::vector<redis::LanePosition> connected(const redis::Positions& redis);

  // These are about to be appended: marks those of Lanes with a hole.
  void mark(std::span<redis::LanePosition> positions) const;
  // They were appended.
  void appended(std::span<const redis::LanePosition> positions);

  void forget(const model::LaneName& lane) { lanes_.erase(lane); }
  const redis::Positions& lanes() const noexcept { return lanes_; }

 private:
  redis::Positions lanes_;
};

// The answer to the append of these Blocks never came: those that the positions, read under a new fence, cover are
// in the journal and go; the rest is to be appended again.
void erase_appended(std::vector<model::Block>& blocks, const redis::Positions& positions);

}  // namespace ddt::sidecar
