#include "sidecar/model/settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

#include "shm/base/check.hpp"

// The library's own name is taken from its file; included here and nowhere else.
#include <toml++/toml.h>

namespace ddt::model {
namespace {

constexpr std::size_t kFileBytesMax = 1U << 20;
constexpr std::int64_t kPortMax = 65'535;

constexpr std::array kSharedKeys{
    SettingKey{.name = "redis.host", .default_text = "127.0.0.1", .help = "Redis server"},
    SettingKey{.name = "redis.port",
               .type = SettingType::integer,
               .default_text = "6379",
               .help = "Redis port",
               .min = 1,
               .max = kPortMax},
    SettingKey{.name = "redis.unix_socket",
               .help = "path of Redis's socket; used instead of host and port"},
    SettingKey{.name = "redis.username", .help = "Redis ACL user"},
    SettingKey{.name = "redis.password", .help = "Redis password", .is_secret = true},
    SettingKey{.name = "redis.database",
               .type = SettingType::integer,
               .default_text = "0",
               .help = "Redis database number",
               .min = 0,
               .max = 1'000'000},
    SettingKey{.name = "redis.live_prefix",
               .default_text = "telemetry",
               .help = "first part of the names of live keys and channels"},
    SettingKey{
        .name = "mysql.host", .default_text = "127.0.0.1", .help = "MySQL or MariaDB server"},
    SettingKey{.name = "mysql.port",
               .type = SettingType::integer,
               .default_text = "3306",
               .help = "MySQL port",
               .min = 1,
               .max = kPortMax},
    SettingKey{.name = "mysql.unix_socket",
               .help = "path of MySQL's socket; used instead of host and port"},
    SettingKey{.name = "mysql.user", .default_text = "ddt", .help = "MySQL user"},
    SettingKey{.name = "mysql.password", .help = "MySQL password", .is_secret = true},
    SettingKey{.name = "mysql.database", .default_text = "deltadyno", .help = "MySQL database"},
    SettingKey{.name = "telemetry.dir",
               .default_text = "/dev/shm/ddt",
               .help = "directory of the bots' Segments",
               .more_environment = "DDT_DIR"},
    SettingKey{
        .name = "sidecar.id",
        .help = "name of the sidecar and its journal; empty: from machine-id and telemetry.dir"},
};

std::string_view section_of(std::string_view name) { return name.substr(0, name.find('.')); }

// redis.port → DDT_REDIS_PORT
std::string environment_name(std::string_view name) {
  std::string upper = "DDT_";
  for (const char c : name) {
    upper.push_back(c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return upper;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (const std::string_view element = trimmed(text.substr(0, comma)); !element.empty()) {
      list.emplace_back(element);
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

std::string range_text(const SettingKey& key) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  if (key.min == kMin && key.max == kMax) return "must be a whole number";
  if (key.max == kMax) return "must be a whole number of at least " + std::to_string(key.min);
  if (key.min == kMin) return "must be a whole number of at most " + std::to_string(key.max);
  return "must be a whole number from " + std::to_string(key.min) + " to " +
         std::to_string(key.max);
}

std::string toml_quoted(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted.append({'\\', c});
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted.append("\\u00").append({kDigits[byte >> 4], kDigits[byte & 15]});
    } else {
      quoted.push_back(c);
    }
  }
  return quoted.append("\"");
}

}  // namespace

std::span<const SettingKey> shared_setting_keys() { return kSharedKeys; }

// One reading of all sources: later ones overwrite, problems add up.
class SettingsParser {
 public:
  SettingsParser(std::span<const SettingKey> keys,
                 std::span<const std::string_view> foreign_sections)
      : keys_(keys), foreign_sections_(foreign_sections) {
    for (const SettingKey& key : keys) {
      parsed_.settings.settings_[std::string(key.name)] = {.type = key.type,
                                                           .is_secret = key.is_secret};
      set_text(key, key.default_text, "default");
    }
    DDT_CHECK(parsed_.problems.empty());  // A default that breaks its own rule is our bug.
  }

  void read_file(const std::string& name, const std::string& text) {
    try {
      read_table(toml::parse(text, name), "", name);
    } catch (const toml::parse_error& error) {
      std::ostringstream problem;
      problem << name << ":" << error.source().begin.line << ": " << error.description();
      parsed_.problems.push_back(problem.str());
    }
  }

  void read_environment(const std::vector<std::pair<std::string, std::string>>& environment) {
    for (const bool is_canonical : {false, true}) {  // DDT_TELEMETRY_DIR beats DDT_DIR
      for (const auto& [name, value] : environment) {
        for (const SettingKey& key : keys_) {
          const bool is_it = is_canonical
                                 ? name == environment_name(key.name)
                                 : !key.more_environment.empty() && name == key.more_environment;
          if (is_it) set_text(key, value, "environment", name);
        }
      }
    }
    for (const auto& [name, value] : environment) {
      if (is_misspelled(name)) problem(name, "unknown setting");
    }
  }

