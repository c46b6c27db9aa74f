#include "sidecar/top/sampler.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "shm/base/clock.hpp"
#include "shm/segment.hpp"
#include "sidecar/top/control_words.hpp"
#include "sidecar/top/position.hpp"

namespace ddt::top {
namespace {

constexpr int kAttemptsMax = 3;  // a fast bot may go round its Lane between two words
class LaneFile {
 public:
  LaneFile(int fd, std::uint32_t lane, std::uint32_t lane_lines)
      : fd_(fd), lane_(lane), lane_lines_(lane_lines) {}

  bool read_control(ControlWords& words) const { return read_control_words(fd_, lane_, words); }
  Line judge(std::uint64_t position) const {
    std::uint64_t word = 0;
    if (!read_at(fd_, offset_of(position), word)) return Line::impossible;
    return judge_line(word, position, lane_lines_);
  }
  // Records asked for up to the last one before `end`.
  std::optional<std::uint64_t> produced_before(std::uint64_t end) const {
    const std::uint64_t lines_max = std::min<std::uint64_t>({kRecordLinesMax, end, lane_lines_});
    for (std::uint64_t lines = 1; lines <= lines_max; ++lines) {
      RecordHead head;
      if (!read_at(fd_, offset_of(end - lines), head)) return std::nullopt;
      if (is_head_of_last(head, end - lines, end)) return head.ordinal + 1;
    }
    return std::nullopt;
  }

 private:
  std::size_t offset_of(std::uint64_t position) const {
    return lane_offset(lane_, lane_lines_) + (position & (lane_lines_ - 1)) * kLineBytes;
  }
  int fd_;
  std::uint32_t lane_, lane_lines_;
};

// Where no Record ends at `end`, lines of an unfinished one were taken for published: the first line
// before it that is not, else `end`.
std::uint64_t first_gap(const LaneFile& lane, std::uint64_t released, std::uint64_t end) {
  std::uint64_t position = end - std::min<std::uint64_t>(end - released, kRecordLinesMax);
  while (position < end && lane.judge(position) == Line::published) ++position;
  return position;
}

// What a consumer would find at `position`, the first that is not published.
std::string suspicion_at(const LaneFile& lane, const LaneSample& sample, std::uint32_t lane_lines) {
  const std::uint64_t position = sample.position;
  if (position >= sample.released + lane_lines) return {};
  if (lane.judge(position) != Line::impossible) return {};
  ControlWords now;
  // Looked at while it was written, or given back and written again: no sign of anything.
  if (!lane.read_control(now) || now.released != sample.released ||
      lane.judge(position) != Line::impossible)
    return {};
  return "impossible sequence at position " + std::to_string(position);
}

}  // namespace

DirectorySample Sampler::look() {
  DirectorySample sample;
  sample.monotonic_ns = monotonic_ns();
  sample.wall_ns = wall_ns();
  auto names = segment_names(directory_);
  if (!names) {
    sample.problem = names.error().message;
    known_.clear();
    return sample;
  }
  std::ranges::sort(*names);
  if (names->size() > kSegmentsMax) {
    sample.segments_left_off = names->size() - kSegmentsMax;
    names->resize(kSegmentsMax);
  }
  for (const std::string& name : *names) sample.segments.push_back(look_at(name));
  // Retired between the listing and the look: it is not there, which is no problem.
  std::erase_if(sample.segments, [](const SegmentSample& segment) {
    return segment.problem.empty() && segment.lane_lines == 0;
  });
  std::erase_if(
      known_, [&](const auto& entry) { return !std::ranges::binary_search(*names, entry.first); });
  return sample;
}

Result<Sampler::Known> Sampler::get_to_know(const std::string& name) const {
  auto segment = SegmentReader::open(directory_, name, Access::copy);
  if (!segment) return segment.error();
  struct stat info {};
  if (::fstat(segment->descriptor(), &info) != 0) return last_error("look at Segment " + name);
  Known known{.device = info.st_dev, .inode = info.st_ino, .facts = {}, .lanes = {}};
  known.facts.name = name;
  std::memcpy(known.facts.id.data(), segment->id(), known.facts.id.size());
  known.facts.owner_uid = segment->owner_uid();
  known.facts.owner_pid = segment->owner_pid();
  known.facts.lane_lines = segment->lane_lines();
  known.facts.profile_id = segment->profile_id();
  known.facts.script_name = segment->script_name();
  if (const passwd* user = ::getpwuid(segment->owner_uid())) known.facts.owner_user = user->pw_name;
  return known;
}

SegmentSample Sampler::look_at(const std::string& name) {
  SegmentSample sample;
  sample.name = name;
  const std::string path = directory_ + "/" + name;
  const FileDescriptor file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) {
    if (errno != ENOENT) sample.problem = last_error("open").message;
    return sample;
  }
  auto known = known_.find(name);
  if (known != known_.end() &&
      (known->second.device != info.st_dev || known->second.inode != info.st_ino)) {
    known_.erase(known);
    known = known_.end();
  }
  if (known == known_.end()) {
    auto made = get_to_know(name);
    if (!made) {
      if (made.error().code != ENOENT) sample.problem = made.error().message;
      return sample;
    }
    known = known_.emplace(name, std::move(*made)).first;
  }
  sample = known->second.facts;
  sample.owner = lock_state(file.get());
  std::uint32_t lane_count = 0;
  if (info.st_size != static_cast<off_t>(segment_bytes(sample.lane_lines)) ||
      !read_at(file.get(), offsetof(SegmentHeader, lane_count), lane_count)) {
    sample.problem = "truncated";
    return sample;
  }
  for (std::uint32_t i = 0; i < std::min(lane_count, kLanesMax); ++i) {
    auto lane = look_at_lane(file.get(), i, sample.lane_lines, known->second.lanes[i]);
    if (!lane) {
      sample.problem = "truncated";
      break;
    }
    sample.lanes.push_back(std::move(*lane));
  }
  return sample;
}

std::optional<LaneSample> Sampler::look_at_lane(int fd, std::uint32_t index,
                                                std::uint32_t lane_lines, LaneMemory& memory) {
  const LaneFile lane(fd, index, lane_lines);
  LaneSample seen;
  seen.lane = index;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    ControlWords words;
    if (!lane.read_control(words)) return std::nullopt;
    std::ranges::copy(words.dropped, seen.dropped.begin());
    seen.refused = words.refused;
    seen.metadata_left_off = words.metadata_left_off;
    seen.reentrant = words.reentrant;
    seen.released = seen.position = words.released;
    seen.produced = words.ordinals;
    if (words.claimed != 1) return seen;
    if (words.released > kPositionMax) {
      seen.suspicion = "impossible released position";
      seen.produced = std::nullopt;
      return seen;
    }
    const auto judge = [&lane](std::uint64_t position) { return lane.judge(position); };
    seen.position = find_position(words.released, lane_lines, memory.position, judge);
    if (seen.position != memory.position || !memory.produced) {
      memory = {.position = seen.position, .produced = lane.produced_before(seen.position)};
      if (!memory.produced) {
        memory.position = seen.position = first_gap(lane, words.released, seen.position);
        memory.produced = lane.produced_before(seen.position);
      }
    }
    seen.suspicion = suspicion_at(lane, seen, lane_lines);
    if (seen.position == 0) return seen;
    seen.produced = std::nullopt;
    if (memory.produced) {
      seen.produced = std::max(*memory.produced, words.ordinals);
      return seen;
    }
  }
  return seen;
}

}  // namespace ddt::top
