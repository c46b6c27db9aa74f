// bench/system/windows.hpp — which of several windows of a measurement count, on a machine that others use, too.
//
// The same work takes up to twice as long while neighbours use the caches and the hypervisor, for seconds to minutes at
// a time. Ratios of what is interleaved do not see that; the CPU time of a process does. So a fixed piece of work is
// timed beside it (probe.hpp): where that took longer than it can, so did everything else, and the window is measured
// again. The probe alone decides which windows count, never what was measured in them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

namespace ddt::bench {

// In a dirty window the probe took more than this times the least.
inline constexpr double kDirty = 1.15;

struct WindowCount {
  std::size_t clean, at_most;  // at least 1
};

template <typename Measured>
struct Windows {
  std::vector<Measured> clean = {};  // one at least
  std::size_t dirty = 0;
  double least_probe_ns = 0;  // of a window
};

// measure() once for each window, until as many as wanted are clean beside the best, or there are as many as there may
// be. probe_ns() is what the probe took since it was last asked.
template <typename Probe, typename Measure>
auto measure_windows(WindowCount count, Probe&& probe_ns, Measure&& measure) {
  using Measured = decltype(measure());
  std::vector<std::pair<double, Measured>> all;
  Windows<Measured> windows{.least_probe_ns = std::numeric_limits<double>::infinity()};
  const auto is_clean = [&windows](const auto& window) {
    return window.first <= kDirty * windows.least_probe_ns;
  };
  probe_ns();  // what came before is no window
  while (all.size() < count.at_most &&
         static_cast<std::size_t>(std::ranges::count_if(all, is_clean)) < count.clean) {
    Measured measured = measure();
    all.emplace_back(probe_ns(), std::move(measured));
    windows.least_probe_ns = std::min(windows.least_probe_ns, all.back().first);
  }
  windows.dirty = static_cast<std::size_t>(std::ranges::count_if(all, std::not_fn(is_clean)));
  for (auto& window : all) {
    if (is_clean(window)) windows.clean.push_back(std::move(window.second));
  }
  return windows;
}

}  // namespace ddt::bench
