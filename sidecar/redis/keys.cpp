#include "sidecar/redis/keys.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace ddt::redis {
namespace {

std::string joined(std::string_view prefix, std::string_view kind, std::int32_t profile_id) {
  std::string key(prefix);
  key.append(":").append(kind).append(":").append(std::to_string(profile_id));
  return key;
}

std::string joined(std::string_view prefix, std::string_view kind, std::int32_t profile_id,
                   std::string_view name) {
  return joined(prefix, kind, profile_id).append(":").append(name);
}

}  // namespace

bool is_sidecar_id(std::string_view id) noexcept {
  return !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool is_live_prefix(std::string_view prefix) noexcept {
  return !prefix.empty() && prefix.size() <= 64 && std::ranges::all_of(prefix, [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("\"'\\*?[]{}").find(c) == std::string_view::npos;
  });
}

SidecarKeys::SidecarKeys(std::string_view sidecar_id) : id(sidecar_id) {
  const std::string root = "ddt:{" + id + "}:";
  journal = root + "journal";
  positions = root + "positions";
  fence = root + "fence";
  seq = root + "seq";
  status = root + "status";
  latency = root + "latency";
  lanes = root + "lanes";
}

std::string LiveKeys::equity(std::int32_t profile_id) const {
  return joined(prefix_, "equity", profile_id, "latest");
}
std::string LiveKeys::health(std::int32_t profile_id, std::string_view script_name) const {
  return joined(prefix_, "health", profile_id, script_name).append(":latest");
}
std::string LiveKeys::rate_limit(std::int32_t profile_id, std::string_view script_name) const {
  return joined(prefix_, "rate_limit", profile_id, script_name);
}
std::string LiveKeys::order(std::int32_t profile_id, std::string_view order_id) const {
  return joined(prefix_, "orders", profile_id, order_id);
}
std::string LiveKeys::signals(std::int32_t profile_id) const {
  return joined(prefix_, "breakout", profile_id, "signals");
}
std::string LiveKeys::errors(std::int32_t profile_id, std::string_view script_name) const {
  return joined(prefix_, "errors", profile_id, script_name);
}
std::string LiveKeys::latency_stats(std::int32_t profile_id, std::string_view script_name) const {
  return joined(prefix_, "latency_stats", profile_id, script_name);
}
std::string LiveKeys::positions(std::int32_t profile_id) const {
  return joined(prefix_, "positions", profile_id);
}
std::string LiveKeys::scripts(std::int32_t profile_id) const {
  return joined(prefix_, "scripts", profile_id);
}
std::string LiveKeys::profiles() const { return prefix_ + ":profiles"; }
std::string LiveKeys::channel(std::int32_t profile_id) const {
  return joined(prefix_, "live", profile_id);
}
std::string LiveKeys::channel_pattern() const { return prefix_ + ":live:*"; }

std::string lane_field(const model::LaneName& lane) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string field;
  field.reserve(44);
  for (const std::uint8_t byte : lane.segment_id) {
    field.push_back(kDigits[byte >> 4]);
    field.push_back(kDigits[byte & 15]);
  }
  return field.append(":").append(std::to_string(lane.lane));
}

std::optional<model::LaneName> lane_of_field(std::string_view field) noexcept {
  model::LaneName lane;
  constexpr std::size_t kHexDigits = 2 * sizeof(lane.segment_id);
  if (field.size() < kHexDigits + 2 || field[kHexDigits] != ':') return std::nullopt;
  for (std::size_t i = 0; i < lane.segment_id.size(); ++i) {
    const char* digits = field.data() + 2 * i;
    const auto [end, error] = std::from_chars(digits, digits + 2, lane.segment_id[i], 16);
    if (error != std::errc() || end != digits + 2) return std::nullopt;
  }
  const char* last = field.data() + field.size();
  const auto [end, error] = std::from_chars(field.data() + kHexDigits + 1, last, lane.lane);
  if (error != std::errc() || end != last) return std::nullopt;
  return lane;
}

}  // namespace ddt::redis
