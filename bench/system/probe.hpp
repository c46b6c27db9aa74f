// bench/system/probe.hpp — how fast the machine is while something is measured on it: fresh pages are touched, ten
// times a second, some 0.5 % of a core. A page takes the kernel, the hypervisor and the caches.
//
// Threads   One of its own from construction on; page_ns() is for one other.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/harness/report.hpp"
#include "bench/system/windows.hpp"

namespace ddt::bench {

class Probe {
 public:
  Probe();
  // Median CPU time of a page since the call before (since construction), ns: ask a second later at least.
  // Throws std::runtime_error when none was touched.
  double page_ns();

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::vector<double> page_ns_;
  std::jthread thread_;  // last: begins when the rest is there, ends before it goes
};

// measure_windows() beside a probe; says how many windows were dirty.
template <typename Measure>
auto clean_windows(WindowCount count, Report& report, const Measure& measure) {
  Probe probe;
  std::this_thread::sleep_for(std::chrono::seconds(1));
  auto windows = measure_windows(
      count, [&probe] { return probe.page_ns(); }, measure);
  report.figure("a fresh page, in the best window", windows.least_probe_ns, "ns");
  report.figure("windows that count", static_cast<double>(windows.clean.size()),
                "of " + std::to_string(windows.clean.size() + windows.dirty));
  return std::move(windows.clean);
}

}  // namespace ddt::bench
