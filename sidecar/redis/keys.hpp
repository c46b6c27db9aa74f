// sidecar/redis/keys.hpp — every key and channel name, in one place (docs/formats/live.md).
//
// A sidecar's own keys share one hash slot ("ddt:{id}:…"): the fenced append touches them together.
// Live keys are for readers: their prefix is configurable and they expire.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/model/block.hpp"

namespace ddt::redis {

inline constexpr int kLiveTtlS = 3600;
inline constexpr int kRegistryTtlS = 7 * 86'400;  // of what scripts and profiles exist
inline constexpr int kStatusTtlS = 15;            // a sidecar writes its status every second
inline constexpr int kSignalsKeptMax = 1000;      // newest first
inline constexpr int kErrorsKeptMax = 100;        // newest first
inline constexpr int kLatencyMinutesKept = 60;
inline constexpr std::string_view kSidecarsKey = "ddt:sidecars";  // set of ids
inline constexpr std::string_view kDefaultLivePrefix = "telemetry";

// [A-Za-z0-9._-]{1,64}: nothing that could end the hash tag or need quoting.
bool is_sidecar_id(std::string_view id) noexcept;

// Printable without spaces, quotes or glob characters, 1 to 64 bytes.
bool is_live_prefix(std::string_view prefix) noexcept;

// What one sidecar owns.
struct SidecarKeys {
  explicit SidecarKeys(std::string_view sidecar_id);
  std::string id;
  std::string journal;    // stream; field "b" of an entry is its bytes
  std::string positions;  // hash: lane_field → position acknowledged
  std::string fence;      // string: token of the connection that may append
  std::string seq;        // hash: profile → last seq of its updates
  std::string status;     // string: JSON, TTL kStatusTtlS
  std::string latency;    // string: id of the last entry whose latencies are in their minutes
  std::string lanes;      // hash: what it says about each Lane, TTL kStatusTtlS (lane_words.hpp)
};

// Names of live values.
class LiveKeys {
 public:
  explicit LiveKeys(std::string_view prefix = kDefaultLivePrefix) : prefix_(prefix) {}
  std::string equity(std::int32_t profile_id) const;
  std::string health(std::int32_t profile_id, std::string_view script_name) const;
  std::string rate_limit(std::int32_t profile_id, std::string_view script_name) const;
  std::string order(std::int32_t profile_id, std::string_view order_id) const;
  std::string signals(std::int32_t profile_id) const;
  std::string errors(std::int32_t profile_id, std::string_view script_name) const;
  std::string latency_stats(std::int32_t profile_id, std::string_view script_name) const;
  std::string positions(std::int32_t profile_id) const;
  std::string scripts(std::int32_t profile_id) const;
  std::string profiles() const;
  std::string channel(std::int32_t profile_id) const;
  std::string channel_pattern() const;  // of all profiles

 private:
  std::string prefix_;
};

// "<32 hex digits>:<lane>", and back; nullopt where it is no such text.
std::string lane_field(const model::LaneName& lane);
std::optional<model::LaneName> lane_of_field(std::string_view field) noexcept;

}  // namespace ddt::redis
