// api/history/sidecars.hpp — dd_lane_positions and the schema: what has been committed, by whom.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "api/stores.hpp"
#include "sidecar/model/event.hpp"

namespace ddt::api {

// Sums over all Lanes ever, absolute.
struct CommittedLedger {
  std::uint64_t produced = 0;
  std::uint64_t stored_samples = 0, stored_states = 0, stored_facts = 0;
  std::uint64_t dropped_samples = 0, dropped_states = 0, dropped_facts = 0;
  std::uint64_t refused = 0, rejected = 0, lost = 0;
  std::int64_t updated_ns = model::kNoTime;  // the last commit that moved a position
};
Result<CommittedLedger> committed_ledger(Stores& stores);

Result<std::int64_t> stored_schema_version(Stores& stores);

// Scripts that ever published, by profile: script → last time its position moved.
using StoredProfiles = std::map<std::int32_t, std::map<std::string, std::int64_t>>;
Result<StoredProfiles> stored_profiles(Stores& stores);

}  // namespace ddt::api
