// api/routes/metrics.hpp — /api/v1/metrics/{profile_id}: rows of dd_telemetry_metrics.
#pragma once

#include "api/router.hpp"
#include "api/routes/context.hpp"

namespace ddt::api {

void add_metric_routes(Router& router, const Context& context);

}  // namespace ddt::api
