#include "sidecar/append/acknowledged.hpp"

#include <algorithm>

namespace ddt::sidecar {

std::vector<redis::LanePosition> Acknowledged::connected(const redis::Positions& redis) {
  for (auto& [name, lane] : lanes_) {
    const auto found = redis.find(name);
    const std::uint64_t held = found == redis.end() ? 0 : found->second.position;
    if (held < lane.position) lane.forgotten_to = std::max(lane.forgotten_to, lane.position);
    lane.position = held;
  }
  for (const auto& [name, said] : redis) {
    redis::LanePosition& lane = lanes_.try_emplace(name, said).first->second;
    lane.position = said.position;
    lane.forgotten_to = std::max(lane.forgotten_to, said.forgotten_to);
  }
  std::vector<redis::LanePosition> positions;
  for (const auto& [name, lane] : lanes_) positions.push_back(lane);
  return positions;
}

void Acknowledged::mark(std::span<redis::LanePosition> positions) const {
  for (redis::LanePosition& position : positions) {
    const auto found = lanes_.find(position.lane);
    if (found != lanes_.end()) position.forgotten_to = found->second.forgotten_to;
  }
}

void Acknowledged::appended(std::span<const redis::LanePosition> positions) {
  for (const redis::LanePosition& position : positions) lanes_[position.lane] = position;
}

void erase_appended(std::vector<model::Block>& blocks, const redis::Positions& positions) {
  std::erase_if(blocks, [&](const model::Block& block) {
    const auto found = positions.find(block.lane);
    return block.to > block.from && found != positions.end() && found->second.position >= block.to;
  });
}

}  // namespace ddt::sidecar
