// sidecar/top/lane_dump.hpp — a private copy of one Lane, read as the sidecar would read it.
//
// The file is read twice, with pread, in the order of positions: what the first pass showed as published
// is whole in the second. What was released meanwhile may have been written over and is left off.
// Errors    None: whatever the bytes say, `stop` says where reading ended and why.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shm/lane.hpp"

namespace ddt::top {

struct LaneState {
  bool is_claimed = false;
  std::uint64_t released = 0;  // where reading began
  std::uint64_t dropped[kRecordClasses]{};
  std::uint64_t refused = 0, ordinals = 0, metadata_left_off = 0, reentrant = 0;
};

enum class StopReason : std::uint8_t {
  end,         // nothing was published after it
  full,        // every line of the Lane holds something not released
  unfinished,  // lines of a Record are written, its first is not published
  corrupt,     // what cannot be there
  truncated,   // the file ends
};
std::string_view name_of(StopReason reason);

struct Stop {
  std::uint64_t position = 0;
  StopReason reason = StopReason::end;
  std::string text;
};

class LaneDump {
 public:
  LaneDump(int fd, std::uint32_t lane, std::uint32_t lane_lines)
      : fd_(fd), lane_(lane), lane_lines_(lane_lines) {}

  // Copies the Lane. `state` is the control block as it was then; false: the file ends before it.
  bool copy(LaneState& state);
  // After copy(): every whole Record from `released` on.
  Stop read(const std::function<void(const RecordCopy&)>& on_record);

 private:
  bool read_control(LaneState& state) const;
  bool copy_lines(std::uint64_t from);
  std::uint64_t word_at(std::uint64_t position) const;
  bool is_published(std::uint64_t position) const { return word_at(position) == position + 1; }
  Stop stop_at(std::uint64_t position) const;
  Stop corrupt_at(std::uint64_t position) const;

  int fd_;
  std::uint32_t lane_, lane_lines_;
  std::vector<std::byte> lines_;
  std::uint64_t from_ = 0, published_to_ = 0;
  bool is_truncated_ = false;
};

}  // namespace ddt::top
