// api/routes/service.hpp — about the service itself: /, /health, /ready, /api/v1/config, /api/v1/profiles.
#pragma once

#include "api/router.hpp"
#include "api/routes/context.hpp"

namespace ddt::api {

void add_service_routes(Router& router, const Context& context);

}  // namespace ddt::api
