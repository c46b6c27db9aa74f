// api/server.hpp — the one place that knows Pistache: its listener and reactor threads carry our HTTP.
//
// Cures     (1) replies are sent synchronously by http/connections, never through Pistache's queue by fd
//           number, and onDisconnection flushes that queue all the same; (2) Pistache's own timeouts are
//           set to hours, ours are in http/connections; (3) no reply above kReplyBytesMax, slow readers
//           have a writer thread; (4) framing and decoding are http/http1; (5) there is no method table
//           to grow: the router knows all methods from the start.
// Threads   start() and stop() from one thread. The handler is called on `threads` reactor threads at a
//           time and must not throw text at clients: what escapes it becomes a 500 problem.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "api/http/message.hpp"
#include "shm/base/result.hpp"

namespace ddt::api {

struct ServerOptions {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 8000;  // 0: the kernel chooses; port() says
  int threads = 2;
  std::size_t connections_max = 4096;
};

using RequestHandler = std::function<Response(const Request&)>;

class Server {
 public:
  Server(ServerOptions options, RequestHandler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds, listens, and returns once requests are being answered.
  Status start();
  std::uint16_t port() const;
  void stop();  // requests under way are answered, then every connection ends

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ddt::api
