// sidecar/top/options.hpp — the command line of ddt-top.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sidecar/redis/client.hpp"

namespace ddt::top {

enum class Mode : std::uint8_t { live, once, dump };

struct Options {
  Mode mode = Mode::live;
  bool is_json = false;
  bool wants_help = false;
  std::string segment;  // of a dump: a file name in the directory, or a path
  double interval_s = 1;

  // from the settings
  std::string directory, sidecar_id;
  redis::ConnectOptions redis;
  bool asks_sidecar = true;
};

// Every problem is appended; the Options are only good when there was none. `environment` is environ:
// DDT_DIR, DDT_CONFIG, DDT_REDIS_… as for ddt-sidecar.
Options parse_options(const std::vector<std::string>& arguments, char* const* environment,
                      std::vector<std::string>& problems);
const char* help_text() noexcept;

}  // namespace ddt::top
