// load_bench — 100,000 Records a second from 300 Segments of 100 profiles, everything on: what the sidecar, Redis
// and MySQL cost together, how far MySQL is behind the bots, and whether every Record is accounted for.
//
// The generator's own CPU time is not counted. The lag is ours to see, not the sidecar's to tell: how long ago the
// generator had published as many Records as MySQL has counted. Two windows of 20 s; those in which the machine was
// slow are measured again (windows.hpp). Then Redis is made to write its append-only file anew under the same load: what
// that costs all of them is added as often as it comes at the rate the file grows.
#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/system/generator.hpp"
#include "bench/system/probe.hpp"
#include "bench/system/rewrite.hpp"
#include "bench/system/status.hpp"
#include "bench/system/stores.hpp"
#include "bench/system/verdicts.hpp"
#include "bench/system/workplace.hpp"
#include "shm/base/clock.hpp"

namespace {

using namespace ddt::bench;
using ddt::monotonic_ns;

constexpr Gate kGates[] = {
    {"100,000 Records/s, sidecar + Redis + MySQL", Gate::at_most, 1, "cores"},
    {"100,000 Records/s, publish to MySQL, p99", Gate::at_most, 2, "s"},
    {"100,000 Records/s, dropped", Gate::at_most, 0, "Records"},
    {"100,000 Records/s, pace", Gate::at_least, 99'000, "Records/s"},
    {"ledger, residual at the end", Gate::at_most, 0, "Records"},
    {"ledger, published less counted", Gate::at_most, 0, "Records"},
};

constexpr std::int64_t kNsPerS = 1'000'000'000;
constexpr std::int64_t kWarmUpNs = 6 * kNsPerS;
constexpr std::int64_t kWindowNs = 20 * kNsPerS;
constexpr WindowCount kWindows{.clean = 2, .at_most = 4};
constexpr std::int64_t kLookNs = 100'000'000;
constexpr std::int64_t kPatienceNs = 30 * kNsPerS;
constexpr std::int64_t kRewriteMaxNs = 60 * kNsPerS;

double seconds(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

// How long ago the generator had published as much as MySQL has.
class Lag {
 public:
  explicit Lag(const Stores& stores) : mysql_(stores.mysql()) {}

  double look_s(const Generator& generator) {
    const std::int64_t now_ns = monotonic_ns();
    published_.push_back({now_ns, generator.published()});
    const auto rows = mysql_.query(
        "SELECT COALESCE(SUM(stored_samples + stored_states + stored_facts), 0) FROM "
        "dd_lane_positions");
    if (!rows) throw std::runtime_error(rows.error().message);
    const std::uint64_t stored = rows->front().unsigned_integer(0);
    while (published_.size() > 1 && published_[1].second <= stored) published_.pop_front();
    return seconds(now_ns - published_.front().first);
  }

 private:
  ddt::sql::Connection mysql_;
  std::deque<std::pair<std::int64_t, std::uint64_t>> published_;
};

// What each of the processes, and each of its threads, has used so far.
struct CpuUse {
  std::vector<std::pair<std::string, double>> threads;
  std::vector<std::pair<std::string, double>> processes;

  static CpuUse now(const std::vector<const Process*>& processes) {
    CpuUse use;
    for (const Process* process : processes) {
      use.processes.emplace_back(process->name(), process->cpu_s());
      for (const auto& [name, cpu_s] : process->cpu_s_by_thread())
        use.threads.emplace_back(process->name() + ": " + name, cpu_s);
    }
    return use;
  }
};

struct Window {
  std::int64_t begin_ns = 0, end_ns = 0;
  CpuUse before = {}, after = {};
  std::uint64_t published = 0;
  double file_growth = 0;           // bytes a second, of the append-only file
  std::vector<double> lags_s = {};  // ten looks a second
  double told_lag_max_s = 0;

  double wall_s() const { return seconds(end_ns - begin_ns); }
  double pace() const { return static_cast<double>(published) / wall_s(); }
  double cores() const {
    double used_s = 0;
    for (const auto& [name, cpu_s] : after.processes) used_s += cpu_s;
    for (const auto& [name, cpu_s] : before.processes) used_s -= cpu_s;
    return used_s / wall_s();
  }
};

void say_use(Report& report, const Window& window) {
  const CpuUse &before = window.before, &after = window.after;
  for (std::size_t i = 0; i < after.processes.size(); ++i)
    report.figure(after.processes[i].first,
                  (after.processes[i].second - before.processes[i].second) / window.wall_s(),
                  "cores");
  for (const auto& [name, cpu_s] : after.threads) {
    const auto found =
        std::ranges::find(before.threads, name, [](const auto& thread) { return thread.first; });
    const double cores =
        (cpu_s - (found == before.threads.end() ? 0 : found->second)) / window.wall_s();
    if (cores >= 0.005) report.figure("  " + name, cores, "cores");
  }
}

// Everything on, from construction to stop(); what goes on is looked at window by window.
class Load {
 public:
  explicit Load(const Options& options)
      : workplace_(options),
        stores_(workplace_),
        sidecar_(workplace_, own_command("ddt-sidecar", settings())),
        redis_(stores_.redis_client()) {
    sidecar_.wait_until([&] { return read_status(redis_).has_value(); });
    lag_.emplace(stores_);
    generator_.emplace(GeneratorOptions{.directory = workplace_.telemetry_directory()});
  }

  Window measure_for(std::int64_t duration_ns) {
    return measure_until([=](std::int64_t elapsed_ns) { return elapsed_ns >= duration_ns; });
  }

  // Redis writes its append-only file anew, not of its own accord.
  Window measure_rewrite() {
    const auto is_over = [&](std::int64_t elapsed_ns) {
      if (elapsed_ns > kRewriteMaxNs)
        throw std::runtime_error("Redis did not write its append-only file anew");
      return !append_only_file(redis_).is_rewritten;
    };
    measure_until(is_over);  // what it may have begun itself
    begin_rewrite(redis_);
    return measure_until(is_over);
  }

  AppendOnlyFile file() { return append_only_file(redis_); }
  std::uint64_t published() const { return generator_->published(); }

  // The sidecar's word once everything is stored, or after a while.
  SidecarStatus stop() {
    generator_->stop();
    const std::int64_t give_up_ns = monotonic_ns() + kPatienceNs;
    while (true) {
      const auto status = read_status(redis_);
      const bool is_settled =
          status && status->in_flight == 0 && status->produced >= generator_->published();
      if (status && (is_settled || monotonic_ns() > give_up_ns)) return *status;
      if (monotonic_ns() > give_up_ns) throw std::runtime_error("the sidecar says nothing");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

 private:
  std::vector<std::string> settings() const {
    std::vector<std::string> settings = stores_.settings();
    settings.push_back("telemetry.dir=" + workplace_.telemetry_directory());
    return settings;
  }

  template <typename IsOver>
  Window measure_until(const IsOver& is_over) {
    const std::vector<const Process*> processes{&sidecar_, &stores_.redis(), &stores_.mariadb()};
    Window window{.begin_ns = monotonic_ns(), .before = CpuUse::now(processes)};
    const std::uint64_t published_before = published();
    const auto bytes_before = static_cast<double>(file().bytes);
    do {
      std::this_thread::sleep_for(std::chrono::nanoseconds(kLookNs));
      window.lags_s.push_back(lag_->look_s(*generator_));
      const auto status = read_status(redis_);
      if (!status) throw std::runtime_error("the sidecar says nothing: " + sidecar_.log_tail());
      window.told_lag_max_s = std::max(window.told_lag_max_s, status->rollup_lag_s);
    } while (!is_over(monotonic_ns() - window.begin_ns));
    window.end_ns = monotonic_ns();
    window.published = published() - published_before;
    window.file_growth = (static_cast<double>(file().bytes) - bytes_before) / window.wall_s();
    window.after = CpuUse::now(processes);
    return window;
  }

  const Workplace workplace_;
  Stores stores_;
  Process sidecar_;
  ddt::redis::Client redis_;
  std::optional<Lag> lag_;
  std::optional<Generator> generator_;
};

// What all use: while the append-only file only grows, and a share of what it costs to write it anew.
double say_cores(const std::vector<Window>& windows, const Window& rewrite,
                 const AppendOnlyFile& file, Report& report) {
  say_use(report, windows.front());
  std::vector<double> all_cores;
  for (const Window& window : windows) all_cores.push_back(window.cores());
  const double cores = median(all_cores);
  const double rewrite_s = (rewrite.cores() - cores) * rewrite.wall_s();
  const double growth = std::ranges::max(windows, {}, &Window::file_growth).file_growth;
  const double every_s = static_cast<double>(file.limit_bytes - file.base_bytes) / growth;
  report.figure("all, without writing Redis's file anew", cores, "cores");
  report.figure("Redis's append-only file grows by", growth / 1e6, "MB/s");
  report.figure("to write it anew takes", rewrite_s, "s of CPU");
  report.figure("to write it anew, every", every_s, "s");
  report.figure("publish to MySQL meanwhile, at most", std::ranges::max(rewrite.lags_s), "s");
  return cores + rewrite_s / every_s;
}

// p99 of all looks.
double say_lag(const std::vector<Window>& windows, Report& report) {
  std::vector<double> lags_s;
  for (const Window& window : windows)
    lags_s.insert(lags_s.end(), window.lags_s.begin(), window.lags_s.end());
  std::ranges::sort(lags_s);
  report.figure("publish to MySQL, at most", lags_s.back(), "s");
  report.figure("largest lag the sidecar told of",
                std::ranges::max(windows, {}, &Window::told_lag_max_s).told_lag_max_s, "s");
  return lags_s[lags_s.size() * 99 / 100];
}

void measure(const Options& options, Report& report, Verdicts& verdicts) {
  report.heading("load", "100,000 Records/s from 300 Segments of 100 profiles, over twice 20 s");
  Load load(options);
  load.measure_for(kWarmUpNs);
  const auto windows = clean_windows(kWindows, report, [&] { return load.measure_for(kWindowNs); });
  const Window rewrite = load.measure_rewrite();
  const AppendOnlyFile file = load.file();
  const SidecarStatus end = load.stop();

  const double cores = say_cores(windows, rewrite, file, report);
  const double lag_s = say_lag(windows, report);
  report.figure("published in all", static_cast<double>(load.published()), "Records");
  verdicts.say(kGates[0], cores);
  verdicts.say(kGates[1], lag_s);
  verdicts.say(kGates[2], static_cast<double>(end.dropped + end.rejected + end.lost));
  verdicts.say(kGates[3], std::ranges::min(windows, {}, &Window::pace).pace());
  verdicts.say(kGates[4],
               static_cast<double>(std::abs(end.residual)) + static_cast<double>(end.in_flight));
  verdicts.say(kGates[5],
               std::abs(static_cast<double>(load.published()) - static_cast<double>(end.produced)));
}

}  // namespace

int main(int argc, char** argv) { return run_with_gates(argc, argv, kGates, measure); }
