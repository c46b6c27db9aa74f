#include "sidecar/rollup/judge.hpp"

#include <algorithm>

namespace ddt::sidecar {

bool has_gone_back(const CommittedLanes& rows, const CommittedLanes& last_commit) {
  return std::ranges::any_of(last_commit, [&](const auto& entry) {
    const auto found = rows.find(entry.first);
    if (found == rows.end()) return true;
    const CommittedLane &now = found->second, &then = entry.second;
    return now.position < then.position || now.counts.produced < then.counts.produced;
  });
}

void Judge::reset(CommittedLanes lanes) {
  lanes_ = std::move(lanes);
  waiting_.clear();
  filling_.clear();
}

void Judge::add(model::Block block, Judged& out) {
  CommittedLane& lane = lanes_[block.lane];
  if (block.to <= lane.position) {
    if (block.to == lane.position) lane.raise_counts(block.counts);  // counts alone, or said again
    const bool says_more = block.from == block.to && block.to == lane.position;
    if (says_more) apply(std::move(block), out);
    return;
  }
  if (block.from == lane.position) {
    const model::LaneName name = block.lane;
    apply(std::move(block), out);
    apply_waiting(name, out);
    return;
  }
  if (block.from < lane.position) {
    request_fill(block.lane, block.to, out);
    return;
  }
  request_fill(block.lane, block.from, out);
  std::deque<model::Block>& waiting = waiting_[block.lane];
  const auto later = std::ranges::upper_bound(waiting, block.from, {}, &model::Block::from);
  waiting.insert(later, std::move(block));
}

void Judge::add(FillAnswer answer, Judged& out) {
  filling_.erase(answer.lane);
  CommittedLane& lane = lanes_[answer.lane];
  if (answer.from != lane.position) {  // the Lane has moved since, or was read anew: ask again
    apply_waiting(answer.lane, out);
    return;
  }
  // What is lost was produced all the same, and no Block may be left to say so.
  if (answer.block) lane.raise_counts(answer.block->counts);
  if (answer.lost_to > answer.from) {
    lane.position = answer.lost_to;
    lane.lost += answer.lost_records;
    out.lost.emplace_back(answer.lane, answer.lost_records);
  }
  const auto waiting = waiting_.find(answer.lane);
  if (answer.lane_is_gone && waiting != waiting_.end()) {
    const model::Block& next = waiting->second.front();
    const std::uint64_t records = next.ordinal_from - std::min(next.ordinal_from, lane.ordinal);
    lane.position = next.from;
    lane.lost += records;
    out.lost.emplace_back(answer.lane, records);
  }
  if (answer.block && answer.block->from == lane.position &&
      answer.block->to > answer.block->from) {
    apply(std::move(*answer.block), out);
  }
  apply_waiting(answer.lane, out);
}

void Judge::at_journal_end(const LanePosition& acknowledged, Judged& out) {
  const auto found = lanes_.find(acknowledged.lane);
  const std::uint64_t position = found == lanes_.end() ? 0 : found->second.position;
  const std::uint64_t held = std::max(acknowledged.position, acknowledged.forgotten_to);
  if (held > position && !waiting_.contains(acknowledged.lane))
    request_fill(acknowledged.lane, held, out);
}

void Judge::apply(model::Block block, Judged& out) {
  CommittedLane& lane = lanes_[block.lane];
  lane.segment_name = block.segment_name;
  lane.script_name = block.script_name;
  lane.owner_uid = block.owner_uid;
  lane.profile_id = block.profile_id;
  lane.position = block.to;
  lane.ordinal = std::max(lane.ordinal, block.ordinal_to);
  lane.stored_samples += block.samples;
  lane.stored_states += block.states;
  lane.stored_facts += block.facts;
  lane.rejected += block.rejected.size();
  model::LaneCounts counts = block.counts;
  counts.produced = std::max(counts.produced, block.ordinal_to);
  lane.raise_counts(counts);
  out.blocks.push_back(std::move(block));
}

void Judge::apply_waiting(const model::LaneName& name, Judged& out) {
  const auto found = waiting_.find(name);
  if (found == waiting_.end()) return;
  std::deque<model::Block> blocks = std::move(found->second);
  waiting_.erase(found);
  for (model::Block& block : blocks) add(std::move(block), out);
}

void Judge::request_fill(const model::LaneName& name, std::uint64_t to, Judged& out) {
  if (filling_.contains(name)) return;  // one at a time: the answer shows what is still missing
  filling_[name] = to;
  const CommittedLane& lane = lanes_[name];
  out.fill_requests.push_back(
      {.lane = name, .from = lane.position, .to = to, .published_before = lane.published()});
}

void Judge::count_rejected(const model::Block& block, std::uint64_t samples_and_states,
                           std::uint64_t facts) {
  CommittedLane& lane = lanes_[block.lane];
  lane.stored_facts -= facts;
  lane.rejected += facts;
  if (samples_and_states == 0) return;
  lane.stored_samples -= block.samples;
  lane.stored_states -= block.states;
  lane.rejected += block.samples + block.states;
}

}  // namespace ddt::sidecar
