// api/history/orders.hpp — dd_orders as chains, and the latency samples of a profile.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/parameters.hpp"
#include "api/stores.hpp"
#include "sidecar/model/orders.hpp"
#include "sidecar/model/summary.hpp"

namespace ddt::api {

struct OrderRows {
  std::vector<model::OrderRow> rows;
  std::int64_t newest_ns = model::kNoTime;  // event time of the newest row inside the range
};

// All rows of every chain that has a row in the range: the closure over parent_order_id, both ways.
// With script_name only rows of that script put a chain in; its other rows come with it.
Result<OrderRows> order_rows(Stores& stores, std::int32_t profile_id, const Range& range,
                             const std::optional<std::string>& script_name);

// Latency samples per script and hour, all endpoints merged, of hours that begin in the range (snap it to
// hours first).
using LatencyHours = std::map<std::string, std::map<std::int64_t, model::LatencySummary>>;
Result<LatencyHours> latency_hours(Stores& stores, std::int32_t profile_id, const Range& hours,
                                   const std::optional<std::string>& script_name);

}  // namespace ddt::api
