// api/history/equity.hpp — dd_equity_minute: the last reading of a range and its drawdown.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "api/parameters.hpp"
#include "api/stores.hpp"
#include "sidecar/model/equity_span.hpp"
#include "sidecar/model/window.hpp"

namespace ddt::api {

// Equity of a range, and the same per Window; each begins with the last equity before it, so that a loss in its
// first reading counts.
struct EquityHistory {
  model::EquitySpan range;
  std::map<model::Window, model::EquitySpan> windows;
};
// The range is snapped to minutes. From the Windows' states, and from minutes where there are none.
Result<EquityHistory> equity_history(Stores& stores, std::int32_t profile_id, const Range& range,
                                     const std::optional<model::WindowType>& window);

// The last minute before a time; nullopt when there is none.
Result<std::optional<model::EquityMinute>> last_equity_minute_before(Stores& stores,
                                                                     std::int32_t profile_id,
                                                                     std::int64_t time_ns);

}  // namespace ddt::api
