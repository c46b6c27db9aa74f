// api/routes/system.hpp — /api/v1/metrics/system/…: every script's state, latency and rate limit.
#pragma once

#include "api/router.hpp"
#include "api/routes/context.hpp"

namespace ddt::api {

void add_system_routes(Router& router, const Context& context);

}  // namespace ddt::api
