#include "sidecar/top/view.hpp"

#include <algorithm>

namespace ddt::top {
namespace {

constexpr std::size_t kLooksKept = 5;  // enough to find one before the sidecar's word
constexpr double kNsPerSecondD = 1e9;

std::uint64_t beyond(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

Owner owner_of(LockState lock) {
  return lock == LockState::held   ? Owner::alive
         : lock == LockState::free ? Owner::gone
                                   : Owner::unknown;
}

std::string without_prefix(const std::string& text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

Row row_of_segment(const SegmentSample& segment) {
  Row row;
  row.segment = segment.name;
  row.problem = segment.problem;
  row.owner = owner_of(segment.owner);
  row.owner_uid = segment.owner_uid;
  row.owner_pid = segment.owner_pid;
  row.profile_id = segment.profile_id;
  row.script_name = segment.script_name;
  row.owner_user = segment.owner_user;
  row.line_count = segment.lane_lines;
  return row;
}

}  // namespace

void Model::add(DirectorySample sample) {
  looks_.push_back(std::move(sample));
  if (looks_.size() > kLooksKept) looks_.pop_front();
}

const LaneSample* Model::find(const DirectorySample& look, const std::string& segment,
                              std::uint32_t lane) const {
  const auto found = std::ranges::lower_bound(look.segments, segment, {}, &SegmentSample::name);
  if (found == look.segments.end() || found->name != segment || lane >= found->lanes.size())
    return nullptr;
  return &found->lanes[lane];
}

Row Model::row_of(const SegmentSample& segment, const LaneSample& lane) const {
  Row row = row_of_segment(segment);
  row.lane = lane.lane;
  row.position = lane.position;
  row.released = lane.released;
  row.held_lines = beyond(lane.position, lane.released);
  row.produced = lane.produced;
  row.dropped = lane.dropped;
  row.refused = lane.refused;
  row.metadata_left_off = lane.metadata_left_off;
  row.reentrant = lane.reentrant;
  if (!lane.suspicion.empty()) row.quarantine_reason = "seen here: " + lane.suspicion;
  if (looks_.size() >= 2) {
    const DirectorySample& before = looks_[looks_.size() - 2];
    const LaneSample* then = find(before, segment.name, lane.lane);
    const double seconds =
        static_cast<double>(looks_.back().monotonic_ns - before.monotonic_ns) / kNsPerSecondD;
    if (then != nullptr && then->produced && lane.produced && *lane.produced >= *then->produced &&
        seconds > 0)
      row.records_per_s = static_cast<double>(*lane.produced - *then->produced) / seconds;
  }
  return row;
}

void Model::add_sidecar_word(const SegmentSample& segment, Row& row) const {
  if (!sidecar_.words) return;
  const redis::LaneWords& words = *sidecar_.words;
  if (const auto refused = words.refused_segments.find(segment.name);
      refused != words.refused_segments.end() && row.quarantine_reason.empty())
    row.quarantine_reason = "not read: " + without_prefix(refused->second, "quarantined: ");
  if (!row.lane) return;
  const auto found = words.lanes.find({.segment_id = segment.id, .lane = *row.lane});
  if (found == words.lanes.end()) return;
  const redis::LaneWord& word = found->second;
  if (!word.quarantine_reason.empty()) row.quarantine_reason = word.quarantine_reason;
  row.drained = word.drained;
  row.acknowledged = word.acknowledged;
  row.committed = word.committed;
  // What the bot had certainly published when the sidecar looked.
  std::optional<std::uint64_t> published;
  if (looks_.back().wall_ns - words.at_ns > kSilenceMaxNs) {
    published = row.position;
  } else {
    for (const DirectorySample& look : looks_) {
      const LaneSample* then = find(look, segment.name, *row.lane);
      if (look.wall_ns <= words.at_ns && then != nullptr) published = then->position;
    }
  }
  if (published) row.drain_lag = beyond(*published, word.drained);
  const std::uint64_t reached = std::max(published.value_or(0), word.drained);
  row.journal_lag = beyond(reached, word.acknowledged);
  row.commit_lag = beyond(reached, word.committed);
}

View Model::view() const {
  View view;
  view.directory = directory_;
  view.asks_sidecar = asks_sidecar_;
  view.sidecar = sidecar_;
  if (looks_.empty()) return view;
  const DirectorySample& look = looks_.back();
  view.wall_ns = look.wall_ns;
  view.problem = look.problem;
  view.segments = look.segments.size() + look.segments_left_off;
  view.segments_left_off = look.segments_left_off;
  if (sidecar_.words) {
    view.sidecar_silent_s =
        static_cast<double>(std::max<std::int64_t>(0, look.wall_ns - sidecar_.words->at_ns)) /
        kNsPerSecondD;
  }
  for (const SegmentSample& segment : look.segments) {
    const Owner owner = owner_of(segment.owner);
    view.alive += owner == Owner::alive ? 1 : 0;
    view.gone += owner == Owner::gone ? 1 : 0;
    view.unreadable += segment.problem.empty() ? 0 : 1;
    const std::size_t first = view.rows.size();
    for (const LaneSample& lane : segment.lanes) view.rows.push_back(row_of(segment, lane));
    if (segment.lanes.empty()) view.rows.push_back(row_of_segment(segment));
    view.lanes += segment.lanes.size();
    for (std::size_t i = first; i < view.rows.size(); ++i) {
      Row& row = view.rows[i];
      add_sidecar_word(segment, row);
      view.quarantined += row.quarantine_reason.empty() ? 0 : 1;
      view.refused += row.refused;
      view.held_lines += row.held_lines;
      for (std::size_t k = 0; k < kRecordClasses; ++k) view.dropped[k] += row.dropped[k];
      if (row.records_per_s)
        view.records_per_s = view.records_per_s.value_or(0) + *row.records_per_s;
    }
  }
  return view;
}

void sort_rows(std::vector<Row>& rows, SortKey key, bool is_reversed) {
  const auto share = [](const Row& row) {
    return row.line_count == 0
               ? 0.0
               : static_cast<double>(row.held_lines) / static_cast<double>(row.line_count);
  };
  // −1, 0, 1: a before b in the key's own order.
  const auto smallest = [](const auto& a, const auto& b) { return a < b ? -1 : b < a ? 1 : 0; };
  const auto largest = [&](const auto& a, const auto& b) { return smallest(b, a); };
  const auto order = [&](const Row& a, const Row& b) -> int {
    switch (key) {
      case SortKey::profile:
        return smallest(a.profile_id, b.profile_id);
      case SortKey::script:
        return smallest(a.script_name, b.script_name);
      case SortKey::segment:
        return smallest(a.segment, b.segment);
      case SortKey::lane:
        return smallest(a.lane, b.lane);
      case SortKey::owner:
        return largest(a.owner, b.owner);  // those that are not alive first
      case SortKey::rate:
        return largest(a.records_per_s, b.records_per_s);
      case SortKey::held:
        return largest(share(a), share(b));
      case SortKey::samples:
        return largest(a.dropped[0], b.dropped[0]);
      case SortKey::states:
        return largest(a.dropped[1], b.dropped[1]);
      case SortKey::facts:
        return largest(a.dropped[2], b.dropped[2]);
      case SortKey::refused:
        return largest(a.refused, b.refused);
      case SortKey::drain:
        return largest(a.drain_lag, b.drain_lag);
      case SortKey::journal:
        return largest(a.journal_lag, b.journal_lag);
      case SortKey::commit:
        return largest(a.commit_lag, b.commit_lag);
    }
    return 0;
  };
  std::ranges::stable_sort(rows, [&](const Row& a, const Row& b) {
    const int by_key = is_reversed ? order(b, a) : order(a, b);
    if (by_key != 0) return by_key < 0;
    return std::pair(std::string_view(a.segment), a.lane) <
           std::pair(std::string_view(b.segment), b.lane);
  });
}

}  // namespace ddt::top
