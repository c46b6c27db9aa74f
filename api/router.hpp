// api/router.hpp — which function answers which path, and what every answer has in common.
//
// Paths     "/api/v1/trades/{profile_id}/performance": literals, and names in braces for one segment.
//           A literal wins over a name, so /health/system is never a profile.
// Methods   GET, HEAD (a GET without its body) and OPTIONS everywhere; anything else is 405 with Allow.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/message.hpp"

namespace ddt::api {

// Values of the names in braces.
using PathValues = std::map<std::string, std::string, std::less<>>;
using Route = std::function<Response(const Request&, const PathValues&)>;

class Router {
 public:
  void add(std::string_view path, Route route);
  Response handle(const Request& request) const;
  std::vector<std::string> paths() const;

 private:
  struct Entry {
    std::string path;
    std::vector<std::string> segments;  // "{name}" for a name
    Route route;
  };
  const Entry* match(const std::vector<std::string>& segments, PathValues& values) const;

  std::vector<Entry> entries_;
};

}  // namespace ddt::api
