// bench/replay/options.hpp — the command line of ddt-replay.
#pragma once

#include <cstdint>
#include <ddt/telemetry.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/replay/record.hpp"

namespace ddt::replay {

enum class Role : std::uint8_t { supervisor, bot };

struct Options {
  Role role = Role::supervisor;
  std::vector<std::string> bars;  // files; none: made bars
  std::int32_t profiles = 4;
  double speed = 60;  // of the live day
  bool is_speed_max = false;
  bool keeps_times = false;
  bool once = false;
  bool skips_history = false;
  bool wants_help = false;
  std::string oracle;     // "" = none
  std::string directory;  // "" = the Telemetry's default
  std::uint64_t seed = 1;
  std::optional<int> days;  // of made bars
  std::uint32_t lane_lines = kLaneLinesDefault;

  // of a bot
  std::int32_t profile = 0;
  Script script = Script::breakout_detector;
  std::optional<std::int64_t> today;  // days since 1970: all bots of a run agree on it
  int report_fd = -1, start_fd = -1;
};

inline constexpr int kMadeDaysDefault = 30;
inline constexpr double kLiveSpeedMax = 3'600;  // what `max` means for the live day

// Every problem is appended; the Options are only good when there was none.
Options parse_options(const std::vector<std::string>& arguments,
                      std::vector<std::string>& problems);
// The arguments that make this bot of a run with these options.
std::vector<std::string> bot_arguments(const Options& options, std::int32_t profile, Script script);
const char* help_text() noexcept;

}  // namespace ddt::replay
