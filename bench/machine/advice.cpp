#include <cmath>
#include <cstdio>

#include "bench/harness/report.hpp"
#include "bench/machine/findings.hpp"

namespace ddt::bench {
namespace {

constexpr double kFarOneWayNs = 120;
constexpr double kCheapStampNs = 25;
constexpr double kTornOffNs = 20'000;   // what stands out even of 99.9 % of publishes
constexpr double kBusyCpuGapsHz = 300;  // a tick of 250 Hz and a little
constexpr std::uint64_t kLanesWanted = 1'000;

std::string number(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

struct Line {
  const char* key;    // in JSON
  const char* label;  // for people
  std::string value;
  const char* unit;
  bool is_text = false;
};

std::vector<Line> lines_of(const Findings& f) {
  const std::string pair = std::to_string(f.producer_cpu) + "," + std::to_string(f.consumer_cpu);
  return {
      {"cpu_model", "CPU", f.cpu_model, "", true},
      {"kernel", "kernel", f.kernel, "", true},
      {"cpus", "CPUs", std::to_string(f.cpus), ""},
      {"pair", "measured on CPUs", pair, "", true},
      {"isolated_cpus", "isolated CPUs", f.isolated_cpus, "", true},
      {"clock_source", "kernel's clock source", f.clock_source, "", true},
      {"tsc_is_invariant", "TSC is invariant", f.tsc_is_invariant ? "true" : "false", ""},
      {"tsc_ghz", "TSC frequency", number(f.tsc_ghz, 3), "GHz"},
      {"tsc_resolution_ns", "TSC's smallest step", number(f.tsc_resolution_ns, 1), "ns"},
      {"tsc_offset_ns", "TSC offset of the two CPUs", number(f.tsc_offset_ns, 1), "ns"},
      {"rdtsc_ns", "stamp: rdtsc", number(f.rdtsc_ns, 1), "ns"},
      {"rdtscp_ns", "stamp: rdtscp", number(f.rdtscp_ns, 1), "ns"},
      {"clock_gettime_ns", "stamp: clock_gettime", number(f.clock_gettime_ns, 1), "ns"},
      {"one_way_ns", "a line to the other CPU", number(f.one_way_ns, 1), "ns"},
      {"gaps_hz", "interruptions over 1 µs", number(f.gaps_hz, 0), "/s"},
      {"gap_median_ns", "their median", number(f.gap_median_ns, 0), "ns"},
      {"gap_max_ns", "the longest", number(f.gap_max_ns, 0), "ns"},
      {"first_touch_ns", "first store into a page", number(f.first_touch_ns, 0), "ns"},
      {"touch_ns", "the next one", number(f.touch_ns, 0), "ns"},
      {"sleep_default_ns", "sleeping 50 µs takes", number(f.sleep_default_ns, 0), "ns"},
      {"sleep_without_slack_ns", "without timer slack", number(f.sleep_without_slack_ns, 0), "ns"},
      {"shm_bytes", "/dev/shm", std::to_string(f.shm_bytes), "bytes"},
      {"shm_free_bytes", "of it free", std::to_string(f.shm_free_bytes), "bytes"},
      {"lane_bytes", "a Lane of default length", std::to_string(f.lane_bytes), "bytes"},
  };
}

}  // namespace

std::vector<std::string> advice_for(const Findings& f) {
  std::vector<std::string> advice;
  if (!f.tsc_is_invariant)
    advice.emplace_back(
        "The TSC is not invariant: stamps cost a clock_gettime. Choose a host that offers it.");
  if (std::abs(f.tsc_offset_ns) > 0)
    advice.push_back("The TSCs of the two CPUs differ by " + number(f.tsc_offset_ns, 0) +
                     " ns: times of Records from different CPUs are off by that much.");
  if (f.rdtsc_ns > kCheapStampNs)
    advice.push_back("Reading the TSC takes " + number(f.rdtsc_ns, 0) +
                     " ns: the hypervisor traps it. Pass ticks the bot has anyway (stamp_ticks).");
  if (f.one_way_ns > kFarOneWayNs)
    advice.push_back("A line takes " + number(f.one_way_ns, 0) +
                     " ns to the other CPU: they share no cache. A publish does not care; for the "
                     "lowest latency "
                     "to the reader run both on one socket or core complex.");
  if (f.gaps_hz > kBusyCpuGapsHz || f.gap_max_ns > kTornOffNs)
    advice.push_back(
        "CPU " + std::to_string(f.producer_cpu) + " was taken away " + number(f.gaps_hz, 0) +
        " times a second, once for " + number(f.gap_max_ns / 1e3, 0) +
        " µs: that is the tail of every latency. Isolate the bot's CPUs (isolcpus=, nohz_full=, "
        "rcu_nocbs= on the kernel's command line; interrupts elsewhere).");
  if (f.sleep_default_ns > 1.5 * f.sleep_without_slack_ns)
    advice.push_back("Timer slack makes a sleep of 50 µs take " +
                     number(f.sleep_default_ns / 1e3, 0) +
                     " µs: a bot that sleeps between polls wants prctl(PR_SET_TIMERSLACK, 1). The "
                     "sidecar does it.");
  if (f.first_touch_ns > 10 * f.touch_ns)
    advice.push_back("The first store into a page takes " + number(f.first_touch_ns, 0) +
                     " ns: call attach_thread() at start; it touches all of the thread's Lane.");
  if (f.lane_bytes > 0 && f.shm_free_bytes / f.lane_bytes < kLanesWanted)
    advice.push_back(
        "/dev/shm has room for " + std::to_string(f.shm_free_bytes / f.lane_bytes) +
        " Lanes of default length: enlarge it (mount -o remount,size=…) or make Lanes shorter "
        "(lane_lines) where there are more threads than that.");
  return advice;
}

std::string text_of(const Findings& findings, const std::vector<std::string>& advice) {
  std::string text;
  for (const Line& line : lines_of(findings)) {
    char buffer[256];
    std::snprintf(buffer, sizeof buffer, "%-28s %s %s\n", line.label,
                  line.value.empty() ? "none" : line.value.c_str(), line.unit);
    text += buffer;
  }
  text += advice.empty() ? "\nNothing to advise.\n" : "\nAdvice\n";
  for (const std::string& one : advice) text += "- " + one + "\n";
  return text;
}

std::string json_of(const Findings& findings, const std::vector<std::string>& advice) {
  std::string json = "{";
  for (const Line& line : lines_of(findings))
    json += quoted(line.key) + ": " + (line.is_text ? quoted(line.value) : line.value) + ", ";
  json += "\"advice\": [";
  for (std::size_t i = 0; i < advice.size(); ++i) json += (i == 0 ? "" : ", ") + quoted(advice[i]);
  return json + "]}\n";
}

}  // namespace ddt::bench
