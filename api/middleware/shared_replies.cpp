#include "api/middleware/shared_replies.hpp"

namespace ddt::api {

// What an answer depends on besides the stores: the target, and the kind of answer that is wanted.
std::string SharedReplies::question_of(const Request& request) {
  std::string question = request.path + '?' + request.query_string;
  if (const auto accept = request.header("accept")) question.append("\n").append(*accept);
  return question;
}

bool SharedReplies::is_shareable(const Response& response) {
  const auto source = response.header("X-Source");
  return response.status == 200 && source && (*source == "live" || *source == "both") &&
         !response.header("ETag");
}

}  // namespace ddt::api
