#include "api/settings.hpp"

#include <arpa/inet.h>

#include <array>

#include "api/middleware/cors.hpp"
#include "sidecar/redis/options.hpp"

namespace ddt::api {
namespace {

using model::SettingKey;
using model::SettingType;

constexpr std::array kKeys{
    SettingKey{
        .name = "api.bind", .default_text = "127.0.0.1", .help = "IPv4 address to listen on"},
    SettingKey{.name = "api.port",
               .type = SettingType::integer,
               .default_text = "8000",
               .help = "REST port; 0 lets the kernel choose",
               .min = 0,
               .max = 65'535},
    SettingKey{.name = "api.ws_port",
               .type = SettingType::integer,
               .default_text = "8001",
               .help = "WebSocket port; 0 lets the kernel choose",
               .min = 0,
               .max = 65'535},
    SettingKey{.name = "api.threads",
               .type = SettingType::integer,
               .default_text = "2",
               .help = "threads that answer requests; each has its own connections",
               .min = 1,
               .max = 64},
    SettingKey{.name = "api.connections_max",
               .type = SettingType::integer,
               .default_text = "4096",
               .help = "clients at a time",
               .min = 1,
               .max = 100'000},
    SettingKey{.name = "api.share_live_ms",
               .type = SettingType::integer,
               .default_text = "20",
               .help = "a live reply is shared so long by all who ask the same; 0: never",
               .min = 0,
               .max = 1'000},
    SettingKey{.name = "api.ws_clients_max",
               .type = SettingType::integer,
               .default_text = "1000",
               .help = "WebSocket clients at a time",
               .min = 1,
               .max = 100'000},
    SettingKey{.name = "api.cors_origins",
               .type = SettingType::list,
               .default_text = "http://localhost:3000,http://localhost:3001,"
                               "https://deltadyno.github.io,https://*.vercel.app,"
                               "https://*.netlify.app",
               .help = "origins whose pages may read replies; '*.' stands for one label"},
    SettingKey{.name = "api.allow_unauthenticated",
               .type = SettingType::boolean,
               .default_text = "false",
               .help = "listen beyond loopback although anyone could read everything"},
};

bool is_ipv4(const std::string& address) {
  in_addr parsed{};
  return ::inet_pton(AF_INET, address.c_str(), &parsed) == 1;
}

}  // namespace

std::vector<SettingKey> setting_keys() {
  const auto shared = model::shared_setting_keys();
  std::vector<SettingKey> keys(shared.begin(), shared.end());
  keys.insert(keys.end(), kKeys.begin(), kKeys.end());
  return keys;
}

bool is_loopback(const std::string& address) { return address.rfind("127.", 0) == 0; }

ProcessOptions options_from(const model::Settings& settings) {
  ProcessOptions options;
  options.server.bind = settings.text("api.bind");
  options.server.port = static_cast<std::uint16_t>(settings.integer("api.port"));
  options.server.threads = static_cast<int>(settings.integer("api.threads"));
  options.server.connections_max =
      static_cast<std::size_t>(settings.integer("api.connections_max"));
  options.api.bind = options.server.bind;
  options.api.ws_port = static_cast<std::uint16_t>(settings.integer("api.ws_port"));
  options.api.cors_origins = settings.list("api.cors_origins");
  options.api.share_live = std::chrono::milliseconds(settings.integer("api.share_live_ms"));
  options.api.sidecar_id = settings.text("sidecar.id");
  StoreOptions& stores = options.api.stores;
  stores.redis = redis::connect_options(settings);
  stores.redis.connect_timeout = std::chrono::milliseconds(1000);
  stores.redis.io_timeout = std::chrono::milliseconds(2000);
  stores.live_keys = redis::live_keys(settings);
  stores.mysql.host = settings.text("mysql.host");
  stores.mysql.port = static_cast<std::uint16_t>(settings.integer("mysql.port"));
  stores.mysql.unix_socket = settings.text("mysql.unix_socket");
  stores.mysql.user = settings.text("mysql.user");
  stores.mysql.password = settings.text("mysql.password");
  stores.mysql.database = settings.text("mysql.database");
  stores.mysql.connect_timeout = std::chrono::milliseconds(1000);
  stores.mysql.io_timeout = std::chrono::milliseconds(10'000);
  options.ws.bind = options.server.bind;
  options.ws.port = options.api.ws_port;
  options.ws.clients_max = static_cast<std::size_t>(settings.integer("api.ws_clients_max"));
  options.ws.origins = options.api.cors_origins;
  options.ws.redis = stores.redis;
  options.ws.live_keys = stores.live_keys;
  return options;
}

std::vector<std::string> problems_in(const model::Settings& settings,
                                     const ProcessOptions& options) {
  std::vector<std::string> problems = redis::problems_in_names(settings);
  for (auto& problem : redis::problems_in(options.api.stores.redis)) {
    problems.push_back(std::move(problem));
  }
  for (auto& problem : sql::problems_in(options.api.stores.mysql)) {
    problems.push_back(std::move(problem));
  }
  if (!is_ipv4(options.server.bind)) {
    problems.push_back("api.bind: '" + options.server.bind + "' is no IPv4 address");
  } else if (!is_loopback(options.server.bind) && !settings.boolean("api.allow_unauthenticated")) {
    problems.push_back("api.bind: " + options.server.bind +
                       " is not loopback and there is no authentication; "
                       "set api.allow_unauthenticated=true if you mean it");
  }
  for (const std::string& origin : options.api.cors_origins) {
    if (const auto problem = problem_in_origin_pattern(origin); !problem.empty()) {
      problems.push_back("api.cors_origins: " + problem);
    }
  }
  if (options.server.port != 0 && options.server.port == options.api.ws_port) {
    problems.push_back("api.ws_port: must differ from api.port");
  }
  return problems;
}

model::Settings load_or_throw(const std::string& file_path, std::vector<std::string> flags,
                              char* const* environment) {
  constexpr std::string_view kForeign[] = {"sidecar", "telemetry"};
  model::SettingsSources sources{.file_name = file_path,
                                 .file_text = {},
                                 .environment = model::ddt_environment(environment),
                                 .flags = std::move(flags)};
  for (const auto& [name, value] : sources.environment) {
    if (name == "DDT_CONFIG" && sources.file_name.empty()) sources.file_name = value;
  }
  std::vector<std::string> problems;
  if (!sources.file_name.empty()) {
    auto text = model::read_settings_file(sources.file_name);
    if (!text) problems.push_back(text.error().message);
    if (text) sources.file_text = std::move(*text);
  }
  auto parsed = model::parse_settings(setting_keys(), kForeign, sources);
  for (auto& problem : parsed.problems) problems.push_back(std::move(problem));
  for (auto& problem : problems_in(parsed.settings, options_from(parsed.settings))) {
    problems.push_back(std::move(problem));
  }
  if (!problems.empty()) throw StartupError(std::move(problems));
  return std::move(parsed.settings);
}

}  // namespace ddt::api
