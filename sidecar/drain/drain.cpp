// The drain's turn: Segments that come, Lanes that are read, Segments that end.
#include "sidecar/drain/drain.hpp"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "shm/base/clock.hpp"
#include "shm/file.hpp"
#include "sidecar/drain/drain_state.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::size_t kRecordsPerVisitMax = 4'096;  // of a Segment, then the next one has its turn
constexpr std::size_t kOpensPerScanMax = 512;       // a flood of files is no reason to stand still
constexpr std::int64_t kClockToleranceNs =
    1'000'000;  // drift or step that is worth a calibration pair
constexpr std::int64_t kRemovalIntervalNs = 60'000'000'000;

std::uint64_t tick_rate_q32(std::uint64_t ticks, std::int64_t ns) {
  return static_cast<std::uint64_t>((static_cast<uint128>(ns) << 32U) /
                                    std::max<std::uint64_t>(ticks, 1));
}

// What we ran out of; nothing that is wrong with a Segment.
bool is_ours(int code) {
  return code == EMFILE || code == ENFILE || code == ENOMEM || code == EINTR;
}

// Names are read from the file: once it is torn they are not its.
Undecodable torn() { return {"its file was truncated"}; }

}  // namespace

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
  if (now_ns >= next_scan_ns_) {
    scan();
    next_scan_ns_ = now_ns + config_.scan_interval_ns;
  }
  const bool is_round = now_ns >= next_round_ns_;
  if (is_round) next_round_ns_ = now_ns + config_.round_interval_ns;
  looks_at_counts_ = is_round || now_ns >= next_flush_ns_;
  const std::size_t records = is_round ? go_round() : visit_those_with_news();
  has_news_ |= is_round || records > 0;
  send_due(now_ns, false);
  publish_views(now_ns);
  retire_those_done();
  return records;
}

// All there is to look at of a Segment, while its lines are near.
std::size_t Drain::go_round() {
  std::size_t records = 0;
  for (auto& [name, segment] : segments_) {
    calibrate(*segment, false);
    check(*segment);
    records += visit(*segment);
  }
  return records;
}

// What nobody has said anything in since the last turn is not touched, but for the one line.
std::size_t Drain::visit_those_with_news() {
  std::size_t records = 0;
  const Segment* visited = nullptr;
  for (const Watch& watch : watches_) {
    if (!watch.reader.has_next() || watch.lane->is_quarantined() || watch.segment == visited)
      continue;
    visited = watch.segment;
    records += visit(*watch.segment);
  }
  for (Segment* segment : orphans_) {
    if (!segment->is_drained) records += visit(*segment);
  }
  return records;
}

void Drain::retire_those_done() {
  for (Segment* segment : orphans_) {
    if (segment->is_drained) retire_if_done(*segment);
  }
}

// ── Segments and Lanes that come ─────────────────────────────────────────────────────────────────────

// The directory's own word, where it can be told apart from the last one; now and then in any case.
bool Drain::may_have_changed(std::int64_t now_ns) {
  constexpr std::int64_t kListingIntervalNs = 5'000'000'000;
  constexpr std::int64_t kClockGranuleNs = 20'000'000;  // a change within it may show the same time
  struct stat info {};
  if (now_ns >= next_listing_ns_ || ::stat(config_.directory.c_str(), &info) != 0) {
    next_listing_ns_ = now_ns + kListingIntervalNs;
    return true;
  }
  const std::int64_t changed_at_ns = info.st_mtim.tv_sec * kNsPerSecond + info.st_mtim.tv_nsec;
  const bool has_changed =
      changed_at_ns != directory_changed_at_ns_ || wall_ns() - changed_at_ns < kClockGranuleNs;
  directory_changed_at_ns_ = changed_at_ns;
  return has_changed;
}

