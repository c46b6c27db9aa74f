#include "sidecar/drain/drain.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "shm/base/clock.hpp"
#include "shm/file.hpp"
#include "sidecar/drain/lane_rules.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::size_t kRecordsPerVisitMax = 4'096;  // then the next Lane has its turn
constexpr std::int64_t kClockToleranceNs =
    1'000'000;  // drift or step that is worth a calibration pair
constexpr std::int64_t kCalibrationIntervalNs = 1'000'000'000;
constexpr std::int64_t kViewsIntervalNs = 100'000'000;

std::uint64_t tick_rate_q32(std::uint64_t ticks, std::int64_t ns) {
  return static_cast<std::uint64_t>((static_cast<uint128>(ns) << 32U) /
                                    std::max<std::uint64_t>(ticks, 1));
}

bool same(const model::LaneCounts& a, const model::LaneCounts& b) {
  return a.dropped_samples == b.dropped_samples && a.dropped_states == b.dropped_states &&
         a.dropped_facts == b.dropped_facts && a.refused == b.refused && a.produced == b.produced;
}

}  // namespace

struct Drain::Lane {
  Lane(const LaneReader& lane_reader, model::Block header)
      : reader(lane_reader), name(header.lane), builder(std::move(header)) {}

  LaneReader reader;
  model::LaneName name;
  BlockBuilder builder;
  LaneSeen seen;
  std::uint64_t published = 0;  // Records before reader.next()
  std::uint64_t acknowledged = 0, forgotten_to = 0, committed = 0;
  model::LaneCounts counts_sent, counts_committed;
  std::string quarantine_reason;

  // Nothing of this Lane is left outside MySQL.
  bool is_settled() const {
    if (!quarantine_reason.empty()) return covers(counts_committed, counts_sent);
    return builder.is_empty() && committed >= reader.next() &&
           covers(counts_committed, counts_of_control());
  }
  model::LaneCounts counts_of_control() const { return counts_of(reader.counters(), seen); }
};

struct Drain::Segment {
  explicit Segment(SegmentReader segment_reader) : reader(std::move(segment_reader)) {}
  SegmentReader reader;
  std::vector<std::unique_ptr<Lane>> lanes;
  bool owner_is_gone = false;
  bool is_drained = false;  // once more to the end, after the owner was seen gone
  bool retirement_asked = false;
  std::int64_t last_event_ns = 0;

  model::Block header(std::uint32_t lane) {
    model::Block block;
    std::memcpy(block.lane.segment_id.data(), reader.id(), block.lane.segment_id.size());
    block.lane.lane = lane;
    block.segment_name = reader.name();
    block.owner_uid = reader.owner_uid();
    block.profile_id = reader.profile_id();
    block.script_name = reader.script_name();
    return block;
  }
};

