#include "api/router.hpp"

#include <optional>

#include "api/http/problem.hpp"
#include "api/http/url.hpp"
#include "shm/base/check.hpp"

namespace ddt::api {
namespace {

constexpr const char* kAllow = "GET, HEAD, OPTIONS";

bool is_name(const std::string& segment) { return !segment.empty() && segment.front() == '{'; }

std::optional<PathValues> match_segments(const std::vector<std::string>& pattern,
                                         const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) return std::nullopt;
  PathValues values;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_name(pattern[i])) {
      values.emplace(pattern[i].substr(1, pattern[i].size() - 2), segments[i]);
    } else if (pattern[i] != segments[i]) {
      return std::nullopt;
    }
  }
  return values;
}

}  // namespace

void Router::add(std::string_view path, Route route) {
  auto segments = path_segments(path);
  DDT_CHECK(segments.has_value());
  entries_.push_back({std::string(path), std::move(*segments), std::move(route)});
}

std::vector<std::string> Router::paths() const {
  std::vector<std::string> paths;
  for (const Entry& entry : entries_) paths.push_back(entry.path);
  return paths;
}

const Router::Entry* Router::match(const std::vector<std::string>& segments,
                                   PathValues& values) const {
  const Entry* best = nullptr;
  for (const Entry& entry : entries_) {
    auto found = match_segments(entry.segments, segments);
    if (found && (best == nullptr || found->size() < values.size())) {
      best = &entry;
      values = std::move(*found);
    }
  }
  return best;
}

Response Router::handle(const Request& request) const {
  if (request.path == "*" && request.method == "OPTIONS") {
    Response response{.status = 204, .content_type = "", .body = "", .headers = {}};
    response.set("Allow", kAllow);
    return response;
  }
  std::vector<std::string> segments = request.segments;
  if (segments.size() > 1 && segments.back().empty()) segments.pop_back();  // a trailing slash
  PathValues values;
  const Entry* entry = match(segments, values);
  if (entry == nullptr) return problem(404, "There is nothing at this path.");
  if (request.method == "OPTIONS") {
    Response response{.status = 204, .content_type = "", .body = "", .headers = {}};
    response.set("Allow", kAllow);
    return response;
  }
  if (request.method != "GET" && request.method != "HEAD") {
    Response response = problem(405, "Only GET, HEAD and OPTIONS are possible here.");
    response.set("Allow", kAllow);
    return response;
  }
  return entry->route(request, values);
}

}  // namespace ddt::api