void Drain::scan_directory() {
  const std::int64_t now_ns = monotonic_ns();
  if (!may_have_changed(now_ns)) return;
  auto names = segment_names(config_.directory);
  if (!names) {
    spdlog::warn("drain: {}", names.error().message);
    return;
  }
  std::size_t opened = 0;
  for (const std::string& name : *names) {
    if (segments_.contains(name) || refused_.contains(name)) continue;
    if (++opened > kOpensPerScanMax) {
      next_listing_ns_ = 0;  // the rest at the next scan
      break;
    }
    open_segment(name);
  }
  std::ranges::sort(*names);
  std::erase_if(refused_, [&](const auto& entry) {
    return !std::ranges::binary_search(*names, entry.first);
  });
  std::erase_if(hopeless_, [&](const std::string& name) { return !refused_.contains(name); });
  if (now_ns < next_removal_ns_) return;
  next_removal_ns_ = now_ns + kRemovalIntervalNs;
  remove_abandoned_temporaries(config_.directory);
  for (const std::string& name : hopeless_) {
    if (remove_abandoned_segment(config_.directory, name))
      spdlog::warn("drain: removed {}, which nobody held: {}", name, refused_[name]);
  }
}

void Drain::open_segment(const std::string& name) {
  auto opened = SegmentReader::open(config_.directory, name);
  if (!opened) {
    if (opened.error().code == ENOENT) return;  // gone between the listing and now
    spdlog::warn("drain: refused: {}", opened.error().message);
    if (is_ours(opened.error().code)) {
      next_listing_ns_ = 0;
      return;  // the Segment is as good as any: the next scan tries again
    }
    refused_.emplace(name, opened.error().message);
    if (opened.error().code != EPROTO) hopeless_.insert(name);  // another version may read its own
    ++counters_.refused_segments;
    return;
  }
  auto segment = std::make_unique<Segment>(std::move(*opened));
  calibrate(*segment, true);
  spdlog::debug("drain: {} of profile {}, {}", name, segment->reader.profile_id(),
                segment->reader.script_name());
  segments_.emplace(name, std::move(segment));
}

void Drain::calibrate(Segment& segment, bool is_first) {
  const std::uint64_t ticks = ticks_now();
  const std::int64_t wall = wall_ns();
  const bool is_tsc = segment.reader.clock() == ClockKind::tsc;
  const std::uint64_t rate =
      is_tsc ? tick_rate_q32(ticks - start_ticks_, monotonic_ns() - start_monotonic_ns_)
             : std::uint64_t{1} << 32U;
  const std::uint64_t now = is_tsc ? ticks : static_cast<std::uint64_t>(monotonic_ns());
  if (segment.reader.calibrate(now, wall, rate, kClockToleranceNs) && !is_first)
    ++counters_.clock_steps;
}

void Drain::scan() {
  scan_directory();
  const std::size_t known = watches_.size();
  for (auto& [name, segment] : segments_) {
    if (!segment->is_quarantined()) find_new_lanes(*segment);
  }
  if (watches_.size() != known) order_watches();
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
    std::uint64_t released = reader.released();  // our predecessor's, if the bot has left it alone
    const bool is_possible = can_begin_at(segment, reader, start_of(start, released));
    if (!is_possible) released = start_of(start, 0);
    const std::uint64_t from = start_of(start, released);
    header.from = from;
    reader.rewind(from);
    auto lane = std::make_unique<Lane>(reader, released, std::move(header), start);
    if (!is_possible) quarantine(*lane, "its released position is impossible");
    // What our predecessor saw committed and did not live to give back: the bot may be waiting for it.
    release(*lane);
    lanes_[lane->name] = lane.get();
    lane->watch = watches_.size();
    watches_.push_back({.reader = lane->reader, .segment = &segment, .lane = lane.get()});
    segment.lanes.push_back(std::move(lane));
    has_news_ = true;  // where it begins may have to be said
  }
}

