// sidecar/model/block.hpp — a Block: what the journal says about one Lane, covering positions [from, to).
//
// Facts are kept one by one; states by their latest reading (equity by minute as well); samples by their
// Summaries. A Block is a pure function of the Records it covers, so draining the same span again gives
// the same Block.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sidecar/model/equity.hpp"
#include "sidecar/model/event.hpp"
#include "sidecar/model/summary.hpp"

namespace ddt::model {

// Records refused before they reached the Lane, absolute since the Lane was made: never differences, so
// that saying them twice changes nothing.
struct LaneCounts {
  std::uint64_t dropped_samples = 0, dropped_states = 0, dropped_facts = 0;
  std::uint64_t refused = 0;   // at publish: bad number, time, profile or symbol
  std::uint64_t produced = 0;  // ordinals handed out, refused ones included
};

struct LaneName {
  SegmentId segment_id{};
  std::uint32_t lane = 0;
  auto operator<=>(const LaneName&) const = default;
};

// Latencies of one endpoint within one minute (unix minutes).
struct LatencyMinute {
  std::int32_t profile_id = 0;
  std::string script_name, endpoint;
  std::int64_t minute = 0;
  LatencySummary summary;
};

// Readings of one own metric within one hour (unix hours).
struct MetricHour {
  std::int32_t profile_id = 0;
  std::string script_name, name;
  std::int64_t hour = 0;
  MetricSummary summary;
};

// Equity of one profile within one minute (unix minutes).
struct EquityMinuteOf {
  std::int32_t profile_id = 0;
  std::int64_t minute = 0;
  std::string script_name;
  EquityMinute equity;
};

// A Record whose bytes could be read but not understood.
struct Rejected {
  std::uint64_t position = 0;
  std::string reason, payload;
};

struct Block {
  LaneName lane;
  std::string segment_name;  // file name of the Segment
  std::uint32_t owner_uid = 0;
  std::int32_t profile_id = 0;  // of the Segment's owner, for people who look
  std::string script_name;
  std::uint64_t from = 0, to = 0;                // positions, in lines
  std::uint64_t ordinal_from = 0, ordinal_to = 0;  // ordinals of Records covered lie in [ordinal_from, ordinal_to)
  std::uint64_t samples = 0, states = 0, facts = 0;  // Records understood, by class
  LaneCounts counts;

  std::vector<Event> fact_events;      // SignalEvent, OrderEvent, TradeEvent, ErrorEvent in Lane order
  std::vector<Event> latest_states;    // newest EquityEvent per profile, PositionEvent per profile and symbol,
                                       // RateLimitEvent and HealthEvent per profile and script
  std::vector<Event> hour_states;      // newest RateLimitEvent/HealthEvent per profile, script and hour
  std::vector<EquityMinuteOf> equity_minutes;
  std::vector<LatencyMinute> latency_minutes;
  std::vector<MetricHour> metric_hours;
  std::vector<Rejected> rejected;
};

}  // namespace ddt::model
