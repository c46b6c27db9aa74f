// api/middleware/cors.hpp — which browsers' pages may read replies (Fetch standard, CORS).
//
// An origin pattern is an exact origin ("http://localhost:3000"), or has one '*' that stands for one
// label of the host, as in certificates ("https://*.vercel.app"), or is "*" alone: anyone, but then never
// with credentials.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/http/message.hpp"

namespace ddt::api {

bool origin_matches(std::string_view pattern, std::string_view origin);

// What is wrong with a pattern; empty when nothing is.
std::string problem_in_origin_pattern(std::string_view pattern);

// Adds the CORS headers an answer to this request needs; a preflight's too.
void apply_cors(const std::vector<std::string>& patterns, const Request& request,
                Response& response);

}  // namespace ddt::api
