// sidecar/model/settings.hpp — one TOML file, environment DDT_*, --set key=value: one table of values.
//
// Names     "section.name", as in the file. In the environment DDT_SECTION_NAME; a key may have one more
//           name there (telemetry.dir: DDT_DIR).
// Order     A flag beats the environment, which beats the file, which beats the default.
// Errors    Every problem of every source is found in one go. A key that nobody knows is one. Sections of
//           the other process in the same file are left to it.
// Secrets   From file or environment only: other users see flags. Never printed.
// Purity    parse_settings takes texts. read_settings_file and load_settings_or_throw are the edge.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/base/result.hpp"

namespace ddt::model {

enum class SettingType : std::uint8_t { text, integer, boolean, list };

struct SettingKey {
  std::string_view name;  // "redis.port"
  SettingType type = SettingType::text;
  std::string_view default_text =
      {};  // as in the environment; a list's elements separated by commas
  std::string_view help = {};
  std::int64_t min = std::numeric_limits<std::int64_t>::min();  // of an integer
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  bool is_secret = false;
  std::string_view more_environment = {};  // another name in the environment
};

// Keys both processes know: redis.*, mysql.*, telemetry.dir, sidecar.id.
std::span<const SettingKey> shared_setting_keys();

struct Setting {
  SettingType type = SettingType::text;
  std::string text = {};
  std::int64_t integer = 0;
  bool boolean = false;
  std::vector<std::string> list = {};
  bool is_secret = false;
  std::string source = {};  // "default", "environment", "flag", or the file's name and line
};

// Values of every known key. Asking for another key or as another type is our own bug: checked.
class Settings {
 public:
  const std::string& text(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  bool boolean(std::string_view name) const;
  const std::vector<std::string>& list(std::string_view name) const;
  bool is_default(std::string_view name) const;

  // What --check-config prints: valid TOML, with the source of every value; secrets as "***".
  std::string effective_text() const;

 private:
  friend class SettingsParser;
  const Setting& at(std::string_view name, SettingType type) const;
  std::map<std::string, Setting, std::less<>> settings_;
};

struct SettingsSources {
  std::string file_name = {}, file_text = {};                         // TOML; both empty: no file
  std::vector<std::pair<std::string, std::string>> environment = {};  // names beginning with DDT_
  std::vector<std::string> flags = {};                                // "key=value"
};

struct ParsedSettings {
  Settings settings;
  std::vector<std::string> problems;  // "<source>: <key>: <what>"
};

// keys: all this process knows. foreign_sections: of the other process, as {"api"}: not looked into.
ParsedSettings parse_settings(std::span<const SettingKey> keys,
                              std::span<const std::string_view> foreign_sections,
                              const SettingsSources& sources);

// ── the edge ─────────────────────────────────────────────────────────────────────────────────────

// A file of at most 1 MiB.
Result<std::string> read_settings_file(const std::string& path);

// Pairs of environ whose names begin with DDT_.
std::vector<std::pair<std::string, std::string>> ddt_environment(char* const* environment);

// For main: file_path "" is DDT_CONFIG, or no file. Throws StartupError with every problem.
Settings load_settings_or_throw(std::span<const SettingKey> keys,
                                std::span<const std::string_view> foreign_sections,
                                std::string file_path, std::vector<std::string> flags,
                                char* const* environment);

}  // namespace ddt::model