  void read_flags(const std::vector<std::string>& flags) {
    for (const std::string& flag : flags) {
      const std::size_t equals = flag.find('=');
      const std::string name(trimmed(std::string_view(flag).substr(0, equals)));
      if (equals == std::string::npos) {
        problem("flag", name + ": must be key=value");
        continue;
      }
      const SettingKey* key = find(name);
      if (key == nullptr) {
        if (!is_foreign(name)) problem("flag", name + ": unknown key");
      } else if (key->is_secret) {
        problem("flag",
                name + ": a secret is taken from the file or " + environment_name(name) + " only");
      } else {
        set_text(*key, std::string_view(flag).substr(equals + 1), "flag");
      }
    }
  }

  ParsedSettings take() && { return std::move(parsed_); }

 private:
  const SettingKey* find(std::string_view name) const {
    const auto found = std::ranges::find(keys_, name, &SettingKey::name);
    return found == keys_.end() ? nullptr : &*found;
  }

  bool is_foreign(std::string_view name) const {
    return std::ranges::find(foreign_sections_, section_of(name)) != foreign_sections_.end();
  }

  // DDT_REDIS_PROT is a mistake; DDT_SOMETHING may be another program's.
  bool is_misspelled(std::string_view name) const {
    bool is_ours = false;
    for (const SettingKey& key : keys_) {
      if (name == environment_name(key.name) || name == key.more_environment) return false;
      if (name.starts_with(environment_name(section_of(key.name)) + "_")) is_ours = true;
    }
    for (const std::string_view section : foreign_sections_) {
      if (name.starts_with(environment_name(section) + "_")) return false;
    }
    return is_ours;
  }

  void problem(const std::string& where, const std::string& what) {
    parsed_.problems.push_back(where + ": " + what);
  }

  Setting& setting(const SettingKey& key) {
    return parsed_.settings.settings_.find(key.name)->second;
  }

  void set_integer(const SettingKey& key, std::optional<std::int64_t> value,
                   const std::string& source, const std::string& where) {
    if (!value || *value < key.min || *value > key.max) {
      return problem(where, std::string(key.name) + ": " + range_text(key));
    }
    setting(key).integer = *value;
    setting(key).source = source;
  }

  // A value as text, as flags and environment have it. where: in problems, the source itself if empty.
  void set_text(const SettingKey& key, std::string_view text, const std::string& source,
                std::string where = {}) {
    if (where.empty()) where = source;
    Setting& value = setting(key);
    switch (key.type) {
      case SettingType::text:
        if (text.find('\0') != std::string_view::npos) {
          return problem(where, std::string(key.name) + ": must not contain a zero byte");
        }
        value.text = text;
        break;
      case SettingType::integer: {
        std::int64_t number = 0;
        const char* last = text.data() + text.size();
        const auto [end, error] = std::from_chars(text.data(), last, number);
        const bool is_number = error == std::errc() && end == last && !text.empty();
        return set_integer(key, is_number ? std::optional(number) : std::nullopt, source, where);
      }
      case SettingType::boolean:
        if (text != "true" && text != "false") {
          return problem(where, std::string(key.name) + ": must be true or false");
        }
        value.boolean = text == "true";
        break;
      case SettingType::list:
        value.list = split_list(text);
        break;
    }
    value.source = source;
  }

  void read_table(const toml::table& table, const std::string& prefix, const std::string& file) {
    for (const auto& [toml_key, node] : table) {
      const std::string name = prefix + std::string(toml_key.str());
      const std::string where = file + ":" + std::to_string(node.source().begin.line);
      if (const SettingKey* key = find(name)) {
        read_value(*key, node, where);
      } else if (const toml::table* inner = node.as_table()) {
        read_table(*inner, name + ".", file);  // The other process's sections hold shared keys too.
      } else if (!is_foreign(name)) {
        problem(where, name + ": unknown key");
      }
    }
  }

  void read_value(const SettingKey& key, const toml::node& node, const std::string& where) {
    const std::string name(key.name);
    switch (key.type) {
      case SettingType::text:
        if (const auto text = node.value_exact<std::string>()) return set_text(key, *text, where);
        return problem(where, name + ": must be a text in quotes");
      case SettingType::integer:
        return set_integer(key, node.value_exact<std::int64_t>(), where, where);
      case SettingType::boolean:
        if (const auto boolean = node.value_exact<bool>()) {
          return set_text(key, *boolean ? "true" : "false", where);
        }
        return problem(where, name + ": must be true or false");
      case SettingType::list: {
        std::vector<std::string> list;
        const toml::array* array = node.as_array();
        for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
          if (const auto text = array->get(i)->value_exact<std::string>()) list.push_back(*text);
        }
        if (array == nullptr || list.size() != array->size()) {
          return problem(where, name + ": must be a list of texts");
        }
        setting(key).list = std::move(list);
        setting(key).source = where;
        return;
      }
    }
  }

