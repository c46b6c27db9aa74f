// WebSocket against a private Redis: handshake, snapshot, updates, resume, rude clients, Redis away.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "api/ws/server.hpp"
#include "sidecar/model/json.hpp"
#include "tests/support/private_redis.hpp"
#include "tests/support/raw_http.hpp"

namespace ddt::api {
namespace {

using model::JsonValue;
using Clock = std::chrono::steady_clock;

// A WebSocket client in a few lines: text frames of any length, pings answered by nobody.
class RawWs {
 public:
  RawWs(std::uint16_t port, const std::string& target, const std::string& headers = "",
        int buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    const timeval timeout{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("raw ws: cannot connect");
    }
    const std::string wire = "GET " + target +
                             " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                             "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             "Sec-WebSocket-Version: 13\r\n" +
                             headers + "\r\n";
    ::send(fd_, wire.data(), wire.size(), MSG_NOSIGNAL);
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) break;
    }
    status = buffer_.size() > 12 ? std::stoi(buffer_.substr(9, 3)) : 0;
    buffer_.erase(0, end == std::string::npos ? 0 : end + 4);
  }
  ~RawWs() { ::close(fd_); }
  RawWs(const RawWs&) = delete;
  RawWs& operator=(const RawWs&) = delete;

  // The next text frame; nullopt when the server closed or nothing came in 5 s.
  std::optional<JsonValue> next() {
    for (;;) {
      if (auto text = frame()) {
        if (!text->empty()) return JsonValue::parse(*text);
      } else if (!more()) {
        return std::nullopt;
      }
    }
  }
  bool is_closed() {
    while (more()) buffer_.clear();
    return ended_;
  }

  int status = 0;

 private:
  bool more() {
    char bytes[65'536];
    const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    ended_ = n == 0 || (n < 0 && errno == ECONNRESET);
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }
  // A whole frame's text, "" for a control frame.
  std::optional<std::string> frame() {
    if (buffer_.size() < 2) return std::nullopt;
    const auto byte = [this](std::size_t i) { return static_cast<unsigned char>(buffer_[i]); };
    const unsigned opcode = byte(0) & 15U;
    std::uint64_t length = byte(1);
    std::size_t head = 2;
    if (length >= 126) {
      const std::size_t digits = length == 126 ? 2 : 8;
      if (buffer_.size() < 2 + digits) return std::nullopt;
      length = 0;
      for (std::size_t i = 0; i < digits; ++i) length = length << 8 | byte(2 + i);
      head += digits;
    }
    if (buffer_.size() < head + length) return std::nullopt;
    std::string text = opcode == 1 ? buffer_.substr(head, length) : "";
    buffer_.erase(0, head + length);
    return text;
  }

  int fd_;
  std::string buffer_;
  bool ended_ = false;
};

struct ApiWs : testing::Test {
  ApiWs() {
    WsOptions options;
    options.port = 0;
    options.origins = {"https://*.vercel.app"};
    options.redis = redis.options();
    server = std::make_unique<WsServer>(options);
    const auto started = server->start();
    EXPECT_TRUE(started) << started.error().message;
    auto client = redis.client();
    EXPECT_TRUE(client.run({"SADD", "ddt:sidecars", "local"}));
    EXPECT_TRUE(
        client.run({"SET", "telemetry:equity:7:latest",
                    R"({"event_time_ns":"1774020540000000000","account_equity":"1234.5"})"}));
  }
  // As the append script does: the seq is counted, then the message published.
  std::int64_t publish(redis::Client& client, const std::string& kind,
                       const std::string& rest = "") {
    const auto seq = client.run({"HINCRBY", "ddt:{local}:seq", "7", "1"});
    const std::string text = R"({"type":"update","seq":)" + std::to_string(seq->integer) +
                             R"(,"ts":"2026-03-20T15:30:00.000000Z","data":{"kind":")" + kind +
                             "\"" + rest + "}}";
    EXPECT_TRUE(client.run({"PUBLISH", "telemetry:live:7", text}));
    return seq->integer;
  }
  std::uint16_t port() const { return server->port(); }

  test::PrivateRedis redis;
  std::unique_ptr<WsServer> server;
};

std::string type_of(const std::optional<JsonValue>& json) {
  return json ? json->string_or("type") : "closed";
}

// Seqs of an update, also inside a batch.
void collect(const JsonValue& json, std::vector<std::int64_t>& seqs) {
  const auto* batch = json.find("data")->find("updates");
  if (batch == nullptr) {
    seqs.push_back(json.int_or("seq", -1));
    return;
  }
  for (const auto& one : batch->items()) seqs.push_back(one.int_or("seq", -1));
}

TEST_F(ApiWs, GivesASnapshotThenEveryFact) {
  auto publisher = redis.client();
  publish(publisher, "trade");
  RawWs client(port(), "/ws/metrics/7");
  ASSERT_EQ(client.status, 101);
  const auto snapshot = client.next();
  ASSERT_EQ(type_of(snapshot), "snapshot");
  EXPECT_EQ(snapshot->int_or("seq", 0), 1);
  EXPECT_EQ(snapshot->find("data")->find("equity")->string_or("account_equity"), "1234.5");
  for (int i = 0; i < 100; ++i) publish(publisher, "trade");
  std::vector<std::int64_t> seqs;
  while (seqs.size() < 100U) {
    const auto update = client.next();
    ASSERT_EQ(type_of(update), "update");
    collect(*update, seqs);
  }
  for (std::size_t i = 0; i < seqs.size(); ++i)
    EXPECT_EQ(seqs[i], static_cast<std::int64_t>(i + 2));
}

