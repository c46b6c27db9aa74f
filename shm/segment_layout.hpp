// shm/segment_layout.hpp — where the bytes of a Segment lie. Layout version 1.
//
//   0        ┌───────────────────────────────────────────────┐
//            │ SegmentHeader: magic, version, id, owner,      │  4 KiB
//            │ clock, 160 calibration pairs                   │
//   0x01000  ├───────────────────────────────────────────────┤
//            │ name table: 512 × {length, 63 bytes}           │  32 KiB
//   0x09000  ├───────────────────────────────────────────────┤
//            │ lane table: 256 × LaneControl (128 bytes)      │  32 KiB
//   0x11000  ├───────────────────────────────────────────────┤
//            │ reserved, zero                                 │
//   0x20000  ├───────────────────────────────────────────────┤
//            │ Lane 0: lane_lines × 64 bytes                  │  reserved and touched when claimed
//            │ Lane 1 …                                       │  (the file is sparse until then)
//            └───────────────────────────────────────────────┘
//
// Who writes   The bot: everything but `released` words and calibration pairs from the second on,
//              which are the sidecar's. Nothing is ever moved or changed once published but counters.
// Published    magic is stored last; a name, a pair or a Lane counts only below its count word.
// Time         A stamp is turned into wall time by the last pair whose ticks are not after it:
//              wall = pair.wall_ns + (stamp − pair.ticks)·ns_per_tick. Pairs are only appended, by
//              the drain thread before it reads on, so a Record converts to the same time after any
//              restart.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shm/base/clock.hpp"
#include "shm/lane.hpp"

namespace ddt {

inline constexpr std::uint64_t kSegmentMagic = 0x31474553'54444400ULL;  // "\0DDTSEG1" read as bytes
inline constexpr std::uint32_t kLayoutVersion = 1;
inline constexpr std::uint32_t kNamesMax = 512;
inline constexpr std::uint32_t kNameBytesMax = 63;
inline constexpr std::uint32_t kLanesMax = 256;  // threads of one bot that publish
inline constexpr std::uint32_t kCalibrationPairsMax = 160;

inline constexpr std::size_t kNameTableOffset = 0x01000;
inline constexpr std::size_t kLaneTableOffset = 0x09000;
inline constexpr std::size_t kLanesOffset = 0x20000;

struct CalibrationPair {
  std::uint64_t ticks;
  std::int64_t wall_ns;
  std::uint64_t
      ns_per_tick_q32;  // 32.32 fixed point; 0 = not known to the one who wrote it (the bot)
};

struct SegmentHeader {
  std::atomic<std::uint64_t> magic;
  std::uint32_t layout_version;
  std::uint32_t lane_lines;
  std::uint8_t segment_id[16];
  std::uint32_t owner_pid;
  std::uint32_t owner_uid;
  std::int32_t profile_id;
  ClockKind clock;
  std::int64_t created_wall_ns;
  std::uint16_t script_name;  // index into the name table
  std::uint16_t reserved[3];
  std::atomic<std::uint32_t> name_count;
  std::atomic<std::uint32_t> lane_count;  // Lanes ever claimed: 0 … lane_count−1
  std::atomic<std::uint32_t> calibration_count;
  std::uint32_t reserved2;
  CalibrationPair calibration[kCalibrationPairsMax];
};
static_assert(sizeof(CalibrationPair) == 24);
static_assert(std::is_standard_layout_v<SegmentHeader> &&
              sizeof(SegmentHeader) <= kNameTableOffset);
static_assert(offsetof(SegmentHeader, segment_id) == 16 &&
              offsetof(SegmentHeader, created_wall_ns) == 48);
static_assert(offsetof(SegmentHeader, name_count) == 64 &&
              offsetof(SegmentHeader, calibration) == 80);

struct NameEntry {
  std::uint8_t bytes;
  char text[kNameBytesMax];
};
static_assert(sizeof(NameEntry) == 64 &&
              kNameTableOffset + kNamesMax * sizeof(NameEntry) == kLaneTableOffset);
static_assert(kLaneTableOffset + kLanesMax * sizeof(LaneControl) <= kLanesOffset);

constexpr std::size_t lane_offset(std::uint32_t lane, std::uint32_t lane_lines) noexcept {
  return kLanesOffset + static_cast<std::size_t>(lane) * lane_lines * kLineBytes;
}
constexpr std::size_t segment_bytes(std::uint32_t lane_lines) noexcept {
  return lane_offset(kLanesMax, lane_lines);
}

constexpr bool is_valid_lane_lines(std::uint32_t lane_lines) noexcept {
  return lane_lines >= kLaneLinesMin && lane_lines <= kLaneLinesMax &&
         (lane_lines & (lane_lines - 1)) == 0;
}

}  // namespace ddt
