// sidecar/top/asker.hpp — asks Redis what the sidecar says about its Lanes. Reads only.
//
// Costs     A round trip per look: GET ddt:{id}:status, HGETALL ddt:{id}:lanes.
// Errors    None: a Redis that is away or does not answer in time makes things unknown, with the reason;
//           it is tried again after kRetryNs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/redis/client.hpp"
#include "sidecar/top/sample.hpp"

namespace ddt::top {

class Asker {
 public:
  Asker(redis::ConnectOptions options, std::string sidecar_id)
      : options_(std::move(options)), id_(std::move(sidecar_id)) {}

  SidecarSample ask(std::int64_t monotonic_now_ns);

 private:
  static constexpr std::int64_t kRetryNs = 2'000'000'000;

  SidecarSample answer();
  std::string who_speaks();

  redis::ConnectOptions options_;
  std::string id_;
  std::optional<redis::Client> client_;
  std::string problem_;
  std::int64_t next_try_ns_ = 0;
};

// durability and lags out of the status; what is not there stays unknown.
void read_status(std::string_view json, SidecarSample& sample);

}  // namespace ddt::top
