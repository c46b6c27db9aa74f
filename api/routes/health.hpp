// api/routes/health.hpp — /api/v1/health/…: a profile's scripts, and the telemetry's own ledger.
#pragma once

#include "api/router.hpp"
#include "api/routes/context.hpp"

namespace ddt::api {

void add_health_routes(Router& router, const Context& context);

}  // namespace ddt::api
