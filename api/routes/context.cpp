#include "api/routes/context.hpp"

#include <algorithm>
#include <cstdio>

#include "api/http/http1.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

// FNV-1a, 64 bits: equal answers, equal tags; a collision costs one stale plot.
std::string weak_etag(std::string_view said) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : said) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ULL;
  }
  char text[24];
  std::snprintf(text, sizeof text, "W/\"%016llx\"", static_cast<unsigned long long>(hash));
  return text;
}

bool has_etag(std::string_view if_none_match, std::string_view etag) {
  if (if_none_match == "*") return true;
  const std::string_view opaque = etag.substr(2);  // weak comparison: without W/
  return if_none_match.find(opaque) != std::string_view::npos;
}

}  // namespace

Json e8_json(std::int64_t value_e8) {
  return is_null(value_e8) ? Json() : Json::decimal(value_e8, 8);
}

Json e8_json(std::optional<int128> value_e8) {
  return value_e8 ? Json::decimal(*value_e8, 8) : Json();
}

Json rfc3339_json(std::int64_t time_ns) {
  return time_ns == model::kNoTime ? Json() : Json(model::rfc3339(time_ns));
}

Json range_json(const Range& range) {
  Json json = Json::object();
  json.set("from", model::rfc3339(range.from_ns)).set("to", model::rfc3339(range.to_ns));
  return json;
}

Json meta_json(const Provenance& provenance, std::int64_t now_ns) {
  Json json = Json::object();
  json.set("as_of", rfc3339_json(provenance.as_of_ns)).set("source", provenance.source);
  json.set("stale_s", Json());
  if (provenance.as_of_ns != model::kNoTime) {
    const std::int64_t age_ns = std::max<std::int64_t>(0, now_ns - provenance.as_of_ns);
    json.set("stale_s", age_ns / model::kNsPerSecond);
  }
  return json;
}

void set_figures(Json& object, std::span<const model::Figure> figures) {
  Json reasons = Json::object();
  for (const model::Figure& figure : figures) {
    object.set(figure.name, e8_json(figure.value_e8));
    if (!figure.value_e8) reasons.set(figure.name, figure.reason);
  }
  object.set("reasons", std::move(reasons));
}

void ObjectAnswer::figure(const model::Figure& figure, std::string_view as_name) {
  const std::string_view name = as_name.empty() ? std::string_view(figure.name) : as_name;
  body_.set(name, e8_json(figure.value_e8));
  if (!figure.value_e8) reasons_.set(name, figure.reason);
}

void ObjectAnswer::figures(std::span<const model::Figure> figures) {
  for (const model::Figure& one : figures) figure(one);
}

void set_common_headers(Response& response, const Parameters& parameters,
                        const Provenance& provenance) {
  response.set("X-Source", std::string(provenance.source));
  if (provenance.as_of_ns != model::kNoTime) {
    response.set("X-As-Of", model::rfc3339(provenance.as_of_ns));
  }
  response.set("Cache-Control", "no-cache");
  std::string ignored;
  for (const std::string& name : parameters.ignored()) {
    std::string clean;
    for (const char c : name) {
      if (c > ' ' && c < '\x7f' && c != ',') clean.push_back(c);
    }
    ignored += (ignored.empty() ? "" : ", ") + clean.substr(0, 64);
  }
  if (!ignored.empty()) response.set("X-Ignored-Parameters", ignored.substr(0, 1024));
}

void apply_etag(const Request& request, std::string_view said, Response& response) {
  const std::string etag = weak_etag(said);
  response.set("ETag", etag);
  const auto if_none_match = request.header("if-none-match");
  if (if_none_match && has_etag(*if_none_match, etag)) {
    response.status = 304;
    response.body.clear();
  }
}

Response ObjectAnswer::finish(const Parameters& parameters, const Request& request,
                              const Range& range, const Provenance& provenance,
                              std::int64_t now_ns) && {
  body_.set("reasons", std::move(reasons_));
  const std::string said = body_.dump();
  body_.set("range", range_json(range)).set("meta", meta_json(provenance, now_ns));
  Response response{.status = 200, .body = body_.dump(), .headers = {}};
  if (response.body.size() > kReplyBytesMax) {
    return bad_parameters({{"window", "too many windows for one reply: ask for a shorter range"}});
  }
  set_common_headers(response, parameters, provenance);
  if (provenance.source == "history") apply_etag(request, said, response);
  return response;
}

Response ObjectAnswer::finish_without_range(const Parameters& parameters,
                                            const Provenance& provenance, std::int64_t now_ns) && {
  body_.set("reasons", std::move(reasons_)).set("meta", meta_json(provenance, now_ns));
  Response response{.status = 200, .body = body_.dump(), .headers = {}};
  set_common_headers(response, parameters, provenance);
  return response;
}

}  // namespace ddt::api
