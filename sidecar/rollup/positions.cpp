#include "sidecar/rollup/positions.hpp"

#include <algorithm>
#include <cstring>

#include "sidecar/rollup/rows.hpp"

namespace ddt::sidecar {
namespace {

constexpr const char* kColumns =
    "segment_id, lane, segment_name, script_name, owner_uid, profile_id, position, ordinal, "
    "stored_samples, stored_states, "
    "stored_facts, rejected, lost, dropped_samples, dropped_states, dropped_facts, refused, "
    "produced";

CommittedLanes lanes_of(const sql::Rows& rows) {
  CommittedLanes lanes;
  for (const sql::Row& row : rows) {
    model::LaneName name;
    std::memcpy(name.segment_id.data(), row.text(0).data(),
                std::min(row.text(0).size(), name.segment_id.size()));
    name.lane = static_cast<std::uint32_t>(row.unsigned_integer(1));
    CommittedLane lane{.segment_name = std::string(row.text(2)),
                       .script_name = std::string(row.text(3)),
                       .owner_uid = static_cast<std::uint32_t>(row.unsigned_integer(4)),
                       .profile_id = static_cast<std::int32_t>(row.integer(5)),
                       .position = row.unsigned_integer(6),
                       .ordinal = row.unsigned_integer(7),
                       .stored_samples = row.unsigned_integer(8),
                       .stored_states = row.unsigned_integer(9),
                       .stored_facts = row.unsigned_integer(10),
                       .rejected = row.unsigned_integer(11),
                       .lost = row.unsigned_integer(12),
                       .counts = {.dropped_samples = row.unsigned_integer(13),
                                  .dropped_states = row.unsigned_integer(14),
                                  .dropped_facts = row.unsigned_integer(15),
                                  .refused = row.unsigned_integer(16),
                                  .produced = row.unsigned_integer(17)}};
    lanes.emplace(name, std::move(lane));
  }
  return lanes;
}

Result<CommittedLanes> rows_of(sql::Connection& mysql, std::span<const model::LaneName> lanes,
                               const char* lock) {
  RowSet keys{.columns = 2, .values = {}};
  for (const model::LaneName& lane : lanes) {
    keys.values.push_back(value_of_bytes(lane.segment_id));
    keys.values.push_back(value_of_count(lane.lane));
  }
  const auto rows = select_rows(
      mysql,
      std::string("SELECT ") + kColumns + " FROM dd_lane_positions WHERE (segment_id, lane) IN",
      keys, lock);
  if (!rows) return rows.error();
  return lanes_of(*rows);
}

}  // namespace

void CommittedLane::raise_counts(const model::LaneCounts& seen) noexcept {
  const auto raise = [](std::uint64_t& value, std::uint64_t to) { value = std::max(value, to); };
  raise(counts.dropped_samples, seen.dropped_samples);
  raise(counts.dropped_states, seen.dropped_states);
  raise(counts.dropped_facts, seen.dropped_facts);
  raise(counts.refused, seen.refused);
  raise(counts.produced, seen.produced);
}

Result<CommittedLanes> read_positions(sql::Connection& mysql,
                                      std::span<const model::SegmentId> segments) {
  RowSet keys{.columns = 1, .values = {}};
  for (const model::SegmentId& segment : segments) keys.values.push_back(value_of_bytes(segment));
  const auto rows = select_rows(
      mysql, std::string("SELECT ") + kColumns + " FROM dd_lane_positions WHERE segment_id IN",
      keys, "");
  if (!rows) return rows.error();
  return lanes_of(*rows);
}

Result<CommittedLanes> find_positions(sql::Connection& mysql,
                                      std::span<const model::LaneName> lanes) {
  return rows_of(mysql, lanes, "");
}

Result<CommittedLanes> lock_positions(sql::Connection& mysql,
                                      std::span<const model::LaneName> lanes) {
  return rows_of(mysql, lanes, "FOR UPDATE");
}

Status write_positions(sql::Connection& mysql, const std::string& sidecar_id,
                       const CommittedLanes& lanes) {
  RowSet rows{.columns = 19, .values = {}};
  for (const auto& [name, lane] : lanes) {
    const model::LaneCounts& counts = lane.counts;
    const std::initializer_list<sql::Value> row{value_of_bytes(name.segment_id),
                                                value_of_count(name.lane),
                                                sidecar_id,
                                                lane.segment_name,
                                                lane.script_name,
                                                value_of_count(lane.owner_uid),
                                                value_of_id(lane.profile_id),
                                                value_of_count(lane.position),
                                                value_of_count(lane.ordinal),
                                                value_of_count(lane.stored_samples),
                                                value_of_count(lane.stored_states),
                                                value_of_count(lane.stored_facts),
                                                value_of_count(lane.rejected),
                                                value_of_count(lane.lost),
                                                value_of_count(counts.dropped_samples),
                                                value_of_count(counts.dropped_states),
                                                value_of_count(counts.dropped_facts),
                                                value_of_count(counts.refused),
                                                value_of_count(counts.produced)};
    rows.values.insert(rows.values.end(), row.begin(), row.end());
  }
  return insert_rows(
      mysql,
      "INSERT INTO dd_lane_positions (segment_id, lane, sidecar_id, segment_name, script_name, "
      "owner_uid, profile_id, "
      "position, ordinal, stored_samples, stored_states, stored_facts, rejected, lost, "
      "dropped_samples, dropped_states, "
      "dropped_facts, refused, produced) VALUES ",
      rows,
      " ON DUPLICATE KEY UPDATE position = VALUES(position), ordinal = VALUES(ordinal), "
      "stored_samples = VALUES(stored_samples), stored_states = VALUES(stored_states), "
      "stored_facts = VALUES(stored_facts), "
      "rejected = VALUES(rejected), lost = VALUES(lost), dropped_samples = "
      "GREATEST(dropped_samples, VALUES(dropped_samples)), "
      "dropped_states = GREATEST(dropped_states, VALUES(dropped_states)), "
      "dropped_facts = GREATEST(dropped_facts, VALUES(dropped_facts)), refused = GREATEST(refused, "
      "VALUES(refused)), "
      "produced = GREATEST(produced, VALUES(produced))");
}

Status mark_retired(sql::Connection& mysql, const std::string& sidecar_id,
                    const CommittedLanes& lanes) {
  RowSet rows{.columns = 7, .values = {}};
  RowSet keys{.columns = 2, .values = {}};
  for (const auto& [name, lane] : lanes) {
    const std::initializer_list<sql::Value> row{value_of_bytes(name.segment_id),
                                                value_of_count(name.lane),
                                                sidecar_id,
                                                lane.segment_name,
                                                lane.script_name,
                                                value_of_count(lane.owner_uid),
                                                value_of_id(lane.profile_id)};
    rows.values.insert(rows.values.end(), row.begin(), row.end());
    keys.values.push_back(value_of_bytes(name.segment_id));
    keys.values.push_back(value_of_count(name.lane));
  }
  if (auto made = insert_rows(mysql,
                              "INSERT INTO dd_lane_positions (segment_id, lane, sidecar_id, "
                              "segment_name, script_name, owner_uid, profile_id) VALUES ",
                              rows, " ON DUPLICATE KEY UPDATE lane = VALUES(lane)");
      !made) {
    return made;
  }
  const auto marked =
      mysql.execute(sql::multi_row("UPDATE dd_lane_positions SET retired_at = UTC_TIMESTAMP(6) "
                                   "WHERE retired_at IS NULL AND (segment_id, lane) IN (",
                                   keys.columns, keys.rows(), ")"),
                    keys.values);
  if (!marked) return marked.error();
  return Done{};
}

Status tidy_positions(sql::Connection& mysql, const std::string& sidecar_id,
                      std::span<const model::SegmentId> present) {
  const sql::Value id = sidecar_id;
  const auto old = mysql.execute(
      "DELETE FROM dd_lane_positions WHERE sidecar_id = ? AND retired_at < UTC_TIMESTAMP(6) - "
      "INTERVAL 90 DAY",
      std::span(&id, 1));
  if (!old) return old.error();
  const auto rows = mysql.query(
      "SELECT DISTINCT segment_id FROM dd_lane_positions WHERE sidecar_id = ? AND retired_at IS "
      "NULL "
      "AND updated_at < UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE",
      std::span(&id, 1));
  if (!rows) return rows.error();
  for (const sql::Row& row : *rows) {
    const std::string_view bytes = row.text(0);
    const bool is_there = std::ranges::any_of(present, [&](const model::SegmentId& segment) {
      return std::ranges::equal(segment, bytes, {}, {},
                                [](char c) { return static_cast<std::uint8_t>(c); });
    });
    if (is_there) continue;
    const sql::Value segment = std::string(bytes);
    const auto marked = mysql.execute(
        "UPDATE dd_lane_positions SET retired_at = UTC_TIMESTAMP(6) WHERE segment_id = ? AND "
        "retired_at IS NULL",
        std::span(&segment, 1));
    if (!marked) return marked.error();
  }
  return Done{};
}

Status write_rejected(sql::Connection& mysql, std::span<const RejectedRecord> records) {
  constexpr std::size_t kReasonBytesMax = 200;
  constexpr std::size_t kPayloadBytesMax = 1U << 20;
  RowSet rows{.columns = 5, .values = {}};
  for (const RejectedRecord& record : records) {
    const std::initializer_list<sql::Value> row{
        value_of_bytes(record.lane.segment_id), value_of_count(record.lane.lane),
        value_of_count(record.position), record.reason.substr(0, kReasonBytesMax),
        value_of_bytes(record.payload.substr(0, kPayloadBytesMax))};
    rows.values.insert(rows.values.end(), row.begin(), row.end());
  }
  return insert_rows(
      mysql, "INSERT INTO dd_rejected (segment_id, lane, position, reason, payload) VALUES ", rows,
      " ON DUPLICATE KEY UPDATE reason = VALUES(reason)");
}

Result<LedgerSums> read_ledger(sql::Connection& mysql, const std::string& sidecar_id) {
  const sql::Value id = sidecar_id;
  const auto rows = mysql.query(
      "SELECT COALESCE(SUM(produced), 0), COALESCE(SUM(stored_samples + stored_states + "
      "stored_facts), 0), "
      "COALESCE(SUM(rejected), 0), COALESCE(SUM(refused), 0), COALESCE(SUM(lost), 0), "
      "COALESCE(SUM(dropped_samples), 0), "
      "COALESCE(SUM(dropped_states), 0), COALESCE(SUM(dropped_facts), 0) FROM dd_lane_positions "
      "WHERE sidecar_id = ?",
      std::span(&id, 1));
  if (!rows) return rows.error();
  const sql::Row& row = rows->front();
  return LedgerSums{.produced = row.unsigned_integer(0),
                    .stored = row.unsigned_integer(1),
                    .rejected = row.unsigned_integer(2),
                    .refused = row.unsigned_integer(3),
                    .lost = row.unsigned_integer(4),
                    .dropped_samples = row.unsigned_integer(5),
                    .dropped_states = row.unsigned_integer(6),
                    .dropped_facts = row.unsigned_integer(7)};
}

}  // namespace ddt::sidecar