Drain::Drain(DrainConfig config, std::map<model::LaneName, StartPosition> starts,
             BatchQueue& batches, Exchange& exchange)
    : config_(std::move(config)),
      starts_(std::move(starts)),
      batches_(batches),
      exchange_(exchange),
      start_ticks_(ticks_now()),
      start_monotonic_ns_(monotonic_ns()),
      copy_(std::make_unique<RecordCopy>()) {
  // A first rate good to a part in 10^5; it sharpens with every second.
  ::usleep(20'000);
}

Drain::~Drain() = default;

std::size_t Drain::work(std::int64_t now_ns) {
  take_mail(now_ns);
  if (now_ns >= next_calibration_ns_) {
    for (auto& [name, segment] : segments_) calibrate_all(false, segment.get());
    next_calibration_ns_ = now_ns + kCalibrationIntervalNs;
  }
  if (now_ns >= next_scan_ns_) {
    scan_directory();
    next_scan_ns_ = now_ns + config_.scan_interval_ns;
  }
  if (now_ns >= next_lock_check_ns_) {
    check_owners();
    next_lock_check_ns_ = now_ns + config_.lock_check_interval_ns;
  }
  std::size_t records = 0;
  for (auto& [name, segment] : segments_) {
    find_new_lanes(*segment);
    bool is_dry = true;
    for (const auto& lane : segment->lanes) {
      const std::size_t read = read_lane(*segment, *lane, kRecordsPerVisitMax);
      records += read;
      is_dry = is_dry && read == 0;
    }
    if (segment->owner_is_gone && is_dry) segment->is_drained = true;
  }
  send_due(now_ns, false);
  publish_views(now_ns);
  std::vector<Segment*> ended;
  for (auto& [name, segment] : segments_) {
    if (segment->is_drained) ended.push_back(segment.get());
  }
  for (Segment* segment : ended) retire_if_done(*segment);
  return records;
}

bool Drain::flush(std::int64_t now_ns) {
  const bool sent = send_due(now_ns, true);
  next_views_ns_ = 0;
  publish_views(now_ns);
  return sent;
}

// ── Segments and Lanes that come ─────────────────────────────────────────────────────────────────────

void Drain::scan_directory() {
  auto names = segment_names(config_.directory);
  if (!names) {
    spdlog::warn("drain: {}", names.error().message);
    return;
  }
  for (const std::string& name : *names) {
    if (!segments_.contains(name) && !refused_.contains(name)) open_segment(name);
  }
  std::erase_if(refused_, [&](const auto& entry) {
    return std::ranges::find(*names, entry.first) == names->end();
  });
  remove_abandoned_temporaries(config_.directory);
}

void Drain::open_segment(const std::string& name) {
  auto opened = SegmentReader::open(config_.directory, name);
  if (!opened) {
    if (opened.error().code == ENOENT) return;  // gone between the listing and now
    spdlog::warn("drain: refused: {}", opened.error().message);
    refused_.emplace(name, opened.error().message);
    ++counters_.refused_segments;
    return;
  }
  auto segment = std::make_unique<Segment>(std::move(*opened));
  calibrate_all(true, segment.get());
  spdlog::debug("drain: {} of profile {}, {}", name, segment->reader.profile_id(),
                segment->reader.script_name());
  segments_.emplace(name, std::move(segment));
}

void Drain::calibrate_all(bool is_first, Segment* only) {
  const std::uint64_t ticks = ticks_now();
  const std::int64_t wall = wall_ns();
  const bool is_tsc = only->reader.clock() == ClockKind::tsc;
  const std::uint64_t rate =
      is_tsc ? tick_rate_q32(ticks - start_ticks_, monotonic_ns() - start_monotonic_ns_)
             : std::uint64_t{1} << 32U;
  const std::uint64_t now = is_tsc ? ticks : static_cast<std::uint64_t>(monotonic_ns());
  if (only->reader.calibrate(now, wall, rate, kClockToleranceNs) && !is_first)
    ++counters_.clock_steps;
}

void Drain::find_new_lanes(Segment& segment) {
  const std::uint32_t count = segment.reader.lane_count();
  while (segment.lanes.size() < count) {
    const auto index = static_cast<std::uint32_t>(segment.lanes.size());
    if (!segment.reader.is_lane_claimed(index)) return;
    model::Block header = segment.header(index);
    const auto known = starts_.find(header.lane);
    const StartPosition start = known == starts_.end() ? StartPosition{} : known->second;
    LaneReader reader = segment.reader.lane(index, 0);
    const std::uint64_t released = reader.released();  // our predecessor's
    const std::uint64_t from = start_of(start, released);
    header.from = from;
    reader.rewind(from);
    auto lane = std::make_unique<Lane>(reader, std::move(header));
    lane->acknowledged = start.acknowledged;
    lane->forgotten_to = start.forgotten_to;
    lane->committed = start.committed;
    lane->published = start.committed_published;
    // What our predecessor saw committed and did not live to give back: the bot may be waiting for it.
    release(*lane);
    lanes_[lane->name] = lane.get();
    segment.lanes.push_back(std::move(lane));
  }
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────

std::size_t Drain::read_lane(Segment& segment, Lane& lane, std::size_t records_max) {
  if (!lane.quarantine_reason.empty()) return 0;
  std::size_t records = 0;
  while (records < records_max) {
    if (lane.builder.bytes_estimate() >= config_.block_bytes_max &&
        !batches_.has_room(config_.block_bytes_max))
      break;
    const Peeked peeked = lane.reader.read(*copy_);
    if (peeked == Peeked::empty) break;
    if (peeked == Peeked::corrupt) {
      quarantine(lane,
                 "impossible sequence or length at position " + std::to_string(lane.reader.next()));
      break;
    }
    lane.seen.ordinal = copy_->head.ordinal + 1;
    lane.published = lane.seen.published = copy_->head.ordinal - copy_->head.refused + 1;
    add_record(segment, lane, lane.builder, *copy_);
    ++records;
  }
  counters_.records += records;
  return records;
}

void Drain::add_record(Segment& segment, Lane& lane, BlockBuilder& builder,
                       const RecordCopy& record) {
  auto decoded = decode(record, segment.reader, counters_.decode);
  if (auto* event = std::get_if<model::Event>(&decoded)) {
    segment.last_event_ns = std::max(segment.last_event_ns, model::origin_of(*event).event_time_ns);
    builder.add(std::move(*event));
    return;
  }
  ++counters_.rejected;
  const std::string& reason = std::get<Undecodable>(decoded).reason;
  spdlog::warn("drain: {} lane {} position {}: {}", segment.reader.name(), lane.name.lane,
               record.position, reason);
  std::string payload(reinterpret_cast<const char*>(&record.head), sizeof record.head);
  payload.append(reinterpret_cast<const char*>(record.payload.data()), record.payload_bytes);
  builder.add_rejected(record.position, "undecodable: " + reason, std::move(payload));
}

void Drain::quarantine(Lane& lane, std::string reason) {
  spdlog::error("drain: quarantined Lane {}: {}", lane.name.lane, reason);
  lane.quarantine_reason = std::move(reason);
  ++counters_.quarantined_lanes;
}

// ── what the others said ─────────────────────────────────────────────────────────────────────────────

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
    if (lane == nullptr) continue;
    lane->committed = std::max(lane->committed, commit.position);
    lane->counts_committed = commit.counts;
    release(*lane);
  }
  if (redis_is_witness_) {
    for (auto& [name, lane] : lanes_) release(*lane);
  }
  for (const FillRequest& request : exchange_.fill_requests.take()) {
    exchange_.fill_answers.put(answer(request));
    exchange_.rollup_bell.ring();
  }
  for (const Retirement& retirement : exchange_.retired.take()) {
    const auto found = segments_.find(retirement.segment_name);
    if (found == segments_.end()) continue;
    Segment& segment = *found->second;
    for (const auto& lane : segment.lanes) lanes_.erase(lane->name);
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
  const LaneState state{.next = lane.reader.next(),
                        .released = lane.reader.released(),
                        .line_count = lane.reader.line_count(),
                        .committed = lane.committed,
                        .acknowledged = lane.acknowledged,
                        .forgotten_to = lane.forgotten_to};
  const std::uint64_t position = release_position(state, redis_is_witness_);
  if (position > state.released) lane.reader.release(position);
}

FillAnswer Drain::answer(const FillRequest& request) {
  FillAnswer answer{.lane = request.lane,
                    .from = request.from,
                    .lost_to = request.to,
                    .lost_records = 0,
                    .block = std::nullopt};
  Lane* lane = find(request.lane);
  if (lane == nullptr) {
    answer.lost_to = request.from;
    answer.lane_is_gone = true;
    return answer;
  }
  Segment* segment = nullptr;
  for (auto& [name, candidate] : segments_) {
    for (const auto& own : candidate->lanes) {
      if (own.get() == lane) segment = candidate.get();
    }
  }
  const std::uint64_t from = fill_start(request, lane->reader.released());
  LaneReader reader = segment->reader.lane(request.lane.lane, from);
  model::Block header = segment->header(request.lane.lane);
  header.from = from;
  BlockBuilder builder(std::move(header));
  std::uint64_t ordinal = 0;
  bool is_first = true;
  while (reader.next() < request.to) {
    if (reader.read(*copy_) != Peeked::record) {
      quarantine(*lane, "cannot read position " + std::to_string(reader.next()) + " again");
      break;
    }
    if (is_first) answer.lost_records = lost_before(copy_->head, request);
    is_first = false;
    ordinal = copy_->head.ordinal + 1;
    add_record(*segment, *lane, builder, *copy_);
  }
  if (is_first) {  // all of it is gone: what comes behind it tells how much
    LaneReader behind = segment->reader.lane(request.lane.lane, from);
    const bool is_there =
        behind.next() < lane->reader.next() && behind.read(*copy_) == Peeked::record;
    answer.lost_records =
        is_there ? lost_before(copy_->head, request) : lane->published - request.published_before;
  }
  answer.lost_to = from;
  answer.block = builder.take(reader.next(), ordinal, model::LaneCounts{});
  spdlog::warn("drain: filled [{}, {}) of {} lane {}, {} Records lost", from, reader.next(),
               segment->reader.name(), request.lane.lane, answer.lost_records);
  return answer;
}

// ── ends ─────────────────────────────────────────────────────────────────────────────────────────────

void Drain::check_owners() {
  for (auto& [name, segment] : segments_) {
    if (!segment->owner_is_gone && segment->reader.owner_lock() == LockState::free) {
      segment->owner_is_gone = true;
      spdlog::debug("drain: owner of {} is gone", name);
    }
  }
}

void Drain::retire_if_done(Segment& segment) {
  if (segment.retirement_asked) return;
  for (const auto& lane : segment.lanes) {
    if (!lane->is_settled()) return;
  }
  segment.retirement_asked = true;
  Retirement retirement{.segment_name = segment.reader.name(), .lanes = {}};
  const auto lanes = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(segment.lanes.size()));
  for (std::uint32_t lane = 0; lane < lanes; ++lane) {
    const model::Block header = segment.header(lane);
    retirement.lanes[header.lane] = {.segment_name = header.segment_name,
                                     .script_name = header.script_name,
                                     .owner_uid = header.owner_uid,
                                     .profile_id = header.profile_id,
                                     .counts = {}};
  }
  exchange_.retirements.put(std::move(retirement));
  exchange_.rollup_bell.ring();
}

