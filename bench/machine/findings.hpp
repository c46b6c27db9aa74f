// bench/machine/findings.hpp — what a machine does to telemetry: measured figures, and advice in plain words.
//
// Units     *_ns nanoseconds, *_hz per second, *_bytes bytes.
// Threads   measure() pins the calling thread and makes one more; both run for about `seconds`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ddt::bench {

struct Findings {
  std::string cpu_model, kernel, clock_source;  // clock_source: what the kernel keeps time by
  int cpus = 0, producer_cpu = 0, consumer_cpu = 0;
  std::string isolated_cpus;  // as the kernel lists them, "" = none

  bool tsc_is_invariant = false;
  double tsc_ghz = 0;
  double tsc_offset_ns = 0;      // between the two CPUs; what cannot be told from 0 is 0
  double tsc_resolution_ns = 0;  // the smallest step seen

  double rdtsc_ns = 0, rdtscp_ns = 0, clock_gettime_ns = 0;
  double one_way_ns = 0;  // a line from one CPU to the other, half of a round trip, median

  double gaps_hz = 0, gap_median_ns = 0, gap_max_ns = 0;  // the CPU was taken away for over a µs
  double first_touch_ns = 0, touch_ns = 0;                // a page of shared memory, new and again
  double sleep_default_ns = 0, sleep_without_slack_ns = 0;  // what sleeping 50 µs takes

  std::uint64_t shm_bytes = 0, shm_free_bytes = 0;
  std::uint64_t lane_bytes = 0;  // of one Lane of default length
};

Findings measure(int producer_cpu, int consumer_cpu, double seconds);

// What to do about them; empty when all is well.
std::vector<std::string> advice_for(const Findings& findings);

std::string text_of(const Findings& findings, const std::vector<std::string>& advice);
std::string json_of(const Findings& findings, const std::vector<std::string>& advice);

}  // namespace ddt::bench
