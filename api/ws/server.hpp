// api/ws/server.hpp — WebSocket on a port of its own: /ws/metrics/{profile_id}[?since=seq].
//
// A client gets one `snapshot`, then `update` messages (channel.hpp), a `heartbeat` every 15 s, and `gap`
// where updates were missed: a snapshot follows it. A client that does not read is dropped after
// kStall or with kQueuedBytesMax unsent; it never delays anyone.
//
// Browsers  A page of another origin may only connect when CORS allows it: WebSockets have no CORS of
//           their own.
// Threads   One for all clients, one for Redis (feed.hpp). start() and stop() from one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/redis/client.hpp"
#include "sidecar/redis/keys.hpp"

namespace ddt::api {

struct WsOptions {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 8001;  // 0: the kernel chooses; port() says
  std::size_t clients_max = 1'000;
  std::vector<std::string> origins = {};  // as for CORS
  redis::ConnectOptions redis = {};
  redis::LiveKeys live_keys = redis::LiveKeys();
};

class WsServer {
 public:
  explicit WsServer(WsOptions options);
  ~WsServer();
  WsServer(const WsServer&) = delete;
  WsServer& operator=(const WsServer&) = delete;

  Status start();
  std::uint16_t port() const;
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ddt::api
