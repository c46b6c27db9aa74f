#include "api/history/sidecars.hpp"

#include "api/history/rows.hpp"

namespace ddt::api {

Result<CommittedLedger> committed_ledger(Stores& stores) {
  const auto rows = stores.query(
      "SELECT CAST(COALESCE(SUM(produced), 0) AS UNSIGNED), "
      "CAST(COALESCE(SUM(stored_samples), 0) AS UNSIGNED), "
      "CAST(COALESCE(SUM(stored_states), 0) AS UNSIGNED), "
      "CAST(COALESCE(SUM(stored_facts), 0) AS UNSIGNED), "
      "CAST(COALESCE(SUM(dropped_samples), 0) AS UNSIGNED), "
      "CAST(COALESCE(SUM(dropped_states), 0) AS UNSIGNED), "
      "CAST(COALESCE(SUM(dropped_facts), 0) AS UNSIGNED), "
      "CAST(COALESCE(SUM(refused), 0) AS UNSIGNED), "
      "CAST(COALESCE(SUM(rejected), 0) AS UNSIGNED), "
      "CAST(COALESCE(SUM(lost), 0) AS UNSIGNED), MAX(updated_at) FROM dd_lane_positions");
  if (!rows) return rows.error();
  const sql::Row& row = rows->front();
  return CommittedLedger{.produced = row.unsigned_integer(0),
                         .stored_samples = row.unsigned_integer(1),
                         .stored_states = row.unsigned_integer(2),
                         .stored_facts = row.unsigned_integer(3),
                         .dropped_samples = row.unsigned_integer(4),
                         .dropped_states = row.unsigned_integer(5),
                         .dropped_facts = row.unsigned_integer(6),
                         .refused = row.unsigned_integer(7),
                         .rejected = row.unsigned_integer(8),
                         .lost = row.unsigned_integer(9),
                         .updated_ns = time_ns_of(row, 10)};
}

Result<std::int64_t> stored_schema_version(Stores& stores) {
  const auto rows = stores.query(
      "SELECT COALESCE(MAX(version), 0) FROM dd_schema_migrations WHERE applied_at IS NOT NULL");
  if (!rows) return rows.error();
  return rows->front().integer(0);
}

Result<StoredProfiles> stored_profiles(Stores& stores) {
  const auto rows = stores.query(
      "SELECT profile_id, script_name, MAX(updated_at) FROM dd_lane_positions "
      "GROUP BY profile_id, script_name");
  if (!rows) return rows.error();
  StoredProfiles profiles;
  for (const sql::Row& row : *rows) {
    if (row.is_null(0) || row.is_null(1)) continue;
    const std::int64_t id = row.integer(0);
    if (id < 1 || id > 2147483647) continue;  // a Segment of nobody in particular
    profiles[static_cast<std::int32_t>(id)][text_of(row, 1)] = time_ns_of(row, 2);
  }
  return profiles;
}

}  // namespace ddt::api
