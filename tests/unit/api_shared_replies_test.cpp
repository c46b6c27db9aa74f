#include <gtest/gtest.h>

#include "api/middleware/shared_replies.hpp"

namespace ddt::api {
namespace {

using std::chrono::milliseconds;

struct SharedRepliesTest : testing::Test {
  SharedReplies::Replies::Clock::time_point now{};
  SharedReplies replies{milliseconds(20), [this] { return now; }};
  int made = 0;
  std::string padding;

  std::string ask(const std::string& path, const std::string& source = "live", int status = 200,
                  const std::string& method = "GET", const Pairs& headers = {}) {
    Request request;
    request.method = method;
    request.path = path.substr(0, path.find('?'));
    if (request.path.size() < path.size())
      request.query_string = path.substr(request.path.size() + 1);
    request.headers = headers;
    return replies
        .of(request,
            [&] {
              Response response{
                  .status = status, .body = std::to_string(++made) + padding, .headers = {}};
              response.set("X-Source", source);
              return response;
            })
        .body;
  }
};

TEST_F(SharedRepliesTest, SharesALiveReplyUntilItsTimeIsOver) {
  EXPECT_EQ(ask("/a"), "1");
  now += milliseconds(19);
  EXPECT_EQ(ask("/a"), "1");
  now += milliseconds(1);
  EXPECT_EQ(ask("/a"), "2");
}

TEST_F(SharedRepliesTest, AnotherQuestionIsAnotherReply) {
  EXPECT_EQ(ask("/a"), "1");
  EXPECT_EQ(ask("/b"), "2");
  EXPECT_EQ(ask("/a"), "1");
  EXPECT_EQ(ask("/a?days=7"), "3");
  EXPECT_EQ(ask("/a?days=8"), "4");
  EXPECT_EQ(ask("/a", "live", 200, "GET", {{"accept", "text/csv"}}), "5");
  EXPECT_EQ(ask("/a", "live", 200, "GET", {{"accept", "text/html"}}), "6");
  EXPECT_EQ(ask("/a?days=7"), "3");
  EXPECT_EQ(ask("/a", "live", 200, "GET", {{"accept", "text/csv"}}), "5");
}

TEST_F(SharedRepliesTest, NeverSharesWhatComesFromHistoryAloneOrFailed) {
  ask("/a", "history");
  EXPECT_EQ(ask("/a", "history"), "2");
  ask("/b", "live", 503);
  EXPECT_EQ(ask("/b", "live", 503), "4");
  ask("/c", "live", 200, "HEAD");
  EXPECT_EQ(ask("/c", "live", 200, "HEAD"), "6");
}

TEST_F(SharedRepliesTest, KeepsNoLargeReply) {
  padding.assign(SharedReplies::kSharedBytesMax - 8, ' ');
  EXPECT_EQ(ask("/a").substr(0, 1), "1");
  EXPECT_EQ(ask("/a").substr(0, 1), "1");
  padding.assign(SharedReplies::kSharedBytesMax, ' ');
  EXPECT_EQ(ask("/b").substr(0, 1), "2");
  EXPECT_EQ(ask("/b").substr(0, 1), "3");
  EXPECT_EQ(ask("/" + std::string(SharedReplies::kSharedBytesMax, 'x')).substr(0, 1), "4");
  EXPECT_EQ(ask("/" + std::string(SharedReplies::kSharedBytesMax, 'x')).substr(0, 1), "5");
}

TEST_F(SharedRepliesTest, ForgetsAllWhenThereAreTooMany) {
  for (std::size_t i = 0; i <= SharedReplies::Replies::kValuesMax; ++i)
    ask("/" + std::to_string(i));
  const int before = made;
  ask("/0");
  EXPECT_EQ(made, before + 1);
}

}  // namespace
}  // namespace ddt::api
