// The drain's mail: what Redis and MySQL have, what is to be read again, what may go.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "sidecar/drain/drain.hpp"
#include "sidecar/drain/drain_state.hpp"
#include "sidecar/drain/refill.hpp"

namespace ddt::sidecar {

Drain::Lane* Drain::find(const model::LaneName& name) {
  const auto found = lanes_.find(name);
  return found == lanes_.end() ? nullptr : found->second;
}

void Drain::take_mail(std::int64_t now_ns) {
  // Acquire, and before the mail: a hole that Redis has confessed by then is in it.
  const std::int64_t confirmed_ns = exchange_.redis_confirmed_at_ns.load(std::memory_order_acquire);
  for (const LanePosition& position : exchange_.acknowledged.take()) {
    if (Lane* lane = find(position.lane)) {
      lane->acknowledged = position.position;
      lane->forgotten_to = position.forgotten_to;
    } else {  // not found yet: it begins with this
      StartPosition& start = starts_[position.lane];
      start.acknowledged = position.position;
      start.forgotten_to = position.forgotten_to;
    }
  }
  const bool was_redis = redis_durability_;
  redis_durability_ = now_ns - exchange_.mysql_committed_at_ns.load(std::memory_order_relaxed) >
                      config_.mysql_silence_max_ns;
  redis_is_witness_ = redis_durability_ && now_ns - confirmed_ns < kRedisWordMaxNs;
  if (redis_durability_ != was_redis)
    spdlog::warn("drain: durability is now {}", redis_durability_ ? "redis" : "mysql");
  for (const LaneCommit& commit : exchange_.committed.take()) {
    Lane* lane = find(commit.lane);
    if (lane == nullptr) {  // not found yet, or retired
      StartPosition& start = starts_[commit.lane];
      start.committed = std::max(start.committed, commit.position);
      start.committed_published = commit.published;
      continue;
    }
    lane->committed = std::max(lane->committed, commit.position);
    lane->counts_committed = commit.counts;
    release(*lane);
  }
  if (redis_is_witness_) {
    for (auto& [name, lane] : lanes_) release(*lane);
  }
  for (const FillRequest& request : exchange_.fill_requests.take()) {
    // A predecessor's journal may be read before our first look at the directory: what we have not opened is not
    // gone.
    if (find(request.lane) == nullptr) {
      next_listing_ns_ = 0;
      scan();
    }
    exchange_.fill_answers.put(answer(request));
    exchange_.rollup_bell.ring();
  }
  for (const Retirement& retirement : exchange_.retired.take()) {
    const auto found = segments_.find(retirement.segment_name);
    if (found == segments_.end()) continue;
    Segment& segment = *found->second;
    unwatch(segment);
    for (const auto& lane : segment.lanes) {
      lanes_.erase(lane->name);
      starts_.erase(lane->name);
    }
    if (segment.last_event_ns > 0) {
      exchange_.ended.put({.profile_id = segment.reader.profile_id(),
                           .script_name = segment.reader.script_name(),
                           .segment_name = retirement.segment_name,
                           .last_seen_ns = segment.last_event_ns});
    }
    ::unlink((config_.directory + "/" + retirement.segment_name).c_str());
    spdlog::debug("drain: retired {}", retirement.segment_name);
    segments_.erase(found);
  }
}

void Drain::release(Lane& lane) {
  if (lane.is_quarantined()) return;  // nobody reads what would be written there
  const LaneState state{.next = lane.reader.next(),
                        .released = lane.released,
                        .line_count = lane.reader.line_count(),
                        .committed = lane.committed,
                        .acknowledged = lane.acknowledged,
                        .forgotten_to = lane.forgotten_to};
  const std::uint64_t position = release_position(state, redis_is_witness_);
  if (position <= state.released) return;
  lane.reader.release(position);
  lane.released = position;
}

Drain::Segment* Drain::segment_of(const Lane& lane) {
  for (auto& [name, segment] : segments_) {
    for (const auto& own : segment->lanes) {
      if (own.get() == &lane) return segment.get();
    }
  }
  return nullptr;
}

// None of [from, to) can be read: `published` Records came before `to`, as far as is known.
FillAnswer Drain::lost_all(const Lane& lane, const FillRequest& request, std::uint64_t published) {
  const std::uint64_t before_to = lane.account.published_before(request.to).value_or(published);
  return {.lane = request.lane,
          .from = request.from,
          .lost_to = request.to,
          .lost_records = before_to - std::min(before_to, request.published_before),
          .block = std::nullopt};
}

FillAnswer Drain::answer(const FillRequest& request) {
  Lane* lane = find(request.lane);
  if (lane == nullptr) {
    return {.lane = request.lane,
            .from = request.from,
            .lost_to = request.from,
            .lane_is_gone = true,
            .block = std::nullopt};
  }
  Segment& segment = *segment_of(*lane);
  const std::uint64_t from = fill_start(request, lane->released);
  LaneReader reader = segment.reader.lane(request.lane.lane, from);
  model::Block header = segment.header(request.lane.lane);
  header.from = from;
  BlockBuilder builder(std::move(header));
  constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  Refill refill(request, from, lane->account.has_read() ? lane->account.published() : kUnknown);
  while (reader.next() < request.to) {
    const std::uint64_t position = reader.next();
    const bool is_read = reader.read(*copy_) == Peeked::record && !segment.reader.is_torn() &&
                         reader.next() <= request.to &&
                         refill.add(copy_->head, lane->account.published_before(reader.next()));
    if (!is_read) {
      reader.rewind(position);
      quarantine(*lane, "cannot read position " + std::to_string(position) + " again");
      break;
    }
    add_record(segment, *lane, builder, *copy_);
  }
  FillAnswer answer;
  if (refill.is_empty()) {
    // What comes behind it tells how much it was, if it can be read.
    std::uint64_t published = lane->is_quarantined() ? 0 : lane->account.published();
    LaneReader behind = segment.reader.lane(request.lane.lane, request.to);
    const bool is_there = from == request.to && behind.next() < lane->reader.next() &&
                          behind.read(*copy_) == Peeked::record && !segment.reader.is_torn();
    if (is_there && refill.add(copy_->head, std::nullopt))
      published = request.published_before + refill.lost();
    answer = lost_all(*lane, request, published);
    answer.block = builder.take(request.to, refill.ordinal(), lane->account.counts());
    answer.block->from = request.to;  // no Record: only what was produced
  } else {
    answer = {.lane = request.lane,
              .from = request.from,
              .lost_to = from,
              .lost_records = refill.lost(),
              .block = builder.take(reader.next(), refill.ordinal(), lane->account.counts())};
  }
  spdlog::warn("drain: filled [{}, {}) of {} lane {}, {} Records lost", answer.lost_to,
               std::max(answer.lost_to, reader.next()), segment.reader.name(), request.lane.lane,
               answer.lost_records);
  return answer;
}

}  // namespace ddt::sidecar