  std::span<const SettingKey> keys_;
  std::span<const std::string_view> foreign_sections_;
  ParsedSettings parsed_;
};

ParsedSettings parse_settings(std::span<const SettingKey> keys,
                              std::span<const std::string_view> foreign_sections,
                              const SettingsSources& sources) {
  SettingsParser parser(keys, foreign_sections);
  if (!sources.file_text.empty()) parser.read_file(sources.file_name, sources.file_text);
  parser.read_environment(sources.environment);
  parser.read_flags(sources.flags);
  return std::move(parser).take();
}

const Setting& Settings::at(std::string_view name, SettingType type) const {
  const auto found = settings_.find(name);
  DDT_CHECK(found != settings_.end());
  DDT_CHECK(found->second.type == type);
  return found->second;
}

const std::string& Settings::text(std::string_view name) const {
  return at(name, SettingType::text).text;
}
std::int64_t Settings::integer(std::string_view name) const {
  return at(name, SettingType::integer).integer;
}
bool Settings::boolean(std::string_view name) const {
  return at(name, SettingType::boolean).boolean;
}
const std::vector<std::string>& Settings::list(std::string_view name) const {
  return at(name, SettingType::list).list;
}
bool Settings::is_default(std::string_view name) const {
  const auto found = settings_.find(name);
  DDT_CHECK(found != settings_.end());
  return found->second.source == "default";
}

std::string Settings::effective_text() const {
  std::string out;
  std::string_view section;
  for (const auto& [name, setting] : settings_) {
    const std::string_view own_section = section_of(name);
    if (own_section != section)
      out += (out.empty() ? "[" : "\n[") + std::string(own_section) + "]\n";
    section = own_section;
    out += std::string_view(name).substr(own_section.size() + 1);
    out += " = ";
    switch (setting.type) {
      case SettingType::text:
        out += setting.is_secret && !setting.text.empty() ? "\"***\"" : toml_quoted(setting.text);
        break;
      case SettingType::integer:
        out += std::to_string(setting.integer);
        break;
      case SettingType::boolean:
        out += setting.boolean ? "true" : "false";
        break;
      case SettingType::list:
        out += '[';
        for (std::size_t i = 0; i < setting.list.size(); ++i) {
          out +=
              (i == 0 ? "" : ", ") + (setting.is_secret ? "\"***\"" : toml_quoted(setting.list[i]));
        }
        out += ']';
        break;
    }
    out += "  # " + setting.source + "\n";
  }
  return out;
}

// ── the edge ─────────────────────────────────────────────────────────────────────────────────────

Result<std::string> read_settings_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{"config: " + path + ": " + std::strerror(errno), false, errno};
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return Error{"config: " + path + ": cannot be read", false, 0};
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kFileBytesMax)
    return Error{"config: " + path + ": is larger than 1 MiB", false, 0};
  return text;
}

std::vector<std::pair<std::string, std::string>> ddt_environment(char* const* environment) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view pair(*environment);
    const std::size_t equals = pair.find('=');
    if (!pair.starts_with("DDT_") || equals == std::string_view::npos) continue;
    pairs.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return pairs;
}

Settings load_settings_or_throw(std::span<const SettingKey> keys,
                                std::span<const std::string_view> foreign_sections,
                                std::string file_path, std::vector<std::string> flags,
                                char* const* environment) {
  SettingsSources sources{.file_name = std::move(file_path),
                          .file_text = {},
                          .environment = ddt_environment(environment),
                          .flags = std::move(flags)};
  for (const auto& [name, value] : sources.environment) {
    if (name == "DDT_CONFIG" && sources.file_name.empty()) sources.file_name = value;
  }
  std::vector<std::string> problems;
  if (!sources.file_name.empty()) {
    Result<std::string> text = read_settings_file(sources.file_name);
    if (text) {
      sources.file_text = std::move(*text);
    } else {
      problems.push_back(text.error().message);
    }
  }
  ParsedSettings parsed = parse_settings(keys, foreign_sections, sources);
  problems.insert(problems.end(), parsed.problems.begin(), parsed.problems.end());
  if (!problems.empty()) throw StartupError(std::move(problems));
  return std::move(parsed.settings);
}

}  // namespace ddt::model
