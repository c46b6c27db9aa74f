// sidecar/top/control_words.hpp — a Lane's control block, copied out of the file.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "shm/segment_layout.hpp"

namespace ddt::top {

// 10^9 lines a second for a century; what is beyond is nonsense, and sums below it cannot overflow.
inline constexpr std::uint64_t kPositionMax = std::uint64_t{1} << 62U;

// The words of a LaneControl; not atomic, since it is a copy.
struct ControlWords {
  std::uint64_t released;
  std::uint64_t reader_reserved[7];
  std::uint32_t claimed, writer_reserved;
  std::uint64_t dropped[kRecordClasses];
  std::uint64_t refused, ordinals, metadata_left_off, reentrant;
};
static_assert(sizeof(ControlWords) == sizeof(LaneControl) &&
              offsetof(ControlWords, claimed) == offsetof(LaneControl, claimed) &&
              offsetof(ControlWords, ordinals) == offsetof(LaneControl, ordinals));

// False when the file ends before.
template <typename T>
bool read_at(int fd, std::size_t offset, T& value) {
  return ::pread(fd, &value, sizeof value, static_cast<off_t>(offset)) ==
         static_cast<ssize_t>(sizeof value);
}

inline bool read_control_words(int fd, std::uint32_t lane, ControlWords& words) {
  return read_at(fd, kLaneTableOffset + lane * sizeof(LaneControl), words);
}

}  // namespace ddt::top
