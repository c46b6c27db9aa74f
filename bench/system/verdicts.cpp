#include "bench/system/verdicts.hpp"

#include <exception>

namespace ddt::bench {

void Verdicts::say(const Gate& gate, double value) {
  said_.insert(&gate);
  if (gate.relation == Gate::at_most) {
    report_.gate_at_most(gate.name, value, gate.limit, gate.unit);
  } else {
    report_.gate_at_least(gate.name, value, gate.limit, gate.unit);
  }
}

void Verdicts::fail_the_rest(std::span<const Gate> gates, const std::string& reason) {
  for (const Gate& gate : gates) {
    if (said_.insert(&gate).second) report_.gate_not_measured(gate.name, reason);
  }
}

int run_with_gates(int argc, char** argv, std::span<const Gate> gates, const Measure& measure) {
  const Options options = parse_options(argc, argv);
  Report report(options);
  Verdicts verdicts(report);
  std::string reason = "the benchmark ended before";
  try {
    measure(options, report, verdicts);
  } catch (const std::exception& error) {
    reason = error.what();
  }
  verdicts.fail_the_rest(gates, reason);
  return report.passed() ? 0 : 1;
}

}  // namespace ddt::bench
