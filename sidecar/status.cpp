#include "sidecar/status.hpp"

#include <set>

#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::sidecar {
namespace {

std::uint64_t beyond(std::uint64_t seen, std::uint64_t committed) {
  return seen > committed ? seen - committed : 0;
}

}  // namespace

Ledger ledger_of(const LedgerSums& sums, const CommittedLanes& committed,
                 std::span<const LaneView> views) {
  Ledger ledger{.produced = sums.produced,
                .stored = sums.stored,
                .lost = sums.lost,
                .in_flight = 0,
                .dropped_samples = sums.dropped_samples,
                .dropped_states = sums.dropped_states,
                .dropped_facts = sums.dropped_facts,
                .refused = sums.refused,
                .rejected = sums.rejected + sums.refused};
  static const CommittedLane kNone;
  for (const LaneView& view : views) {
    const auto found = committed.find(view.lane);
    const CommittedLane& lane = found == committed.end() ? kNone : found->second;
    ledger.produced += beyond(view.produced, lane.counts.produced);
    ledger.dropped_samples += beyond(view.counts.dropped_samples, lane.counts.dropped_samples);
    ledger.dropped_states += beyond(view.counts.dropped_states, lane.counts.dropped_states);
    ledger.dropped_facts += beyond(view.counts.dropped_facts, lane.counts.dropped_facts);
    const std::uint64_t refused = beyond(view.counts.refused, lane.counts.refused);
    ledger.refused += refused;
    ledger.rejected += refused;
    ledger.in_flight += beyond(view.published, lane.published());
  }
  return ledger;
}

std::string to_json(const StatusReport& report) {
  const Ledger& ledger = report.ledger;
  const auto seconds = [](double s) { return static_cast<int128>(s * 1e6); };
  model::JsonWriter json;
  json.begin_object();
  json.key("event_time_ns").string(std::to_string(report.now_ns));
  json.key("timestamp").string(model::rfc3339(report.now_ns));
  json.key("sidecar_id").string(report.sidecar_id).key("version").string(report.version);
  json.key("schema_version").unsigned_integer(report.schema_version);
  json.key("durability").string(report.durability);
  json.key("lag_s").decimal(seconds(report.append_lag_s + report.rollup_lag_s), 6);
  json.key("redis")
      .begin_object()
      .key("lag_s")
      .decimal(seconds(report.append_lag_s), 6)
      .end_object();
  json.key("mysql")
      .begin_object()
      .key("lag_s")
      .decimal(seconds(report.rollup_lag_s), 6)
      .end_object();
  json.key("ledger").begin_object();
  json.key("produced")
      .unsigned_integer(ledger.produced)
      .key("stored")
      .unsigned_integer(ledger.stored);
  json.key("dropped").unsigned_integer(ledger.dropped());
  json.key("dropped_samples").unsigned_integer(ledger.dropped_samples);
  json.key("dropped_states").unsigned_integer(ledger.dropped_states);
  json.key("dropped_facts").unsigned_integer(ledger.dropped_facts);
  json.key("refused")
      .unsigned_integer(ledger.refused)
      .key("rejected")
      .unsigned_integer(ledger.rejected);
  json.key("lost")
      .unsigned_integer(ledger.lost)
      .key("in_flight")
      .unsigned_integer(ledger.in_flight);
  json.key("residual").integer(ledger.residual());
  json.end_object();
  json.key("segments")
      .unsigned_integer(report.segments)
      .key("lanes")
      .unsigned_integer(report.lanes);
  json.key("quarantined").unsigned_integer(report.quarantined);
  json.key("quarantines").begin_array();
  for (const LaneView& view : report.quarantined_lanes) {
    json.begin_object();
    json.key("segment").string(view.segment_name).key("lane").unsigned_integer(view.lane.lane);
    json.key("profile_id").integer(view.profile_id).key("script_name").string(view.script_name);
    json.key("reason").string(view.quarantine_reason).end_object();
  }
  json.end_array();
  json.key("records")
      .unsigned_integer(report.records)
      .key("entries")
      .unsigned_integer(report.entries);
  json.key("transactions").unsigned_integer(report.transactions);
  json.key("retries").unsigned_integer(report.retries).key("fills").unsigned_integer(report.fills);
  json.key("stale_windows").unsigned_integer(report.stale_windows);
  json.end_object();
  return std::move(json).take();
}

}  // namespace ddt::sidecar
