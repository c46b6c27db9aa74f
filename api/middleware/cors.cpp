#include "api/middleware/cors.hpp"

#include <algorithm>
#include <cctype>

namespace ddt::api {

bool origin_matches(std::string_view pattern, std::string_view origin) {
  if (pattern == "*") return true;
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == origin;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  if (origin.size() <= before.size() + after.size()) return false;
  if (origin.substr(0, before.size()) != before) return false;
  if (origin.substr(origin.size() - after.size()) != after) return false;
  const std::string_view label =
      origin.substr(before.size(), origin.size() - before.size() - after.size());
  return std::all_of(label.begin(), label.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-';
  });
}

std::string problem_in_origin_pattern(std::string_view pattern) {
  if (pattern == "*") return "";
  const std::string name = "'" + std::string(pattern) + "'";
  const std::size_t scheme = pattern.find("://");
  if (scheme == std::string_view::npos) return name + " has no scheme (https://host)";
  const std::string_view host = pattern.substr(scheme + 3);
  if (host.empty() || host.find('/') != std::string_view::npos) {
    return name + " is not an origin (scheme://host[:port], nothing after)";
  }
  const auto stars = std::count(pattern.begin(), pattern.end(), '*');
  if (stars > 1 || (stars == 1 && host.substr(0, 2) != "*.")) {
    return name + " may have one '*', as the first label of the host";
  }
  return "";
}

void apply_cors(const std::vector<std::string>& patterns, const Request& request,
                Response& response) {
  response.set("Vary", "Origin, Accept");
  const auto origin = request.header("origin");
  if (!origin) return;
  bool allowed = false;
  bool anyone = false;
  for (const std::string& pattern : patterns) {
    if (!origin_matches(pattern, *origin)) continue;
    allowed = true;
    anyone = anyone || pattern == "*";
  }
  if (!allowed) return;
  if (anyone) {
    response.set("Access-Control-Allow-Origin", "*");
  } else {
    response.set("Access-Control-Allow-Origin", std::string(*origin));
    response.set("Access-Control-Allow-Credentials", "true");
  }
  if (request.method == "OPTIONS" && request.header("access-control-request-method")) {
    response.set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
    response.set("Access-Control-Allow-Headers",
                 "Accept, Authorization, Content-Type, If-None-Match");
    response.set("Access-Control-Max-Age", "600");
  } else {
    response.set("Access-Control-Expose-Headers",
                 "ETag, Link, Retry-After, X-As-Of, X-Ignored-Parameters, X-Source");
  }
}

}  // namespace ddt::api
