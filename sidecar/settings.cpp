#include "sidecar/settings.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>

#include "sidecar/model/bytes.hpp"
#include "sidecar/redis/options.hpp"

namespace ddt::sidecar {
namespace {

using model::SettingKey;
using model::SettingType;

constexpr std::array kKeys{
    SettingKey{.name = "sidecar.flush_interval_ms",
               .type = SettingType::integer,
               .default_text = "10",
               .help = "how often Lanes go to Redis",
               .min = 1,
               .max = 1'000},
    SettingKey{.name = "sidecar.rollup_interval_ms",
               .type = SettingType::integer,
               .default_text = "1000",
               .help = "how often the journal goes to MySQL",
               .min = 10,
               .max = 60'000},
    SettingKey{.name = "sidecar.figures_interval_ms",
               .type = SettingType::integer,
               .default_text = "2000",
               .help = "how often stale Windows are recomputed",
               .min = 100,
               .max = 600'000},
    SettingKey{
        .name = "sidecar.journal_keep_s",
        .type = SettingType::integer,
        .default_text = "600",
        .help = "how long committed journal entries are kept, to heal a database that forgot",
        .min = 0,
        .max = 86'400},
    SettingKey{.name = "sidecar.journal_max_mb",
               .type = SettingType::integer,
               .default_text = "1024",
               .help = "size of the journal in Redis at which Lanes hold the rest (MySQL is away)",
               .min = 16,
               .max = 1'048'576},
    SettingKey{
        .name = "sidecar.log_level", .default_text = "info", .help = "debug, info, warning, error"},
};

}  // namespace

std::vector<SettingKey> setting_keys() {
  const auto shared = model::shared_setting_keys();
  std::vector<SettingKey> keys(shared.begin(), shared.end());
  keys.insert(keys.end(), kKeys.begin(), kKeys.end());
  return keys;
}

std::string default_sidecar_id(const std::string& directory) {
  std::string machine;
  std::getline(std::ifstream("/etc/machine-id"), machine);
  if (machine.size() < 12) machine = "000000000000";
  std::array<char, 16> hash{};
  std::snprintf(hash.data(), hash.size(), "%08x", model::crc32c(directory));
  return machine.substr(0, 12) + "-" + hash.data();
}

SidecarConfig config_from(const model::Settings& settings) {
  SidecarConfig config;
  config.drain.directory = settings.text("telemetry.dir");
  config.drain.flush_interval_ns = settings.integer("sidecar.flush_interval_ms") * 1'000'000;
  const std::string& id = settings.text("sidecar.id");
  const std::string sidecar_id = id.empty() ? default_sidecar_id(config.drain.directory) : id;
  config.append.redis = redis::connect_options(settings);
  config.append.sidecar_id = sidecar_id;
  config.append.live_prefix = settings.text("redis.live_prefix");
  config.append.journal_bytes_max =
      static_cast<std::uint64_t>(settings.integer("sidecar.journal_max_mb")) << 20U;
  // What is kept of the committed entries leaves most of the journal to those that are not.
  config.rollup.journal_keep_bytes =
      std::min(config.rollup.journal_keep_bytes, config.append.journal_bytes_max / 4);
  config.rollup.redis = config.append.redis;
  config.rollup.sidecar_id = sidecar_id;
  config.rollup.directory = config.drain.directory;
  config.rollup.journal_keep_ms = settings.integer("sidecar.journal_keep_s") * 1'000;
  sql::ConnectOptions& mysql = config.rollup.mysql;
  mysql.host = settings.text("mysql.host");
  mysql.port = static_cast<std::uint16_t>(settings.integer("mysql.port"));
  mysql.unix_socket = settings.text("mysql.unix_socket");
  mysql.user = settings.text("mysql.user");
  mysql.password = settings.text("mysql.password");
  mysql.database = settings.text("mysql.database");
  config.rollup_interval_ms = settings.integer("sidecar.rollup_interval_ms");
  config.figures_interval_ms = settings.integer("sidecar.figures_interval_ms");
  return config;
}

std::vector<std::string> problems_in(const model::Settings& settings, const SidecarConfig& config) {
  std::vector<std::string> problems = redis::problems_in_names(settings);
  for (std::string& problem : redis::problems_in(config.append.redis))
    problems.push_back(std::move(problem));
  for (std::string& problem : sql::problems_in(config.rollup.mysql))
    problems.push_back(std::move(problem));
  const std::string& level = settings.text("sidecar.log_level");
  if (level != "debug" && level != "info" && level != "warning" && level != "error") {
    problems.push_back("sidecar.log_level: '" + level + "' is none of debug, info, warning, error");
  }
  if (config.drain.directory.empty() || config.drain.directory.front() != '/') {
    problems.push_back("telemetry.dir: '" + config.drain.directory + "' is no absolute path");
  }
  return problems;
}

}  // namespace ddt::sidecar
