// bench/system/verdicts.hpp — the gates of a benchmark with servers: each is said, whatever happens.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>

#include "bench/harness/report.hpp"

namespace ddt::bench {

struct Gate {
  const char* name;
  enum Relation { at_most, at_least } relation;
  double limit;
  const char* unit;
};

class Verdicts {
 public:
  explicit Verdicts(Report& report) : report_(report) {}
  void say(const Gate& gate, double value);
  // FAIL for every gate that has not been said.
  void fail_the_rest(std::span<const Gate> gates, const std::string& reason);

 private:
  Report& report_;
  std::set<const Gate*> said_;
};

using Measure = std::function<void(const Options&, Report&, Verdicts&)>;

// A benchmark's main: a gate that `measure` did not reach is printed as FAIL. Exit code: 0 all passed, 1 not.
int run_with_gates(int argc, char** argv, std::span<const Gate> gates, const Measure& measure);

}  // namespace ddt::bench
