// bench/system/status.hpp — what the sidecar says about itself in Redis, every second.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sidecar/redis/client.hpp"

namespace ddt::bench {

struct SidecarStatus {
  std::uint64_t segments = 0, stale_windows = 0, retries = 0;
  std::uint64_t produced = 0, stored = 0, dropped = 0, rejected = 0, lost = 0, in_flight = 0;
  std::int64_t residual = 0;
  double rollup_lag_s = 0;
  std::string durability;
};

// nullopt while there is none.
std::optional<SidecarStatus> read_status(redis::Client& redis);

}  // namespace ddt::bench
