#include "sidecar/redis/options.hpp"

namespace ddt::redis {

ConnectOptions connect_options(const model::Settings& settings) {
  ConnectOptions options;
  options.host = settings.text("redis.host");
  options.port = static_cast<std::uint16_t>(settings.integer("redis.port"));
  options.unix_socket = settings.text("redis.unix_socket");
  options.username = settings.text("redis.username");
  options.password = settings.text("redis.password");
  options.database = static_cast<int>(settings.integer("redis.database"));
  return options;
}

LiveKeys live_keys(const model::Settings& settings) {
  return LiveKeys(settings.text("redis.live_prefix"));
}

std::vector<std::string> problems_in_names(const model::Settings& settings) {
  std::vector<std::string> problems;
  if (!is_live_prefix(settings.text("redis.live_prefix"))) {
    problems.emplace_back(
        "redis.live_prefix: must be 1 to 64 printable characters without blanks, quotes, *?[]{} or "
        "\\");
  }
  const std::string& id = settings.text("sidecar.id");
  if (!id.empty() && !is_sidecar_id(id)) {
    problems.emplace_back("sidecar.id: must be 1 to 64 of A-Z a-z 0-9 . _ -");
  }
  return problems;
}

}  // namespace ddt::redis
