// sidecar/figures/read_facts.hpp — what the figures of one profile's Windows are made from, read by time.
//
// Several Windows share one reading: their spans are joined, everything is read once and in time order,
// and a Window's part is a stretch of it. Long spans are read in slices, to bound the result sets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/model/equity.hpp"
#include "sidecar/model/order_span.hpp"
#include "sidecar/model/summary.hpp"
#include "sidecar/model/trades.hpp"
#include "sidecar/model/window.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

// Keys of one IN list. Fewer than eq_range_index_dive_limit (200): of more the optimizer guesses how many rows each has,
// and where most rows have no parent_order_id it guesses so many that it scans all of a profile's.
inline constexpr std::size_t kKeysPerQuery = 128;

struct TimeSpan {
  std::int64_t from_ns = 0, to_ns = 0;  // half-open
  bool operator==(const TimeSpan&) const = default;
};

// Spans of these Windows, in order and disjoint; those less than a day apart are joined.
std::vector<TimeSpan> joined_spans(std::span<const model::Window> windows);

// By (exit time, segment, lane, position).
Result<std::vector<model::TradeRow>> read_trades(sql::Connection& mysql, std::int32_t profile_id,
                                                 std::span<const TimeSpan> spans);

struct SignalRow {
  std::int64_t event_time_ns = 0;
  std::string signal_id, fate, reason;
};
Result<std::vector<SignalRow>> read_signals(sql::Connection& mysql, std::int32_t profile_id,
                                            std::span<const TimeSpan> spans);

// Records outside [from, to) of the signal ids inside: id → times.
Result<std::map<std::string, std::vector<std::int64_t>>> read_signals_elsewhere(
    sql::Connection& mysql, std::int32_t profile_id, const TimeSpan& span);
// The same of these ids.
Result<std::map<std::string, std::vector<std::int64_t>>> read_signals_elsewhere(
    sql::Connection& mysql, std::int32_t profile_id, const std::set<std::string>& ids,
    const TimeSpan& span);

// The latencies (ms as e8) of orders that answer a signal, by the order's time.
struct PlacementRow {
  std::int64_t event_time_ns = 0, latency_ns = 0;
};
Result<std::vector<PlacementRow>> read_placements(sql::Connection& mysql, std::int32_t profile_id,
                                                  std::span<const TimeSpan> spans);

struct MinuteRow {
  std::int64_t start_ns = 0;
  model::EquityMinute equity;
};
Result<std::vector<MinuteRow>> read_minutes(sql::Connection& mysql, std::int32_t profile_id,
                                            const TimeSpan& span);
Result<std::optional<MinuteRow>> last_minute_before(sql::Connection& mysql, std::int32_t profile_id,
                                                    std::int64_t time_ns);
Result<std::optional<MinuteRow>> first_minute_from(sql::Connection& mysql, std::int32_t profile_id,
                                                   std::int64_t time_ns);

// Every chain with a row in one of the spans, whole.
Result<std::vector<model::KnownChain>> read_chains(sql::Connection& mysql, std::int32_t profile_id,
                                                   std::span<const TimeSpan> spans);

// Hour Summaries one by one: (script, name as in dd_window_state, hour start, state).
using UseState = std::function<Status(std::string_view script_name, std::string_view name,
                                      std::int64_t hour_ns, std::string_view state)>;
Status for_each_hour_state(sql::Connection& mysql, std::int32_t profile_id,
                           std::span<const TimeSpan> spans, const UseState& use);

// The last readings of hours, in order of the reading's time.
struct ReadingRow {
  std::int64_t time_ns = 0;
  std::string script_name, metric_name;
  std::int64_t value_e8 = kNullE8;
  std::optional<std::string> value, status, metadata;  // as text
};
Result<std::vector<ReadingRow>> read_readings(sql::Connection& mysql, std::int32_t profile_id,
                                              std::span<const TimeSpan> spans);

}  // namespace ddt::sidecar
