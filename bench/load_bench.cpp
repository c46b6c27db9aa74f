// load_bench — 100,000 Records a second from 300 Segments of 100 profiles, everything on: what the sidecar, Redis
// and MySQL cost together, how far MySQL is behind the bots, and whether every Record is accounted for.
//
// The generator's own CPU time is not counted. The lag is ours to see, not the sidecar's to tell: how long ago the
// generator had published as many Records as MySQL has counted.
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
    {"100,000 Records/s, publish to MySQL", Gate::at_most, 2, "s"},
    {"100,000 Records/s, dropped", Gate::at_most, 0, "Records"},
    {"100,000 Records/s, pace", Gate::at_least, 99'000, "Records/s"},
    {"ledger, residual at the end", Gate::at_most, 0, "Records"},
    {"ledger, published less counted", Gate::at_most, 0, "Records"},
};

constexpr std::int64_t kNsPerS = 1'000'000'000;
constexpr std::int64_t kWarmUpNs = 6 * kNsPerS;
constexpr std::int64_t kMeasuredNs = 20 * kNsPerS;
constexpr std::int64_t kLookNs = 100'000'000;
constexpr std::int64_t kPatienceNs = 30 * kNsPerS;

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

  static CpuUse now(const std::vector<Process*>& processes) {
    CpuUse use;
    for (const Process* process : processes) {
      use.processes.emplace_back(process->name(), process->cpu_s());
      for (const auto& [name, cpu_s] : process->cpu_s_by_thread())
        use.threads.emplace_back(process->name() + ": " + name, cpu_s);
    }
    return use;
  }
};

double say_cores(Report& report, const CpuUse& before, const CpuUse& after, double wall_s) {
  double sum = 0;
  for (std::size_t i = 0; i < after.processes.size(); ++i) {
    const double cores = (after.processes[i].second - before.processes[i].second) / wall_s;
    report.figure(after.processes[i].first, cores, "cores");
    sum += cores;
  }
  for (const auto& [name, cpu_s] : after.threads) {
    const auto found =
        std::ranges::find(before.threads, name, [](const auto& thread) { return thread.first; });
    const double cores = (cpu_s - (found == before.threads.end() ? 0 : found->second)) / wall_s;
    if (cores >= 0.005) report.figure("  " + name, cores, "cores");
  }
  return sum;
}

SidecarStatus wait_until_settled(ddt::redis::Client& redis, std::uint64_t published) {
  const std::int64_t give_up_ns = monotonic_ns() + kPatienceNs;
  std::optional<SidecarStatus> status;
  while (true) {
    status = read_status(redis);
    const bool is_settled = status && status->in_flight == 0 && status->produced >= published;
    if (status && (is_settled || monotonic_ns() > give_up_ns)) return *status;
    if (monotonic_ns() > give_up_ns) throw std::runtime_error("the sidecar says nothing");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void measure(const Options& options, Report& report, Verdicts& verdicts) {
  report.heading("load", "100,000 Records/s from 300 Segments of 100 profiles, over 20 s");
  const Workplace workplace(options);
  Stores stores(workplace);
  std::vector<std::string> settings = stores.settings();
  settings.push_back("telemetry.dir=" + workplace.telemetry_directory());
  Process sidecar(workplace, own_command("ddt-sidecar", settings));
  auto redis = stores.redis_client();
  sidecar.wait_until([&] { return read_status(redis).has_value(); });
  Lag lag(stores);
  Generator generator({.directory = workplace.telemetry_directory()});

  double lag_max_s = 0, told_lag_max_s = 0;
  const auto look_until = [&](std::int64_t end_ns) {
    while (monotonic_ns() < end_ns) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(kLookNs));
      lag_max_s = std::max(lag_max_s, lag.look_s(generator));
      const auto status = read_status(redis);
      if (!status) throw std::runtime_error("the sidecar says nothing: " + sidecar.log_tail());
      told_lag_max_s = std::max(told_lag_max_s, status->rollup_lag_s);
    }
  };
  const std::vector<Process*> processes{&sidecar, &stores.redis(), &stores.mariadb()};
  look_until(monotonic_ns() + kWarmUpNs);
  lag_max_s = told_lag_max_s = 0;
  const CpuUse before = CpuUse::now(processes);
  const std::uint64_t published_before = generator.published();
  const std::int64_t begin_ns = monotonic_ns();
  look_until(begin_ns + kMeasuredNs);
  const double wall_s = seconds(monotonic_ns() - begin_ns);
  const double pace = static_cast<double>(generator.published() - published_before) / wall_s;
  const double cores = say_cores(report, before, CpuUse::now(processes), wall_s);
  generator.stop();
  const SidecarStatus end = wait_until_settled(redis, generator.published());

  report.figure("largest lag the sidecar told of", told_lag_max_s, "s");
  report.figure("published in all", static_cast<double>(generator.published()), "Records");
  verdicts.say(kGates[0], cores);
  verdicts.say(kGates[1], lag_max_s);
  verdicts.say(kGates[2], static_cast<double>(end.dropped + end.rejected + end.lost));
  verdicts.say(kGates[3], pace);
  verdicts.say(kGates[4],
               static_cast<double>(std::abs(end.residual)) + static_cast<double>(end.in_flight));
  verdicts.say(kGates[5], std::abs(static_cast<double>(generator.published()) -
                                   static_cast<double>(end.produced)));
}

}  // namespace

int main(int argc, char** argv) { return run_with_gates(argc, argv, kGates, measure); }
