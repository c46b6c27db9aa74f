// api/history/orders.hpp — order chains of a range, from the Windows' states and from dd_orders.
//
// A chain counts where it was first seen and where it ended, judged by all that is known of it; with a script those
// of which the script said something (sidecar/model/order_span.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "api/parameters.hpp"
#include "api/stores.hpp"
#include "sidecar/model/order_span.hpp"
#include "sidecar/model/window.hpp"

namespace ddt::api {

struct OrderHistory {
  model::OrderSpans range;
  std::map<model::Window, model::OrderSpans> windows;  // those in which some order said something
};
Result<OrderHistory> order_history(Stores& stores, std::int32_t profile_id, const Range& range,
                                   const std::optional<model::WindowType>& window);

}  // namespace ddt::api
