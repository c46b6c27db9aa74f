// api/routes/equity.hpp — /api/v1/metrics/equity/…: the latest reading (live where there is one) and the
// drawdown of the range, from minutes.
#pragma once

#include "api/router.hpp"
#include "api/routes/context.hpp"

namespace ddt::api {

void add_equity_routes(Router& router, const Context& context);

}  // namespace ddt::api
