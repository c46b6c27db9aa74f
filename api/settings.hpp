// api/settings.hpp — what the settings say about the API (ddt.toml, section [api]).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "api/routes/context.hpp"
#include "api/server.hpp"
#include "api/ws/server.hpp"
#include "sidecar/model/settings.hpp"

namespace ddt::api {

// Shared keys and those of [api].
std::vector<model::SettingKey> setting_keys();

struct ProcessOptions {
  ServerOptions server;
  WsOptions ws;
  ApiOptions api;
};
ProcessOptions options_from(const model::Settings& settings);

// All of them: an address beyond loopback without authentication, origins that are none, …
std::vector<std::string> problems_in(const model::Settings& settings,
                                     const ProcessOptions& options);

// For main: file (or $DDT_CONFIG), environment and flags. Throws StartupError with every problem, those of
// problems_in() included.
model::Settings load_or_throw(const std::string& file_path, std::vector<std::string> flags,
                              char* const* environment);

bool is_loopback(const std::string& address);

}  // namespace ddt::api
