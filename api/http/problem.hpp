// api/http/problem.hpp — errors as clients see them: application/problem+json (RFC 9457).
//
// No exception text, SQL or path goes in here: details are sentences of ours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/http/message.hpp"

namespace ddt::api {

struct BadParameter {
  std::string name, reason;
};

Response problem(int status, std::string_view detail);

// 400 that names every bad parameter.
Response bad_parameters(const std::vector<BadParameter>& parameters);

// 503 with Retry-After: "redis" or "mysql" cannot be reached.
Response store_down(std::string_view store);

}  // namespace ddt::api
