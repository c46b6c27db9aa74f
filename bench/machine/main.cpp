// ddt-bench: what this machine does to telemetry, and what to do about it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <thread>

#include "bench/machine/findings.hpp"

namespace {

constexpr double kSecondsMax = 600;

}  // namespace

int main(int argc, char** argv) {
  std::vector<int> cpus{0, 1};
  double seconds = 1;
  bool is_json = false;
  CLI::App app{
      "Measures what this machine does to telemetry (stamps, cores, interruptions, pages, timers, "
      "/dev/shm) and advises. Best while nothing else runs.",
      "ddt-bench"};
  app.add_option("--cpus", cpus, "the bot's CPU and the sidecar's, as 0,1")
      ->delimiter(',')
      ->expected(2);
  app.add_option("--seconds", seconds, "how long each of the longer measurements takes")
      ->check(CLI::Range(0.01, kSecondsMax));
  app.add_flag("--json", is_json, "one JSON object instead of text");
  try {
    app.parse(argc, argv);
    const int count = static_cast<int>(std::thread::hardware_concurrency());
    for (const int cpu : cpus) {
      if (cpu < 0 || cpu >= count)
        throw CLI::ValidationError("--cpus",
                                   "this machine has CPUs 0 to " + std::to_string(count - 1));
    }
    if (cpus[0] == cpus[1]) throw CLI::ValidationError("--cpus", "two different CPUs");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const ddt::bench::Findings findings = ddt::bench::measure(cpus[0], cpus[1], seconds);
  const std::vector<std::string> advice = ddt::bench::advice_for(findings);
  const std::string said = is_json ? json_of(findings, advice) : text_of(findings, advice);
  std::fputs(said.c_str(), stdout);
  return 0;
}
