// sidecar/rollup/positions.hpp — dd_lane_positions: the single truth of what has been counted.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "shm/base/result.hpp"
#include "sidecar/model/block.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

// A Lane as MySQL has committed it.
struct CommittedLane {
  std::string segment_name, script_name;
  std::uint32_t owner_uid = 0;
  std::int32_t profile_id = 0;
  std::uint64_t position = 0, ordinal = 0;
  std::uint64_t stored_samples = 0, stored_states = 0, stored_facts = 0, rejected = 0, lost = 0;
  model::LaneCounts counts;  // the greatest seen

  // Records published before `position`: each is stored, rejected or lost.
  std::uint64_t published() const noexcept {
    return stored_samples + stored_states + stored_facts + rejected + lost;
  }
  // Counts what a Block says that was refused before the Lane; absolute, so saying it twice changes nothing.
  void raise_counts(const model::LaneCounts& seen) noexcept;
};

using CommittedLanes = std::map<model::LaneName, CommittedLane>;

// All Lanes of these Segments, retired ones too: a file may outlive its tombstone's mark by a crash.
Result<CommittedLanes> read_positions(sql::Connection& mysql,
                                      std::span<const model::SegmentId> segments);

// The rows of these Lanes, retired ones too; Lanes without a row are left out. Locked: what they say is what
// holds until the transaction ends.
Result<CommittedLanes> find_positions(sql::Connection& mysql,
                                      std::span<const model::LaneName> lanes);
Result<CommittedLanes> lock_positions(sql::Connection& mysql,
                                      std::span<const model::LaneName> lanes);

Status write_positions(sql::Connection& mysql, const std::string& sidecar_id,
                       const CommittedLanes& lanes);

// Marks the tombstones of a Segment's Lanes; a Lane that never said anything gets its row now.
Status mark_retired(sql::Connection& mysql, const std::string& sidecar_id,
                    const CommittedLanes& lanes);

// Segments that are not there any more (a reboot empties /dev/shm) get their tombstones; tombstones older
// than 90 days go. Rows touched within the last minute are left alone: their Segment may be new.
Status tidy_positions(sql::Connection& mysql, const std::string& sidecar_id,
                      std::span<const model::SegmentId> present);

struct RejectedRecord {
  model::LaneName lane;
  std::uint64_t position = 0;
  std::string reason, payload;
};
Status write_rejected(sql::Connection& mysql, std::span<const RejectedRecord> records);

// Sums over all Lanes there ever were (tombstones included), of this sidecar.
struct LedgerSums {
  std::uint64_t produced = 0, stored = 0, rejected = 0, refused = 0, lost = 0;
  std::uint64_t dropped_samples = 0, dropped_states = 0, dropped_facts = 0;
};
Result<LedgerSums> read_ledger(sql::Connection& mysql, const std::string& sidecar_id);

}  // namespace ddt::sidecar
