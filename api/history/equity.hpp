// api/history/equity.hpp — dd_equity_minute: the last reading of a range and its drawdown.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "api/parameters.hpp"
#include "api/stores.hpp"
#include "sidecar/model/equity.hpp"

namespace ddt::api {

// Calls use() for every minute of the range (snap it to minutes first), in time order.
Status for_each_equity_minute(Stores& stores, std::int32_t profile_id, const Range& minutes,
                              const std::function<void(const model::EquityMinute&)>& use);

// The last minute before a time; nullopt when there is none.
Result<std::optional<model::EquityMinute>> last_equity_minute_before(Stores& stores,
                                                                     std::int32_t profile_id,
                                                                     std::int64_t time_ns);

}  // namespace ddt::api
