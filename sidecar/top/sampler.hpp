// sidecar/top/sampler.hpp — looks at a telemetry directory, and changes nothing in it.
//
// Reads     Files are opened for reading only and read with pread: nothing is mapped, so nothing can be
//           written, a truncated file is a short read and no signal, and a hole of a sparse file stays one
//           (a mapping would allocate its pages). No lock is taken; whether the owner holds his is asked.
// Costs     Per look and Segment: open, fstat, the lane count, the lane table, the lock. Per Lane two
//           sequence words when it is idle, else about 2·log2(lines published since) and one Record head:
//           a bot loses some cache misses a second. Header and names are read once per Segment.
// Threads   One.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sidecar/top/sample.hpp"

namespace ddt::top {

inline constexpr std::size_t kSegmentsMax = 10'000;  // others may make files in a shared directory

class Sampler {
 public:
  explicit Sampler(std::string directory) : directory_(std::move(directory)) {}

  DirectorySample look();

 private:
  struct LaneMemory {
    std::uint64_t position = 0;
    std::optional<std::uint64_t> produced;  // as of that position
  };
  struct Known {  // of one Segment, checked when it was first seen
    dev_t device = 0;
    ino_t inode = 0;
    SegmentSample facts;
    std::map<std::uint32_t, LaneMemory> lanes;
  };

  SegmentSample look_at(const std::string& name);
  // nullopt: the file ends before it.
  static std::optional<LaneSample> look_at_lane(int fd, std::uint32_t index,
                                                std::uint32_t lane_lines, LaneMemory& memory);
  Result<Known> get_to_know(const std::string& name) const;

  std::string directory_;
  std::map<std::string, Known> known_;
};

}  // namespace ddt::top
