// The server over real sockets: framing, slow and rude clients, and Pistache's known faults.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "api/http/http1.hpp"
#include "api/http/url.hpp"
#include "api/server.hpp"
#include "tests/support/raw_http.hpp"

namespace ddt::api {
namespace {

using test::RawHttp;

// Answers with the path, repeated to a size asked for: whoever gets another's path got another's reply.
Response echo(const Request& request) {
  if (request.path == "/throw") throw std::runtime_error("SELECT secret FROM /etc/passwd");
  if (request.path == "/huge") return {.body = std::string(kReplyBytesMax + 1, 'x'), .headers = {}};
  Response response{.content_type = "text/plain", .body = request.path + "\n", .headers = {}};
  for (const auto& [name, value] : request.query) {
    if (name != "bytes") continue;
    const std::string line = response.body;
    while (response.body.size() < std::stoul(value)) response.body += line;
  }
  return response;
}

struct ApiServer : testing::Test {
  ApiServer() : server({.port = 0, .threads = 2}, echo) {
    const auto started = server.start();
    EXPECT_TRUE(started) << started.error().message;
  }
  Server server;
};

TEST_F(ApiServer, ChoosesAFreePortAndSaysIt) {
  EXPECT_GT(server.port(), 0);
  RawHttp client(server.port());
  EXPECT_EQ(client.get("/hello").body, "/hello\n");
}

TEST_F(ApiServer, KeepsAConnectionAndAnswersPipelinedRequestsInOrder) {
  RawHttp client(server.port());
  client.send(
      "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
      "HEAD /3 HTTP/1.1\r\nHost: x\r\n\r\nGET /4 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read().body, "/1\n");
  EXPECT_EQ(client.read().body, "/2\n");
  EXPECT_EQ(client.read(false).headers.at("content-length"), "3");
  EXPECT_EQ(client.read().body, "/4\n");
}

TEST_F(ApiServer, AnswersARequestThatComesByteByByte) {
  RawHttp client(server.port());
  for (const char c : std::string("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")) {
    client.send(std::string(1, c));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(client.read().body, "/slow\n");
}

TEST_F(ApiServer, ClosesWhenTheClientWantsIt) {
  RawHttp old(server.port());
  old.send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.read().body, "/a\n");
  EXPECT_TRUE(old.is_closed_by_peer());
  RawHttp polite(server.port());
  EXPECT_EQ(polite.get("/b", "Connection: close\r\n").headers.at("connection"), "close");
  EXPECT_TRUE(polite.is_closed_by_peer());
}

TEST_F(ApiServer, AnswersBadRequestsWithAProblemAndCloses) {
  for (const auto& [wire, status] : std::vector<std::pair<std::string, int>>{
           {"nonsense\r\n\r\n", 400},
           {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
           {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" +
                std::string(200'000, 'b'),
            413},
           {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n",
            411}}) {
    RawHttp client(server.port());
    client.send(wire);
    const auto reply = client.read();
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.headers.at("content-type"), "application/problem+json");
    EXPECT_TRUE(client.is_closed_by_peer());
  }
}

TEST_F(ApiServer, LetsNoExceptionTextOut) {
  RawHttp client(server.port());
  const auto reply = client.get("/throw");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(reply.body.find("secret"), std::string::npos);
  EXPECT_EQ(client.get("/huge").status, 500);
  EXPECT_EQ(client.get("/after").body, "/after\n") << "the connection lives on";
}

TEST_F(ApiServer, IsNotDelayedByClientsThatDoNotRead) {
  std::vector<std::unique_ptr<RawHttp>> sleepers;
  for (int i = 0; i < 8; ++i) {
    sleepers.push_back(std::make_unique<RawHttp>(server.port()));
    for (int k = 0; k < 20; ++k) {  // about 8 MiB that nobody reads
      sleepers.back()->send("GET /s?bytes=400000 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
  }
  const auto begin = std::chrono::steady_clock::now();
  RawHttp client(server.port());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.get("/quick").body, "/quick\n");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST_F(ApiServer, FinishesALargeReplyToASlowReader) {
  RawHttp client(server.port());
  client.send("GET /large?bytes=500000 HTTP/1.1\r\nHost: x\r\n\r\n");
  client.send("GET /large?bytes=500000 HTTP/1.1\r\nHost: x\r\n\r\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_GE(client.read().body.size(), 500'000U);
  EXPECT_GE(client.read().body.size(), 500'000U);
  EXPECT_EQ(client.get("/then").body, "/then\n");
}

// FACTS: replies were queued by fd number, and a client that came after an abort got another's.
TEST_F(ApiServer, NeverMixesRepliesUpWhileOthersAbort) {
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        RawHttp rude(server.port());
        for (int k = 0; k < 3; ++k) rude.send("GET /rude?bytes=20000 HTTP/1.1\r\nHost: x\r\n\r\n");
        rude.abort();
      }
    });
  }
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2'000; ++i) {
        const std::string path = "/" + std::to_string(t) + "-" + std::to_string(i);
        RawHttp client(server.port());
        (client.get(path).body == path + "\n" ? right : wrong) += 1;
      }
    });
  }
  threads[2].join();
  threads[3].join();
  stop = true;
  threads[0].join();
  threads[1].join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(right, 4'000);
}

TEST_F(ApiServer, StopsAtOnceWithConnectionsOpen) {
  RawHttp idle(server.port());
  EXPECT_EQ(idle.get("/a").status, 200);
  const auto begin = std::chrono::steady_clock::now();
  server.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_TRUE(idle.is_closed_by_peer());
}

TEST(ApiServerStart, SaysWhyItCannotListen) {
  Server first({.port = 0}, echo);
  ASSERT_TRUE(first.start());
  Server second({.port = first.port()}, echo);
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find(std::to_string(first.port())), std::string::npos);
}

TEST(ApiServerStart, RefusesMoreClientsThanItsLimit) {
  Server server({.port = 0, .connections_max = 2}, echo);
  ASSERT_TRUE(server.start());
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the start's own probe goes
  RawHttp one(server.port());
  RawHttp two(server.port());
  EXPECT_EQ(one.get("/1").status, 200);
  EXPECT_EQ(two.get("/2").status, 200);
  RawHttp three(server.port());
  EXPECT_TRUE(three.is_closed_by_peer());
  EXPECT_EQ(one.get("/1").status, 200);
}

}  // namespace
}  // namespace ddt::api
