#include "api/http/problem.hpp"

#include "api/http/json.hpp"

namespace ddt::api {
namespace {

constexpr const char* kRetryAfterS = "2";

Response problem_response(int status, const Json& body) {
  Response response{.status = status,
                    .content_type = "application/problem+json",
                    .body = body.dump(),
                    .headers = {}};
  response.set("Cache-Control", "no-store");
  return response;
}

Json problem_body(int status, std::string_view detail) {
  Json body = Json::object();
  body.set("type", "about:blank").set("title", reason_phrase(status)).set("status", status);
  if (!detail.empty()) body.set("detail", detail);
  return body;
}

}  // namespace

Response problem(int status, std::string_view detail) {
  return problem_response(status, problem_body(status, detail));
}

Response bad_parameters(const std::vector<BadParameter>& parameters) {
  std::string detail =
      parameters.size() == 1 ? "One parameter is wrong: " : "Several parameters are wrong: ";
  Json list = Json::array();
  for (const BadParameter& parameter : parameters) {
    if (list.size() > 0) detail += ", ";
    detail += parameter.name;
    list.push_back(Json::object().set("name", parameter.name).set("reason", parameter.reason));
  }
  Json body = problem_body(400, detail + ".");
  body.set("invalid_params", std::move(list));
  return problem_response(400, body);
}

Response store_down(std::string_view store) {
  Json body = problem_body(503, "A store this answer needs cannot be reached.");
  body.set("store", store);
  Response response = problem_response(503, body);
  response.set("Retry-After", kRetryAfterS);
  return response;
}

}  // namespace ddt::api