TEST_F(ApiWs, IsQuickWhenItIsQuiet) {
  auto publisher = redis.client();
  RawWs client(port(), "/ws/metrics/7");
  ASSERT_EQ(type_of(client.next()), "snapshot");
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    const auto begin = Clock::now();
    publish(publisher, "equity");
    ASSERT_EQ(type_of(client.next()), "update");
    EXPECT_LT(Clock::now() - begin, std::chrono::milliseconds(60));
  }
}

TEST_F(ApiWs, SendsNoMoreThanTwentyMessagesASecond) {
  auto publisher = redis.client();
  RawWs client(port(), "/ws/metrics/7");
  ASSERT_EQ(type_of(client.next()), "snapshot");
  std::int64_t last = 0;
  const auto begin = Clock::now();
  while (Clock::now() - begin < std::chrono::seconds(1)) last = publish(publisher, "equity");
  int messages = 0;
  std::vector<std::int64_t> seqs;
  while (seqs.empty() || seqs.back() < last) {
    const auto update = client.next();
    ASSERT_EQ(type_of(update), "update");
    collect(*update, seqs);
    ++messages;
  }
  EXPECT_LE(messages, 22);
  EXPECT_LE(seqs.size(), 22U) << "only the newest of each tick";
}

TEST_F(ApiWs, ResumesOrSaysGap) {
  auto publisher = redis.client();
  publish(publisher, "trade");
  {
    RawWs first(port(), "/ws/metrics/7");
    ASSERT_EQ(type_of(first.next()), "snapshot");
    publish(publisher, "trade");
    ASSERT_EQ(type_of(first.next()), "update");
  }
  publish(publisher, "trade");
  publish(publisher, "trade");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  RawWs again(port(), "/ws/metrics/7?since=2");
  const auto missed = again.next();
  ASSERT_EQ(type_of(missed), "update");
  std::vector<std::int64_t> seqs;
  collect(*missed, seqs);
  EXPECT_EQ(seqs, (std::vector<std::int64_t>{3, 4}));
  RawWs stranger(port(), "/ws/metrics/7?since=999");
  EXPECT_EQ(type_of(stranger.next()), "gap");
  EXPECT_EQ(type_of(stranger.next()), "snapshot");
}

TEST_F(ApiWs, RefusesWrongPathsOriginsAndPlainHttp) {
  EXPECT_EQ(RawWs(port(), "/ws/metrics/0").status, 400);
  EXPECT_EQ(RawWs(port(), "/ws/metrics/x").status, 400);
  EXPECT_EQ(RawWs(port(), "/nowhere").status, 404);
  EXPECT_EQ(RawWs(port(), "/ws/metrics/7", "Origin: https://evil.example\r\n").status, 403);
  EXPECT_EQ(RawWs(port(), "/ws/metrics/7", "Origin: https://a.vercel.app\r\n").status, 101);
  EXPECT_EQ(RawWs(port(), "/ws/metrics/7", "Origin: http://127.0.0.1:8000\r\n").status, 101);
  EXPECT_EQ(test::RawHttp(port()).get("/ws/metrics/7").status, 426);
}

TEST_F(ApiWs, DropsAClientThatDoesNotReadAndDelaysNobody) {
  auto publisher = redis.client();
  RawWs sleeper(port(), "/ws/metrics/7", "", 4'096);
  RawWs reader(port(), "/ws/metrics/7");
  ASSERT_EQ(type_of(reader.next()), "snapshot");
  const std::string large = R"(,"text":")" + std::string(60'000, 'x') + "\"";
  std::thread publishing([&] {
    for (int i = 0; i < 60; ++i) {  // 3.6 MB
      publish(publisher, "error", large);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  std::vector<std::int64_t> seqs;
  while (seqs.size() < 60U) {
    const auto update = reader.next();
    EXPECT_EQ(type_of(update), "update");
    if (!update) break;
    collect(*update, seqs);
  }
  publishing.join();
  EXPECT_EQ(seqs.size(), 60U);
  EXPECT_TRUE(sleeper.is_closed());
}

TEST_F(ApiWs, SaysThatRedisIsAwayAndStartsAnewWhenItIsBack) {
  RawWs early(port(), "/ws/metrics/7");
  ASSERT_EQ(type_of(early.next()), "snapshot");
  redis.stop();
  RawWs late(port(), "/ws/metrics/7");
  const auto empty = late.next();
  ASSERT_EQ(type_of(empty), "snapshot");
  EXPECT_TRUE(empty->find("data")->is_null());
  EXPECT_EQ(empty->find("reasons")->string_or("data"), "redis_down");
  redis.start();
  auto json = late.next();
  while (type_of(json) == "gap") json = late.next();
  ASSERT_EQ(type_of(json), "snapshot");
  EXPECT_TRUE(json->find("data")->is_object());
  auto publisher = redis.client();
  publish(publisher, "trade");
  EXPECT_EQ(type_of(late.next()), "update");
}

TEST_F(ApiWs, StopsWithClientsConnected) {
  RawWs client(port(), "/ws/metrics/7");
  ASSERT_EQ(type_of(client.next()), "snapshot");
  const auto begin = Clock::now();
  server->stop();
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(3));
  server.reset();
  EXPECT_TRUE(client.is_closed());
}

}  // namespace
}  // namespace ddt::api
