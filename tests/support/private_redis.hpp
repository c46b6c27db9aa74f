// tests/support/private_redis.hpp — a Redis server of the test's own: free port, temporary
// directory, gone with the object. Never a system one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sidecar/redis/client.hpp"

namespace ddt::test {

class PrivateRedis {
 public:
  // arguments: more of the server's own, as {"--maxmemory", "20mb"}. Throws std::runtime_error.
  explicit PrivateRedis(std::vector<std::string> arguments = {});
  ~PrivateRedis();
  PrivateRedis(const PrivateRedis&) = delete;
  PrivateRedis& operator=(const PrivateRedis&) = delete;

  redis::ConnectOptions options() const;  // over TCP
  redis::ConnectOptions socket_options() const;
  std::uint16_t port() const noexcept { return port_; }
  const std::filesystem::path& directory() const noexcept { return directory_; }

  void start();                  // again on the same port and data, after stop() or kill()
  void stop();                   // SIGTERM: writes its data
  void kill();                   // SIGKILL
  void pause();                  // SIGSTOP: connections stay open and nothing answers
  void resume();                 // SIGCONT
  redis::Client client() const;  // connected, or throws

 private:
  void end(int signal);

  std::vector<std::string> arguments_;
  std::filesystem::path directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace ddt::test
