// api/routes/orders.hpp — /api/v1/metrics/orders/…: order chains, and the latency of the calls.
#pragma once

#include "api/router.hpp"
#include "api/routes/context.hpp"

namespace ddt::api {

void add_order_routes(Router& router, const Context& context);

}  // namespace ddt::api
