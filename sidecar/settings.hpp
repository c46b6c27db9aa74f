// sidecar/settings.hpp — what the sidecar can be told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sidecar/append/append.hpp"
#include "sidecar/drain/drain.hpp"
#include "sidecar/model/settings.hpp"
#include "sidecar/rollup/rollup.hpp"

namespace ddt::sidecar {

struct SidecarConfig {
  DrainConfig drain;
  AppendConfig append;
  RollupConfig rollup;
  std::size_t queue_bytes_max = 64U << 20;  // Blocks between drain and append
  std::int64_t rollup_interval_ms = 1'000;
  std::int64_t figures_interval_ms = 2'000;  // stale Windows are recomputed this often
  std::int64_t shutdown_ms = 20'000;         // then what is left stays in Lanes and journal
};

std::vector<model::SettingKey> setting_keys();
SidecarConfig config_from(const model::Settings& settings);
std::vector<std::string> problems_in(const model::Settings& settings, const SidecarConfig& config);

// "<12 hex digits of the machine>-<8 of the directory>": the same after every restart.
std::string default_sidecar_id(const std::string& directory);

}  // namespace ddt::sidecar
