// sidecar/status.hpp — the ledger, and what the sidecar says about itself every second.
//
//   produced = stored + dropped + rejected + lost + in_flight + residual
//
// Every term is counted on its own; the residual is what they leave, and 0 at rest.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sidecar/exchange.hpp"
#include "sidecar/rollup/positions.hpp"

namespace ddt::sidecar {

struct Ledger {
  std::uint64_t produced = 0, stored = 0, lost = 0, in_flight = 0;
  std::uint64_t dropped_samples = 0, dropped_states = 0, dropped_facts = 0;
  std::uint64_t refused = 0;   // at publish
  std::uint64_t rejected = 0;  // refused ones included
  std::uint64_t dropped() const noexcept {
    return dropped_samples + dropped_states + dropped_facts;
  }
  std::int64_t residual() const noexcept {
    return static_cast<std::int64_t>(produced - stored - dropped() - rejected - lost - in_flight);
  }
};

// Sums of MySQL plus what the drain has seen beyond what MySQL has committed.
Ledger ledger_of(const LedgerSums& sums, const CommittedLanes& committed,
                 std::span<const LaneView> views);

inline constexpr std::size_t kQuarantinesShown = 16;

struct StatusReport {
  std::string sidecar_id, version, durability;
  std::uint32_t schema_version = 0;
  Ledger ledger;
  std::int64_t now_ns = 0;
  std::uint64_t segments = 0, lanes = 0, quarantined = 0;
  std::vector<LaneView> quarantined_lanes;  // kQuarantinesShown of them
  double append_lag_s = 0, rollup_lag_s = 0;
  std::uint64_t records = 0, entries = 0, transactions = 0, retries = 0, fills = 0,
                stale_windows = 0;
};
std::string to_json(const StatusReport& report);

}  // namespace ddt::sidecar
