#include "sidecar/top/lane_dump.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "shm/segment_layout.hpp"
#include "sidecar/top/control_words.hpp"
#include "sidecar/top/position.hpp"

namespace ddt::top {
namespace {

// False when the file ends first.
bool read_whole(int fd, std::byte* to, std::size_t bytes, std::size_t offset) {
  while (bytes > 0) {
    const ssize_t got = ::pread(fd, to, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    offset += static_cast<std::size_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

std::string_view name_of(StopReason reason) {
  switch (reason) {
    case StopReason::full:
      return "full";
    case StopReason::unfinished:
      return "unfinished";
    case StopReason::corrupt:
      return "corrupt";
    case StopReason::truncated:
      return "truncated";
    default:
      return "end";
  }
}

bool LaneDump::read_control(LaneState& state) const {
  ControlWords words;
  if (!read_control_words(fd_, lane_, words)) return false;
  state.is_claimed = words.claimed == 1;
  state.released = words.released;
  std::ranges::copy(words.dropped, state.dropped);
  state.refused = words.refused;
  state.ordinals = words.ordinals;
  state.metadata_left_off = words.metadata_left_off;
  state.reentrant = words.reentrant;
  return true;
}

// Line after line in the order of positions: a line is read after all before it.
bool LaneDump::copy_lines(std::uint64_t from) {
  const std::size_t begin = lane_offset(lane_, lane_lines_);
  const std::size_t bytes = std::size_t{lane_lines_} * kLineBytes;
  const std::size_t first = (from & (lane_lines_ - 1)) * kLineBytes;
  lines_.resize(bytes);
  return read_whole(fd_, lines_.data() + first, bytes - first, begin + first) &&
         read_whole(fd_, lines_.data(), first, begin);
}

std::uint64_t LaneDump::word_at(std::uint64_t position) const {
  std::uint64_t word;
  std::memcpy(&word, lines_.data() + (position & (lane_lines_ - 1)) * kLineBytes, sizeof word);
  return word;
}

bool LaneDump::copy(LaneState& state) {
  LaneState before;
  if (!read_control(before)) return false;
  state = before;
  from_ = published_to_ = before.released;
  if (!before.is_claimed || before.released > kPositionMax) return true;
  is_truncated_ = !copy_lines(before.released);
  while (!is_truncated_ && published_to_ < before.released + lane_lines_ &&
         is_published(published_to_))
    ++published_to_;
  is_truncated_ = is_truncated_ || !copy_lines(before.released) || !read_control(state);
  if (is_truncated_) return true;
  // Given back while we copied: it may be written over by now.
  from_ = state.released = std::clamp(state.released, before.released, published_to_);
  return true;
}

Stop LaneDump::read(const std::function<void(const RecordCopy&)>& on_record) {
  if (is_truncated_) return {from_, StopReason::truncated, "the file ends before the Lane does"};
  if (from_ > kPositionMax) return {from_, StopReason::corrupt, "impossible released position"};
  if (lines_.empty()) return {from_, StopReason::end, "the Lane was never claimed"};
  LaneControl control{};
  LaneReader reader(lines_.data(), lane_lines_, &control, from_);
  const auto record = std::make_unique<RecordCopy>();
  while (reader.next() < published_to_) {
    const std::uint64_t position = reader.next();
    if (reader.read(*record) != Peeked::record) return corrupt_at(position);
    on_record(*record);
  }
  return stop_at(reader.next());
}

Stop LaneDump::corrupt_at(std::uint64_t position) const {
  RecordHead head;
  std::memcpy(&head, lines_.data() + (position & (lane_lines_ - 1)) * kLineBytes, sizeof head);
  const std::uint32_t lines = (head.lines & kLinesMask) + 1U;
  if (head.sequence != position + 1) return stop_at(position);
  if (lines > kRecordLinesMax) {
    return {position, StopReason::corrupt,
            "the Record claims " + std::to_string(lines) + " lines, more than the longest has"};
  }
  std::uint64_t other = position + 1;
  while (other < position + lines && is_published(other)) ++other;
  return {position, StopReason::corrupt,
          "the Record claims " + std::to_string(lines) + " lines, but line " +
              std::to_string(other) + " is not its own"};
}

Stop LaneDump::stop_at(std::uint64_t position) const {
  if (position >= from_ + lane_lines_)
    return {position, StopReason::full, "the Lane is full: nothing of it was released"};
  const std::uint64_t word = word_at(position);
  if (judge_line(word, position, lane_lines_) == Line::impossible) {
    return {position, StopReason::corrupt,
            "impossible sequence word " + std::to_string(word) +
                ": neither this position's nor the lap's before"};
  }
  if (word == position + 1)
    return {position, StopReason::end, "the bot has published more since this look began"};
  std::uint64_t written = 0;
  for (std::uint64_t line = position + 1; line < position + kRecordLinesMax; ++line)
    written += is_published(line) ? 1 : 0;
  if (written > 0) {
    return {position, StopReason::unfinished,
            "an unfinished Record: " + std::to_string(written) +
                " of its later lines are written, its first is not published"};
  }
  return {position, StopReason::end, "nothing was published after it"};
}

}  // namespace ddt::top
