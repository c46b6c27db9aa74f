// api/middleware/shared_replies.hpp — live replies that all who ask the same within some milliseconds share.
//
// A live value is some milliseconds old when it can be read at all (the sidecar flushes every 10 ms), so many
// dashboards polling one profile need not each cost a round trip to Redis. Only successful GETs whose answer holds
// live values are shared: what comes from history alone is always read. Who asks otherwise (another target, another Accept)
// asks something else; what depends on who asks (CORS) is put on afterwards, on each one's copy.
//
// Limits    At most Replies::kValuesMax replies, each with its question of at most kSharedBytesMax.
//
// Threads   Any.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "api/http/message.hpp"
#include "api/recent.hpp"

namespace ddt::api {

class SharedReplies {
 public:
  static constexpr std::size_t kSharedBytesMax =
      16 * 1024;  // 64 MiB in all; a larger one is always made

  // shared: a reader copies its reply without holding the lock.
  using Replies = Recent<std::string, std::shared_ptr<const Response>>;

  // keep = 0: nothing is shared.
  template <typename... Now>
  explicit SharedReplies(std::chrono::milliseconds keep, Now... now)
      : is_on_(keep.count() > 0), replies_(keep, now...) {}

  // The reply that `make` gives, or one that was given to the same question less than `keep` ago.
  template <typename Make>
  Response of(const Request& request, const Make& make) {
    if (!is_on_ || request.method != "GET") return make();
    const std::string question = question_of(request);
    if (const auto shared = replies_.find(question)) return **shared;
    Response response = make();
    if (is_shareable(response) && question.size() + response.body.size() <= kSharedBytesMax)
      replies_.put(question, std::make_shared<const Response>(response));
    return response;
  }

 private:
  static std::string question_of(const Request& request);
  static bool is_shareable(const Response& response);

  const bool is_on_;
  Replies replies_;
};

}  // namespace ddt::api
