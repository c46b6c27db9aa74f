// idle_bench — what 1,000 Segments cost the sidecar when nobody says anything.
//
// The real ddt-sidecar with private stores. Each Segment says one Record, so that it has a Lane, then is silent.
// Measured once everything is stored and the figures are written: CPU time of the whole process, the median of
// windows of 2 s in which the machine was not slow (windows.hpp).
#include <ddt/telemetry.hpp>
#include <map>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "bench/harness/rows.hpp"
#include "bench/system/probe.hpp"
#include "bench/system/status.hpp"
#include "bench/system/stores.hpp"
#include "bench/system/verdicts.hpp"
#include "bench/system/workplace.hpp"

namespace {

using namespace ddt::bench;
using ddt::monotonic_ns;

constexpr Gate kGates[] = {{"1,000 idle Segments, sidecar", Gate::at_most, 3, "% of a core"}};

constexpr std::int32_t kSegments = 1'000;
constexpr std::uint32_t kLaneLines = 256;
constexpr WindowCount kWindows{.clean = 15, .at_most = 45};
constexpr std::chrono::seconds kWindow{2};
constexpr std::int64_t kRestNs = 4'000'000'000;
constexpr std::int64_t kPatienceNs = 60'000'000'000;

// Everything stored, every figure that can be written is written. The figures look for work later than the
// rollup makes it: only a while without any says that there is none.
void wait_until_settled(ddt::redis::Client& redis) {
  const std::int64_t give_up_ns = monotonic_ns() + kPatienceNs;
  std::int64_t settled_since_ns = 0;
  while (true) {
    const auto status = read_status(redis);
    const bool is_settled = status && status->segments == kSegments &&
                            status->produced == kSegments && status->stored == kSegments &&
                            status->stale_windows == 0;
    if (!is_settled) settled_since_ns = 0;
    if (is_settled && settled_since_ns == 0) settled_since_ns = monotonic_ns();
    if (is_settled && monotonic_ns() - settled_since_ns > kRestNs) return;
    if (monotonic_ns() > give_up_ns)
      throw std::runtime_error(status ? "the sidecar has " + std::to_string(status->stored) +
                                            " of 1000 Records after a minute"
                                      : std::string("the sidecar says nothing"));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

// % of a core in one window, by thread; kAll of the whole process.
using Shares = std::map<std::string, double>;
const std::string kAll;

Shares measure_window(const Process& sidecar) {
  auto before = sidecar.cpu_s_by_thread();
  before[kAll] = sidecar.cpu_s();
  const std::int64_t begin_ns = monotonic_ns();
  std::this_thread::sleep_for(kWindow);
  const double wall_s = static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
  Shares shares = sidecar.cpu_s_by_thread();
  shares[kAll] = sidecar.cpu_s();
  for (auto& [name, share] : shares) share = 100 * (share - before[name]) / wall_s;
  return shares;
}

void measure(const Options& options, Report& report, Verdicts& verdicts) {
  report.heading("idle",
                 "1,000 silent Segments, CPU time of the sidecar, median of windows of 2 s");
  const Workplace workplace(options);
  Stores stores(workplace);
  std::vector<std::string> settings = stores.settings();
  settings.push_back("telemetry.dir=" + workplace.telemetry_directory());
  Process sidecar(workplace, own_command("ddt-sidecar", settings));

  std::vector<std::unique_ptr<ddt::Telemetry>> bots;
  for (std::int32_t i = 0; i < kSegments; ++i) {
    bots.push_back(std::make_unique<ddt::Telemetry>(
        ddt::TelemetryOptions{.profile_id = i / 4 + 1,
                              .script_name = "order_monitor",
                              .directory = workplace.telemetry_directory(),
                              .lane_lines = kLaneLines}));
    if (bots.back()->publish(ddt::Health{.status = "healthy"}) != ddt::Published::ok)
      throw std::runtime_error("Segment " + std::to_string(i) + ": " + bots.back()->status_text());
  }
  auto redis = stores.redis_client();
  wait_until_settled(redis);

  const auto windows = clean_windows(kWindows, report, [&] { return measure_window(sidecar); });
  std::map<std::string, std::vector<double>> of_thread;
  for (const Shares& shares : windows) {
    for (const auto& [name, share] : shares) of_thread[name].push_back(share);
  }
  const std::vector<double> of_all = of_thread.extract(kAll).mapped();
  for (const auto& [name, shares] : of_thread)
    report.figure("thread " + name, median(shares), "% of a core");
  if (!sidecar.is_running()) throw std::runtime_error("the sidecar ended: " + sidecar.log_tail());
  verdicts.say(kGates[0], median(of_all));
}

}  // namespace

int main(int argc, char** argv) { return run_with_gates(argc, argv, kGates, measure); }
