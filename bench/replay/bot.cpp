#include "bench/replay/bot.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ddt/telemetry.hpp>
#include <optional>
#include <thread>

#include "bench/replay/calendar.hpp"
#include "bench/replay/profile.hpp"
#include "bench/replay/simulation.hpp"

namespace ddt::replay {
namespace {

constexpr int kStopPollMs = 50;
constexpr std::int64_t kPauseBetweenPassesNs = kSecondNs;
constexpr std::int64_t kAfterLastBarNs =
    3 * kMinuteNs;  // simulated; all of the last bar has been said

// Set by the handler, read by everything that waits; seq_cst by default, it orders nothing else.
std::atomic<int> g_stop{0};
static_assert(std::atomic<int>::is_always_lock_free);  // a signal handler may store it
void on_stop_signal(int) { g_stop = 1; }

void listen_for_stop() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

std::int64_t wall_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void tell(int fd, std::string line) {
  if (fd < 0) return;
  line.push_back('\n');
  ssize_t written = 0;
  do written = ::write(fd, line.data(), line.size());  // below PIPE_BUF: whole or not at all
  while (written < 0 && errno == EINTR);
}

// All bots start the live day at the same moment, once every one has published its history.
std::int64_t live_start_ns(const Options& options) {
  if (options.start_fd < 0) return wall_now_ns();
  tell(options.report_fd, std::string(kHistoryLine));
  while (g_stop == 0) {
    pollfd waiting{.fd = options.start_fd, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kStopPollMs) <= 0) continue;
    std::int64_t start_ns = 0;
    const ssize_t got = ::read(options.start_fd, &start_ns, sizeof start_ns);
    if (got == sizeof start_ns) return start_ns;
    if (got == 0) break;  // the supervisor is gone
  }
  g_stop = 1;
  return 0;
}

void play_history(const Options& options, const Market& market, Simulation& simulation,
                  TelemetrySink& sink) {
  const std::size_t count = market.days.size() - (has_live_day(options) ? 1 : 0);
  std::vector<std::int64_t> dates;
  for (std::size_t i = 0; i < count; ++i) dates.push_back(market.days[i].date);
  const Placement placement =
      options.keeps_times ? Placement::keep_times : Placement::end_yesterday;
  const std::int64_t today = options.today.value_or(date_of(wall_now_ns()));
  const std::vector<DayPlan> plans = history_plans(dates, placement, today);
  sink.set_muted(options.skips_history);
  for (std::size_t i = 0; i < count && g_stop == 0; ++i) simulation.play(market.days[i], plans[i]);
  sink.set_muted(false);
}

void play_live(const Options& options, const Market& market, Simulation& simulation) {
  const Day& day = market.days.back();
  const double speed = options.is_speed_max ? kLiveSpeedMax : options.speed;
  const std::int64_t first_ns = day.bars.front().time_ns + kMinuteNs;
  const auto pass_ns = static_cast<std::int64_t>(
      static_cast<double>(day.bars.back().time_ns - first_ns + kAfterLastBarNs) / speed);
  const Placement placement =
      options.keeps_times ? Placement::keep_times : Placement::end_yesterday;
  const bool repeats =
      !options.once && !options.keeps_times;  // kept times would say the same day twice
  std::int64_t start_ns = live_start_ns(options);
  do {
    simulation.play(day, live_plan(day.date, first_ns, placement, start_ns, speed));
    start_ns += pass_ns + kPauseBetweenPassesNs;
  } while (repeats && g_stop == 0);
  while (!options.once && g_stop == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(kStopPollMs));
}

int fail(const Options& options, const std::string& what) {
  std::fprintf(stderr, "ddt-replay: %s of profile %d: %s\n",
               std::string(name_of(options.script)).c_str(), options.profile, what.c_str());
  return 1;
}

}  // namespace

Market load_market(const Options& options, std::vector<std::string>& problems) {
  if (options.bars.empty())
    return made_market(options.seed, options.days.value_or(kMadeDaysDefault));
  return market_from_paths(options.bars, problems);
}

bool has_live_day(const Options& options) noexcept {
  return !(options.once && (options.is_speed_max || options.keeps_times));
}

std::string report_line(const PublishCounts& counts) {
  std::string line = "report";
  for (const std::int64_t count : counts.published) line += " " + std::to_string(count);
  return line + " " + std::to_string(counts.refused);
}

bool add_report(std::string_view line, PublishCounts& totals) {
  constexpr std::string_view kWord = "report";
  if (!line.starts_with(kWord)) return false;
  line.remove_prefix(kWord.size());
  PublishCounts counts;
  const auto next = [&line](std::int64_t& target) {
    if (line.empty() || line.front() != ' ') return false;
    const auto [end, error] = std::from_chars(line.data() + 1, line.data() + line.size(), target);
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    return error == std::errc{};
  };
  for (std::int64_t& count : counts.published) {
    if (!next(count)) return false;
  }
  if (!next(counts.refused) || !line.empty()) return false;
  for (std::size_t i = 0; i < kKindCount; ++i) totals.published[i] += counts.published[i];
  totals.refused += counts.refused;
  return true;
}

int run_bot(const Options& options, const Market& market) {
  listen_for_stop();
  const Telemetry telemetry({.profile_id = options.profile,
                             .script_name = name_of(options.script),
                             .directory = options.directory,
                             .lane_lines = options.lane_lines});
  if (!telemetry.is_attached() || !telemetry.attach_thread())
    return fail(options, "telemetry is detached: " + telemetry.status_text());
  std::optional<OracleFile> oracle;
  if (!options.oracle.empty()) {
    Result<OracleFile> opened = OracleFile::open(options.oracle);
    if (!opened) return fail(options, opened.error().message);
    oracle.emplace(std::move(opened).value());
  }
  TelemetrySink sink(telemetry, options.script, oracle ? &*oracle : nullptr,
                     [] { return g_stop != 0; });
  std::vector<std::int32_t> profiles;
  if (options.script != Script::breakout_detector) profiles.push_back(options.profile);
  Simulation simulation(market, options.seed, profiles, sink);
  play_history(options, market, simulation, sink);
  if (has_live_day(options) && g_stop == 0) {
    sink.wait_until_drained();
    sink.set_patient(options.is_speed_max);
    play_live(options, market, simulation);
  }
  const Status flushed = sink.flush();
  tell(options.report_fd, report_line(sink.counts()));
  if (!flushed) return fail(options, flushed.error().message);
  if (sink.counts().refused > 0)
    return fail(options, std::to_string(sink.counts().refused) + " publishes were refused");
  return 0;
}

}  // namespace ddt::replay
