// tests/support/hostile_segment.hpp — a hand in a Segment's file that is not its bot's.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "shm/fault_guard.hpp"
#include "shm/file.hpp"
#include "shm/mapping.hpp"
#include "shm/segment_layout.hpp"

namespace ddt::test {

class HostileHand {
 public:
  HostileHand(const std::string& path, std::uint32_t lane_lines)
      : file_(::open(path.c_str(), O_RDWR | O_CLOEXEC)), lane_lines_(lane_lines) {
    auto mapped = Mapping::map(file_.get(), segment_bytes(lane_lines));
    if (!mapped) return;
    mapping_ = std::move(*mapped);
    auto guard = FaultGuard::over(mapping_.data(), mapping_.size(), mapping_.size());
    if (guard) guard_ = std::move(*guard);
  }

  std::size_t bytes() const noexcept { return mapping_.size(); }
  std::byte* at(std::size_t offset) const noexcept { return mapping_.data() + offset; }
  template <typename T>
  void write(std::size_t offset, T value) const noexcept {
    std::memcpy(at(offset), &value, sizeof value);
  }
  template <typename T>
  T read(std::size_t offset) const noexcept {
    T value;
    std::memcpy(&value, at(offset), sizeof value);
    return value;
  }
  std::size_t line(std::uint32_t lane, std::uint64_t position) const noexcept {
    return lane_offset(lane, lane_lines_) + position % lane_lines_ * kLineBytes;
  }
  static constexpr std::size_t control(std::uint32_t lane) noexcept {
    return kLaneTableOffset + lane * sizeof(LaneControl);
  }
  bool truncate(std::size_t bytes) const noexcept {
    return ::ftruncate(file_.get(), static_cast<off_t>(bytes)) == 0;
  }

 private:
  FileDescriptor file_;
  Mapping mapping_;
  FaultGuard guard_;  // it cuts the file that it writes to
  std::uint32_t lane_lines_;
};

}  // namespace ddt::test
