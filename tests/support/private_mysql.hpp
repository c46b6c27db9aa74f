// tests/support/private_mysql.hpp — a MariaDB of the test's own: free port, temporary directory.
//
// Threads   One thread. Lifetime: the constructor returns when the server answers; the destructor
// kills
//           it and removes everything. Works as root and as an ordinary user; no shell, no system
//           service.
// Errors    The constructor and start() throw std::runtime_error: a test cannot go on without its
// server.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sql/client.hpp"

namespace ddt::test {

class PrivateMysql {
 public:
  explicit PrivateMysql(std::vector<std::string> extra_arguments = {});
  PrivateMysql(const PrivateMysql&) = delete;
  PrivateMysql& operator=(const PrivateMysql&) = delete;
  ~PrivateMysql();

  void start();   // again, with the same data and port; nothing when it runs
  void stop();    // SIGTERM, as a clean shutdown, and waits for the end
  void kill();    // SIGKILL, as a power cut, and waits for the end
  void pause();   // SIGSTOP: answers nothing, keeps its connections
  void resume();  // SIGCONT
  bool is_running() const noexcept { return pid_ > 0; }

  // root without a password on the port; the database exists.
  sql::ConnectOptions options(const std::string& database = "deltadyno") const;
  std::uint16_t port() const noexcept { return port_; }
  std::string socket_path() const { return (directory_ / "m.sock").string(); }
  const std::filesystem::path& directory() const noexcept { return directory_; }

 private:
  void install();
  void wait_until_ready();
  void wait_for_end();
  std::string error_log() const;

  std::filesystem::path directory_;
  std::vector<std::string> extra_arguments_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace ddt::test