// Whether the line there may be the next one to be read.
bool Drain::can_begin_at(const Segment& segment, LaneReader reader, std::uint64_t position) {
  if (position > LaneAccount::kPositionMax) return false;
  reader.rewind(position);
  return reader.read(*copy_) != Peeked::corrupt || segment.reader.is_torn();
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────

std::size_t Drain::visit(Segment& segment) {
  std::size_t records = 0;
  if (!segment.is_quarantined()) {
    if (segment.owner_is_gone) find_new_lanes(segment);  // claimed at its last moment
    const std::size_t lanes = segment.lanes.size();
    const std::size_t first = segment.turn;
    for (std::size_t i = 0; i < lanes && records < kRecordsPerVisitMax; ++i) {
      segment.turn = (first + i) % lanes;
      records += read_lane(segment, *segment.lanes[segment.turn], kRecordsPerVisitMax - records);
    }
    if (lanes != 0) segment.turn = (segment.turn + 1) % lanes;
    if (segment.reader.is_torn()) quarantine(segment, "its file was truncated");
  }
  if (segment.owner_is_gone && records == 0) segment.is_drained = true;
  return records;
}

std::size_t Drain::read_lane(Segment& segment, Lane& lane, std::size_t records_max) {
  if (lane.is_quarantined()) return 0;
  const bool looks = looks_at_counts_ || segment.owner_is_gone;
  if (looks) look_at_counts(segment, lane);
  std::size_t records = 0;
  while (records < records_max && !lane.is_quarantined()) {
    if (lane.builder.bytes_estimate() >= config_.block_bytes_max &&
        !batches_.has_room(config_.block_bytes_max))
      break;
    const Peeked peeked = read_record(segment, lane);
    if (segment.reader.is_torn()) break;  // whatever it said
    if (peeked == Peeked::empty && looks) {
      if (const auto objection = lane.account.dry()) quarantine(lane, objection);
    }
    if (peeked != Peeked::record) break;
    add_record(segment, lane, lane.builder, *copy_);
    ++records;
  }
  counters_.records += records;
  watches_[lane.watch].reader = lane.reader;
  return records;
}

// As they lie in memory: every line costs a walk of the page tables, and neighbours share most of theirs.
void Drain::order_watches() {
  std::ranges::sort(watches_, {}, [](const Watch& watch) { return watch.reader.lines(); });
  for (std::size_t i = 0; i < watches_.size(); ++i) watches_[i].lane->watch = i;
}

void Drain::unwatch(const Segment& segment) {
  std::erase_if(watches_, [&](const Watch& watch) { return watch.segment == &segment; });
  order_watches();
  std::erase(orphans_, &segment);
}

// Copies the next Record if it can be believed; else the reader stays before it.
Peeked Drain::read_record(Segment& segment, Lane& lane) {
  const std::uint64_t position = lane.reader.next();
  const Peeked peeked = lane.reader.read(*copy_);
  if (peeked == Peeked::empty || segment.reader.is_torn()) {
    lane.reader.rewind(position);
    return Peeked::empty;
  }
  LaneAccount::Objection objection = nullptr;
  if (peeked == Peeked::corrupt) {
    objection = "impossible sequence or length";
  } else if (lane.held() > lane.reader.line_count()) {
    objection = "it was published beyond what was given back";
  } else {
    objection = lane.account.add(copy_->head, position, lane.reader);
  }
  if (objection == nullptr) return Peeked::record;
  lane.reader.rewind(position);
  if (segment.reader.is_torn()) return Peeked::empty;
  quarantine(lane, std::string(objection) + " at position " + std::to_string(position));
  return Peeked::corrupt;
}

void Drain::look_at_counts(const Segment& segment, Lane& lane) {
  const LaneCounters counters = lane.reader.counters();
  if (segment.reader.is_torn() || lane.is_quarantined()) return;
  if (const auto objection = lane.account.look(counters)) quarantine(lane, objection);
}

void Drain::add_record(Segment& segment, Lane& lane, BlockBuilder& builder,
                       const RecordCopy& record) {
  const bool is_sample = class_of(record.head.kind) == RecordClass::sample;
  auto undecodable =
      is_sample ? add_sample(segment, builder, record) : add_event(segment, builder, record);
  if (!undecodable) [[likely]]
    return;
  ++counters_.rejected;
  if (std::has_single_bit(
          ++lane.undecodable)) {  // the 1st, 2nd, 4th …: a flood is no reason to fill the disk
    spdlog::warn("drain: {} lane {} position {}: {}, {} Records so far", segment.reader.name(),
                 lane.name.lane, record.position, undecodable->reason, lane.undecodable);
  }
  std::string payload(reinterpret_cast<const char*>(&record.head), sizeof record.head);
  payload.append(reinterpret_cast<const char*>(record.payload.data()), record.payload_bytes);
  builder.add_rejected(record.position, "undecodable: " + undecodable->reason, std::move(payload));
}

std::optional<Undecodable> Drain::add_sample(Segment& segment, BlockBuilder& builder,
                                             const RecordCopy& record) {
  Sample sample;
  if (auto undecodable = decode_sample(record, segment.reader, sample)) return undecodable;
  if (!builder.try_add(sample)) {
    std::string script_name = segment.reader.script_at(sample.script);
    std::string name = segment.reader.name_at(sample.name);
    if (segment.reader.is_torn()) return torn();
    builder.add(sample, std::move(script_name), std::move(name));
  }
  segment.last_event_ns = std::max(segment.last_event_ns, sample.event_time_ns);
  return std::nullopt;
}

std::optional<Undecodable> Drain::add_event(Segment& segment, BlockBuilder& builder,
                                            const RecordCopy& record) {
  auto decoded = decode(record, segment.reader, counters_.decode);
  if (segment.reader.is_torn()) return torn();
  auto* event = std::get_if<model::Event>(&decoded);
  if (event == nullptr) return std::get<Undecodable>(std::move(decoded));
  segment.last_event_ns = std::max(segment.last_event_ns, model::origin_of(*event).event_time_ns);
  builder.add(std::move(*event));
  return std::nullopt;
}

// What it says from now on is not read; what was read is sent and stored as ever.
void Drain::quarantine(Lane& lane, std::string reason) {
  if (lane.is_quarantined()) return;
  spdlog::error("drain: quarantined a Lane {} that was read to position {}: {}", lane.name.lane,
                lane.reader.next(), reason);
  lane.quarantine_reason = std::move(reason);
  ++counters_.quarantined_lanes;
}

void Drain::quarantine(Segment& segment, const std::string& reason) {
  if (segment.is_quarantined()) return;
  spdlog::error("drain: quarantined {} of uid {}: {}", segment.reader.name(),
                segment.reader.owner_uid(), reason);
  segment.quarantine_reason = reason;
  ++counters_.quarantined_segments;
  refused_.insert_or_assign(segment.reader.name(), "quarantined: " + reason);
  for (const auto& lane : segment.lanes) quarantine(*lane, reason);
}

// ── ends ─────────────────────────────────────────────────────────────────────────────────────────────

void Drain::check(Segment& segment) {
  if (!segment.reader.is_whole()) quarantine(segment, "its file was truncated");
  if (!segment.is_quarantined() && !segment.reader.is_header_intact())
    quarantine(segment, "its header was written over");
  for (const auto& lane : segment.lanes) {
    if (lane->reader.released() != lane->released && !segment.reader.is_torn())
      quarantine(*lane, "its released position was written over");
  }
  if (!segment.owner_is_gone && segment.reader.owner_lock() == LockState::free) {
    segment.owner_is_gone = true;
    orphans_.push_back(&segment);
    spdlog::debug("drain: owner of {} is gone", segment.reader.name());
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

}  // namespace ddt::sidecar
