#include "api/app.hpp"

#include <chrono>
#include <utility>

#include "api/middleware/cors.hpp"
#include "api/routes/equity.hpp"
#include "api/routes/health.hpp"
#include "api/routes/metrics.hpp"
#include "api/routes/orders.hpp"
#include "api/routes/service.hpp"
#include "api/routes/system.hpp"
#include "api/routes/trades.hpp"

namespace ddt::api {

std::int64_t system_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

App::App(ApiOptions options, std::function<std::int64_t()> now_ns)
    : options_(std::move(options)),
      stores_(options_.stores),
      drawdowns_(options_.share_live.count() > 0 ? kDrawdownKept : std::chrono::milliseconds(0)),
      context_{options_, stores_, drawdowns_, std::move(now_ns)},
      shared_(options_.share_live) {
  add_service_routes(router_, context_);
  add_trade_routes(router_, context_);
  add_equity_routes(router_, context_);
  add_order_routes(router_, context_);
  add_system_routes(router_, context_);
  add_metric_routes(router_, context_);
  add_health_routes(router_, context_);
}

Response App::handle(const Request& request) const {
  Response response = shared_.of(request, [&] { return router_.handle(request); });
  response.set("X-Content-Type-Options", "nosniff");
  apply_cors(options_.cors_origins, request, response);
  return response;
}

}  // namespace ddt::api
