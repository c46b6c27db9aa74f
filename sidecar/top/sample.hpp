// sidecar/top/sample.hpp — what one look at a telemetry directory found, and what the sidecar says.
//
// Everything in it was copied from what bots can write: numbers may be nonsense, texts may be hostile.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shm/file.hpp"
#include "shm/lane.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/redis/lane_words.hpp"

namespace ddt::top {

struct LaneSample {
  std::uint32_t lane = 0;
  std::uint64_t released = 0;
  std::uint64_t position = 0;  // lines published, as far as the Lane shows it
  std::optional<std::uint64_t>
      produced;  // Records it was asked to publish; unknown: no whole one seen
  std::array<std::uint64_t, kRecordClasses> dropped{};
  std::uint64_t refused = 0, metadata_left_off = 0, reentrant = 0;
  std::string suspicion;  // what a sidecar would quarantine it for; "" = nothing
};

struct SegmentSample {
  std::string name;
  std::string problem;  // why it cannot be read; the rest is then empty
  model::SegmentId id{};
  LockState owner = LockState::unknown;
  std::uint32_t owner_uid = 0, owner_pid = 0, lane_lines = 0;
  std::int32_t profile_id = 0;
  std::string script_name;  // as the bot wrote it
  std::string owner_user;   // of owner_uid; "" = nobody known here
  std::vector<LaneSample> lanes;
};

struct DirectorySample {
  std::int64_t monotonic_ns = 0, wall_ns = 0;
  std::string problem;  // why the directory cannot be read
  std::vector<SegmentSample> segments;
  std::size_t segments_left_off = 0;  // beyond kSegmentsMax
};

// What only the sidecar knows, as it last said it.
struct SidecarSample {
  std::string id;
  std::string problem;                    // why nothing is known
  std::optional<redis::LaneWords> words;  // nullopt: no sidecar of that id speaks
  std::string durability;                 // "" = not known (no MySQL, or an older sidecar)
  std::optional<double> redis_lag_s, mysql_lag_s;
};

}  // namespace ddt::top