// ── sending ──────────────────────────────────────────────────────────────────────────────────────────

bool Drain::send_due(std::int64_t now_ns, bool all) {
  const bool is_time = all || now_ns >= next_flush_ns_;
  Batch batch;
  bool everything_sent = true;
  for (auto& [name, lane] : lanes_) {
    const bool quarter_full =
        lane->reader.next() - lane->reader.released() >= lane->reader.line_count() / 4;
    if (quarter_full) exchange_.rollup_bell.ring();
    const bool is_large = lane->builder.bytes_estimate() >= config_.block_bytes_max;
    if (!is_time && !quarter_full && !is_large) continue;
    const model::LaneCounts counts = lane->counts_of_control();
    if (lane->builder.is_empty() && same(counts, lane->counts_sent)) continue;
    const std::size_t bytes = lane->builder.bytes_estimate() + sizeof(model::Block);
    if (!batches_.has_room(batch.bytes + bytes)) {
      everything_sent = false;
      break;
    }
    batch.blocks.push_back(lane->builder.take(lane->reader.next(), lane->seen.ordinal, counts));
    batch.bytes += bytes;
    lane->counts_sent = counts;
    if (batch.bytes >= config_.batch_bytes_max) batches_.push(std::exchange(batch, {}));
  }
  if (!batch.blocks.empty()) batches_.push(std::move(batch));
  if (is_time) next_flush_ns_ = now_ns + config_.flush_interval_ns;
  return everything_sent;
}

void Drain::publish_views(std::int64_t now_ns) {
  if (now_ns < next_views_ns_) return;
  next_views_ns_ = now_ns + kViewsIntervalNs;
  std::vector<LaneView> views;
  for (auto& [name, segment] : segments_) {
    for (const auto& lane : segment->lanes) {
      const model::LaneCounts counts = lane->counts_of_control();
      views.push_back({.lane = lane->name,
                       .segment_name = name,
                       .script_name = segment->reader.script_name(),
                       .profile_id = segment->reader.profile_id(),
                       .produced = counts.produced,
                       .published = lane->published,
                       .counts = counts,
                       .occupied_lines = lane->reader.next() - lane->reader.released(),
                       .quarantine_reason = lane->quarantine_reason});
    }
  }
  exchange_.set_views(std::move(views));
}

}  // namespace ddt::sidecar
