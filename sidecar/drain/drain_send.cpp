// What the drain sends: Blocks that are due, and what it shows.
#include <algorithm>
#include <utility>
#include <vector>

#include "sidecar/drain/drain.hpp"
#include "sidecar/drain/drain_state.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::int64_t kViewsIntervalNs = 500'000'000;  // the status is written once a second
// Counts have no position: what Redis loses of them shows no gap. Absolute, so saying them again changes nothing.
constexpr std::int64_t kCountsAgainNs = 60'000'000'000;

bool same(const model::LaneCounts& a, const model::LaneCounts& b) {
  return a.dropped_samples == b.dropped_samples && a.dropped_states == b.dropped_states &&
         a.dropped_facts == b.dropped_facts && a.refused == b.refused && a.produced == b.produced;
}

}  // namespace

bool Drain::flush(std::int64_t now_ns) {
  for (auto& [name, segment] : segments_) {
    for (const auto& lane : segment->lanes) look_at_counts(*segment, *lane);
  }
  const bool sent = send_due(now_ns, true);
  next_views_ns_ = 0;
  publish_views(now_ns);
  return sent;
}

// ── sending ──────────────────────────────────────────────────────────────────────────────────────────

bool Drain::send_due(std::int64_t now_ns, bool all) {
  const bool is_time = all || now_ns >= next_flush_ns_;
  if (is_time) next_flush_ns_ = now_ns + config_.flush_interval_ns;
  if (!all && !has_news_) return true;
  Batch batch;
  // From the Lane that found no room the last time: whoever fills the queue waits for its turn, too.
  auto at = lanes_.lower_bound(send_from_);
  for (std::size_t i = 0; i < lanes_.size(); ++i, ++at) {
    if (at == lanes_.end()) at = lanes_.begin();
    Lane& lane = *at->second;
    const bool quarter_full = lane.held() >= lane.reader.line_count() / 4;
    if (quarter_full) exchange_.rollup_bell.ring();
    const bool is_large = lane.builder.bytes_estimate() >= config_.block_bytes_max;
    if (!is_time && !quarter_full && !is_large) continue;
    const model::LaneCounts counts = lane.account.counts();
    const bool has_news = !lane.builder.is_empty() || lane.must_say_where;
    const bool is_unheard = !covers(lane.counts_committed, lane.counts_sent) &&
                            now_ns - lane.counts_sent_at_ns >= kCountsAgainNs;
    if (!has_news && !is_unheard && same(counts, lane.counts_sent)) continue;
    const std::size_t bytes = lane.builder.bytes_estimate() + sizeof(model::Block);
    if (!batches_.has_room(batch.bytes + bytes)) {
      send_from_ = at->first;
      if (!batch.blocks.empty()) batches_.push(std::move(batch));
      return false;
    }
    batch.blocks.push_back(lane.builder.take(lane.reader.next(), lane.account.ordinal(), counts));
    batch.bytes += bytes;
    lane.counts_sent = counts;
    lane.counts_sent_at_ns = now_ns;
    lane.must_say_where = false;
    lane.account.mark(lane.reader.next());
    if (batch.bytes >= config_.batch_bytes_max) batches_.push(std::exchange(batch, {}));
  }
  if (!batch.blocks.empty()) batches_.push(std::move(batch));
  if (is_time) has_news_ = false;
  return true;
}

void Drain::publish_views(std::int64_t now_ns) {
  if (now_ns < next_views_ns_) return;
  next_views_ns_ = now_ns + kViewsIntervalNs;
  LaneViews views;
  for (auto& [name, segment] : segments_) {
    for (const auto& lane : segment->lanes) {
      const model::LaneCounts counts = lane->account.counts();
      views.push_back({.lane = lane->name,
                       .segment_name = name,
                       .script_name = segment->reader.script_name(),
                       .profile_id = segment->reader.profile_id(),
                       .produced = counts.produced,
                       .published = lane->account.published(),
                       .counts = counts,
                       .occupied_lines = lane->held(),
                       .drained = lane->reader.next(),
                       .acknowledged = lane->acknowledged,
                       .committed = lane->committed,
                       .quarantine_reason = lane->quarantine_reason});
    }
  }
  exchange_.set_views(std::move(views), refused_);
}

}  // namespace ddt::sidecar
