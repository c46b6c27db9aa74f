#include "bench/replay/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "bench/replay/profile.hpp"

namespace ddt::replay {
namespace {

constexpr double kSpeedMax = 100'000;
constexpr int kDaysMax = 1'000;

class Parser {
 public:
  Parser(const std::vector<std::string>& arguments, std::vector<std::string>& problems)
      : arguments_(arguments), problems_(problems) {}

  Options parse() {
    while (at_ < arguments_.size()) parse_one(arguments_[at_++]);
    if ((options_.lane_lines & (options_.lane_lines - 1)) != 0)
      problems_.push_back("--lane-lines must be a power of two");
    if (options_.days && !options_.bars.empty())
      problems_.push_back("--days is for made bars and cannot stand beside --bars");
    if (options_.role == Role::bot && options_.profile == 0)
      problems_.push_back("--role bot needs --profile");
    return options_;
  }

 private:
  void parse_one(const std::string& name) {
    if (name == "--help" || name == "-h") return void(options_.wants_help = true);
    if (name == "--keep-times") return void(options_.keeps_times = true);
    if (name == "--once") return void(options_.once = true);
    if (name == "--skip-history") return void(options_.skips_history = true);
    if (name == "--bars") return bars();
    if (name == "--profiles") return integer(name, options_.profiles, 1, kProfilesMax);
    if (name == "--speed") return speed(name);
    if (name == "--oracle") return text(name, options_.oracle);
    if (name == "--dir") return text(name, options_.directory);
    if (name == "--seed") return integer(name, options_.seed, std::uint64_t{0}, ~std::uint64_t{0});
    if (name == "--days") return integer(name, options_.days.emplace(), 1, kDaysMax);
    if (name == "--lane-lines")
      return integer(name, options_.lane_lines, std::uint32_t{256}, kLaneLinesMax);
    if (name == "--role") return role(name);
    if (name == "--script") return script(name);
    if (name == "--profile") return integer(name, options_.profile, 1, kDetectorProfile);
    if (name == "--today")
      return integer(name, options_.today.emplace(), std::int64_t{1}, std::int64_t{80'000});
    if (name == "--report-fd") return integer(name, options_.report_fd, 0, 1 << 20);
    if (name == "--start-fd") return integer(name, options_.start_fd, 0, 1 << 20);
    problems_.push_back("unknown option '" + name + "'");
  }

  bool has_value() const { return at_ < arguments_.size() && !arguments_[at_].starts_with("--"); }

  std::optional<std::string> value(const std::string& name) {
    if (has_value()) return arguments_[at_++];
    problems_.push_back(name + " needs a value");
    return std::nullopt;
  }
  void text(const std::string& name, std::string& target) {
    const std::optional<std::string> given = value(name);
    if (!given) return;
    if (given->empty()) problems_.push_back(name + " must not be empty");
    target = *given;
  }
  template <typename Integer>
  void integer(const std::string& name, Integer& target, Integer low, Integer high) {
    const std::optional<std::string> given = value(name);
    if (!given) return;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), target);
    if (error != std::errc{} || end != given->data() + given->size() || target < low ||
        target > high)
      problems_.push_back(name + " '" + *given + "' is not a whole number from " +
                          std::to_string(low) + " to " + std::to_string(high));
  }
  void bars() {
    if (!has_value()) problems_.push_back("--bars needs at least one file");
    while (has_value()) options_.bars.push_back(arguments_[at_++]);
  }
  void speed(const std::string& name) {
    const std::optional<std::string> given = value(name);
    if (!given) return;
    options_.is_speed_max = *given == "max";
    if (options_.is_speed_max) return;
    const auto [end, error] =
        std::from_chars(given->data(), given->data() + given->size(), options_.speed);
    if (error != std::errc{} || end != given->data() + given->size() || !(options_.speed > 0) ||
        options_.speed > kSpeedMax)
      problems_.push_back("--speed '" + *given +
                          "' is neither max nor a number above 0 and up to 100000");
  }
  void role(const std::string& name) {
    const std::optional<std::string> given = value(name);
    if (!given) return;
    if (*given != "supervisor" && *given != "bot")
      problems_.push_back("--role '" + *given + "' is neither supervisor nor bot");
    options_.role = *given == "bot" ? Role::bot : Role::supervisor;
  }
  void script(const std::string& name) {
    const std::optional<std::string> given = value(name);
    if (!given) return;
    const auto found = std::find(kScriptNames.begin(), kScriptNames.end(), *given);
    if (found == kScriptNames.end())
      return problems_.push_back("--script '" + *given + "' is unknown");
    options_.script = static_cast<Script>(found - kScriptNames.begin());
  }

  const std::vector<std::string>& arguments_;
  std::vector<std::string>& problems_;
  std::size_t at_ = 0;
  Options options_;
};

}  // namespace

Options parse_options(const std::vector<std::string>& arguments,
                      std::vector<std::string>& problems) {
  return Parser(arguments, problems).parse();
}

std::vector<std::string> bot_arguments(const Options& options, std::int32_t profile,
                                       Script script) {
  std::vector<std::string> arguments{"--role",     "bot",
                                     "--profile",  std::to_string(profile),
                                     "--script",   std::string(name_of(script)),
                                     "--profiles", std::to_string(options.profiles),
                                     "--seed",     std::to_string(options.seed)};
  const auto add = [&](const char* name, const std::string& value) {
    arguments.emplace_back(name);
    arguments.push_back(value);
  };
  add("--speed", options.is_speed_max ? "max" : std::to_string(options.speed));
  if (options.keeps_times) arguments.emplace_back("--keep-times");
  if (options.once) arguments.emplace_back("--once");
  if (options.skips_history) arguments.emplace_back("--skip-history");
  if (!options.oracle.empty()) add("--oracle", options.oracle);
  if (!options.directory.empty()) add("--dir", options.directory);
  if (options.days) add("--days", std::to_string(*options.days));
  if (options.lane_lines != kLaneLinesDefault)
    add("--lane-lines", std::to_string(options.lane_lines));
  if (options.today) add("--today", std::to_string(*options.today));
  if (options.report_fd >= 0) add("--report-fd", std::to_string(options.report_fd));
  if (options.start_fd >= 0) add("--start-fd", std::to_string(options.start_fd));
  if (!options.bars.empty()) {
    arguments.emplace_back("--bars");
    arguments.insert(arguments.end(), options.bars.begin(), options.bars.end());
  }
  return arguments;
}

const char* help_text() noexcept {
  return R"(ddt-replay: bots that trade recorded or made-up bars and say so through <ddt/telemetry.hpp>

  --bars FILE...   bar files, SYMBOL_YYYYMMDD.csv: time_utc,open,high,low,close,volume,bid,ask
                   (default: made bars of two symbols)
  --days N         days of made bars (30)
  --seed N         of made bars and of all chance (1)
  --profiles N     profiles (4): 3N+1 bots, a process each
  --speed X|max    of the last day, which plays live (60); max: 3600, with --once everything at once
  --once           publish everything, then exit; otherwise the last day starts again for ever
  --keep-times     publish the bars' own times; otherwise all days but the last are moved to end
                   yesterday and the last happens now; with --once every day is published at once
  --skip-history   publish only the live day
  --oracle FILE    append one JSON line per Record published
  --lane-lines N   size of each bot's Lane, a power of two from 256 (16384): small ones make bots wait for
                   the commits
  --dir DIR        telemetry directory ($DDT_DIR, /dev/shm/ddt)

Exit status: 0 all published, 1 a bot failed or a publish was refused, 2 wrong options or bars.
)";
}

}  // namespace ddt::replay
