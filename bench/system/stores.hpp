// bench/system/stores.hpp — a private Redis and a private MariaDB, as ./scripts/run starts them: on unix sockets in
// a directory of the benchmark's own, durable as by default.
//
// Threads   The benchmark's main thread.   Errors   std::runtime_error.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/system/workplace.hpp"
#include "sidecar/redis/client.hpp"
#include "sql/client.hpp"

namespace ddt::bench {

class Stores {
 public:
  // Returns when both answer and the database is there, empty.
  explicit Stores(const Workplace& workplace);

  Process& redis() noexcept { return *redis_; }
  Process& mariadb() noexcept { return *mariadb_; }
  redis::ConnectOptions redis_options() const;
  sql::ConnectOptions mysql_options() const;
  redis::Client redis_client() const;  // connected
  sql::Connection mysql() const;       // connected
  // redis.* and mysql.* of both processes; sidecar.id: kSidecarId.
  std::vector<std::string> settings() const;

  static constexpr const char* kSidecarId = "bench";

 private:
  std::string directory_;
  std::optional<Process> redis_, mariadb_;
};

}  // namespace ddt::bench
