#include "sidecar/top/options.hpp"

#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

#include "sidecar/redis/options.hpp"
#include "sidecar/settings.hpp"

namespace ddt::top {
namespace {

constexpr double kIntervalMinS = 0.1, kIntervalMaxS = 3'600;
// A Redis that does not answer must not make the screen wait.
constexpr std::chrono::milliseconds kRedisTimeout{300};

class Parser {
 public:
  Parser(const std::vector<std::string>& arguments, std::vector<std::string>& problems)
      : arguments_(arguments), problems_(problems) {}

  Options parse(char* const* environment) {
    while (at_ < arguments_.size()) parse_one(arguments_[at_++]);
    if (options_.mode == Mode::dump && options_.segment.empty())
      problems_.push_back("dump needs a Segment: its file name or its path");
    if (options_.mode == Mode::live && options_.is_json) options_.mode = Mode::once;
    if (!options_.wants_help) take_settings(environment);
    return std::move(options_);
  }

 private:
  void parse_one(std::string argument) {
    // --name=value
    const std::size_t equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
    if (equals != std::string::npos) {
      attached_ = argument.substr(equals + 1);
      argument.resize(equals);
    }
    parse_name(argument);
    if (attached_) problems_.push_back(argument + " takes no value");
    attached_.reset();
  }
  void parse_name(const std::string& name) {
    if (name == "--help" || name == "-h") return void(options_.wants_help = true);
    if (name == "--once") return void(once());
    if (name == "--json") return void(options_.is_json = true);
    if (name == "--no-redis") return void(options_.asks_sidecar = false);
    if (name == "--directory") return directory(name);
    if (name == "--interval") return interval(name);
    if (name == "--config") return text(name, config_);
    if (name == "--set") return setting(name);
    if (name == "dump" && options_.mode != Mode::dump) return dump();
    if (!name.starts_with("-") && options_.mode == Mode::dump && options_.segment.empty())
      return void(options_.segment = name);
    problems_.push_back((name.starts_with("-") ? "unknown option '" : "unknown argument '") + name +
                        "'");
  }

  std::optional<std::string> value(const std::string& name) {
    if (attached_) return std::exchange(attached_, std::nullopt);
    if (at_ < arguments_.size() && !arguments_[at_].starts_with("--")) return arguments_[at_++];
    problems_.push_back(name + " needs a value");
    return std::nullopt;
  }
  void text(const std::string& name, std::string& target) {
    const std::optional<std::string> given = value(name);
    if (!given) return;
    if (given->empty()) problems_.push_back(name + " must not be empty");
    target = *given;
  }
  void once() {
    if (options_.mode == Mode::live) options_.mode = Mode::once;
  }
  void dump() {
    options_.mode = Mode::dump;
    if (at_ < arguments_.size() && !arguments_[at_].starts_with("-"))
      options_.segment = arguments_[at_++];
  }
  void directory(const std::string& name) {
    std::string given;
    text(name, given);
    if (!given.empty()) flags_.push_back("telemetry.dir=" + given);
  }
  void setting(const std::string& name) {
    std::string given;
    text(name, given);
    if (!given.empty()) flags_.push_back(given);
  }
  void interval(const std::string& name) {
    const std::optional<std::string> given = value(name);
    if (!given) return;
    double& target = options_.interval_s;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), target);
    if (error != std::errc{} || end != given->data() + given->size() ||
        !(target >= kIntervalMinS && target <= kIntervalMaxS))
      problems_.push_back(name + " '" + *given + "' is not a number of seconds from 0.1 to 3600");
  }

  // The sidecar's own file, environment and flags: what it uses is what is looked at.
  void take_settings(char* const* environment) {
    model::SettingsSources sources{.file_name = config_,
                                   .file_text = {},
                                   .environment = model::ddt_environment(environment),
                                   .flags = flags_};
    for (const auto& [name, value] : sources.environment) {
      if (name == "DDT_CONFIG" && sources.file_name.empty()) sources.file_name = value;
    }
    if (!sources.file_name.empty()) {
      auto file = model::read_settings_file(sources.file_name);
      if (file) {
        sources.file_text = std::move(*file);
      } else {
        problems_.push_back(file.error().message);
      }
    }
    const std::vector<model::SettingKey> keys = sidecar::setting_keys();
    constexpr std::string_view kForeign[] = {"api"};
    model::ParsedSettings parsed = model::parse_settings(keys, kForeign, sources);
    problems_.insert(problems_.end(), parsed.problems.begin(), parsed.problems.end());
    const model::Settings& settings = parsed.settings;
    options_.directory = settings.text("telemetry.dir");
    if (options_.directory.empty()) problems_.push_back("telemetry.dir must not be empty");
    const std::string& id = settings.text("sidecar.id");
    options_.sidecar_id = id.empty() ? sidecar::default_sidecar_id(options_.directory) : id;
    options_.redis = redis::connect_options(settings);
    options_.redis.connect_timeout = options_.redis.io_timeout = kRedisTimeout;
    if (!options_.asks_sidecar) return;
    for (std::string& problem : redis::problems_in(options_.redis))
      problems_.push_back(std::move(problem));
    for (std::string& problem : redis::problems_in_names(settings))
      problems_.push_back(std::move(problem));
  }

  const std::vector<std::string>& arguments_;
  std::vector<std::string>& problems_;
  std::size_t at_ = 0;
  std::optional<std::string> attached_;  // the value of --name=value
  std::string config_;
  std::vector<std::string> flags_;
  Options options_;
};

}  // namespace

Options parse_options(const std::vector<std::string>& arguments, char* const* environment,
                      std::vector<std::string>& problems) {
  return Parser(arguments, problems).parse(environment);
}

const char* help_text() noexcept {
  return R"(ddt-top: every Segment and Lane of this host, read from shared memory and changing nothing there

  ddt-top [OPTION...]               live; q quits, < > choose the column to sort by, r turns it round
  ddt-top --once [OPTION...]        one table; also when the output is no terminal
  ddt-top --json [OPTION...]        one JSON document (docs/formats/top.md)
  ddt-top dump SEGMENT [--json]     what is still in a Segment, by file name or path; --json: an object a line

  --directory DIR   telemetry directory ($DDT_DIR, telemetry.dir of the file, /dev/shm/ddt)
  --interval S      seconds between two looks (1); rates are measured over it
  --no-redis        shared memory only: what only the sidecar knows is shown as unknown
  --config FILE     the sidecar's TOML file ($DDT_CONFIG): where it keeps its Redis, and its id
  --set KEY=VALUE   one of its settings, as redis.port=6380 or sidecar.id=local; may repeat

Exit status: 0 shown, 1 the directory or the Segment cannot be read, 2 wrong options.
)";
}

}  // namespace ddt::top
