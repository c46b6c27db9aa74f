// sidecar/redis/live_reader.hpp — live values as the API reads them.
//
// Threads   One per reader; make one per thread. Connections are made when needed: a reader outlives its
//           Redis, and after a failed attempt answers with that error at once for kRetryPause.
// Absent    No key, a key of another type, or text that is no JSON object is nullopt or left out: what
//           cannot be read live is answered from history.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/summary.hpp"
#include "sidecar/redis/client.hpp"
#include "sidecar/redis/keys.hpp"

namespace ddt::redis {

// Text and its parsed form: text is what a snapshot sends on, object what a route picks from.
struct LiveValue {
  std::string text;
  model::JsonValue object;
  std::int64_t event_time_ns = 0;
};

struct ScriptSeen {
  std::string script_name, state, segment;  // state: online, offline
  std::int64_t last_seen_ns = 0;            // event time of its last Record
};

class LiveReader {
 public:
  static constexpr std::chrono::milliseconds kRetryPause{500};

  LiveReader(ConnectOptions options, LiveKeys keys)
      : options_(std::move(options)), keys_(std::move(keys)) {}

  Result<std::optional<LiveValue>> equity(std::int32_t profile_id);
  Result<std::optional<LiveValue>> health(std::int32_t profile_id, std::string_view script_name);
  Result<std::optional<LiveValue>> rate_limit(std::int32_t profile_id,
                                              std::string_view script_name);
  Result<std::optional<LiveValue>> order(std::int32_t profile_id, std::string_view order_id);
  Result<std::vector<LiveValue>> signals(std::int32_t profile_id, std::size_t count_max);
  Result<std::vector<LiveValue>> errors(std::int32_t profile_id, std::string_view script_name,
                                        std::size_t count_max);
  Result<std::vector<LiveValue>> positions(std::int32_t profile_id);

  Result<std::vector<ScriptSeen>> scripts(std::int32_t profile_id);
  Result<std::vector<std::int32_t>> profiles();  // ascending

  // All endpoints of the script, minutes after now − 60 min. nullopt when there is none.
  Result<std::optional<model::LatencySummary>> latency_last_hour(std::int32_t profile_id,
                                                                 std::string_view script_name,
                                                                 std::int64_t now_ns);

  // Of the live updates so far: where a snapshot stands, for WebSocket. 0 before the first. Seqs are
  // per sidecar; the greatest of all is given.
  Result<std::int64_t> last_seq(std::int32_t profile_id);

  Result<std::vector<std::string>> sidecar_ids();
  // What it wrote within its last 15 s.
  Result<std::optional<LiveValue>> sidecar_status(std::string_view sidecar_id);

  Status ping();
  const LiveKeys& keys() const noexcept { return keys_; }

 private:
  Result<std::vector<Reply>> ask(std::span<const Command> commands);
  Result<Reply> ask(const Command& command);
  Result<std::optional<LiveValue>> value_at(const std::string& key);
  Result<std::vector<LiveValue>> list_at(const std::string& key, std::size_t count_max);

  ConnectOptions options_;
  LiveKeys keys_;
  std::optional<Client> client_;
  std::optional<Error> failure_;
  std::chrono::steady_clock::time_point failed_at_;
};

}  // namespace ddt::redis
