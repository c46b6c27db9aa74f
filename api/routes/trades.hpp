// api/routes/trades.hpp — /api/v1/trades/… and /api/v1/metrics/breakout/…: everything that is made from
// trade rows.
#pragma once

#include "api/router.hpp"
#include "api/routes/context.hpp"

namespace ddt::api {

void add_trade_routes(Router& router, const Context& context);

}  // namespace ddt::api
