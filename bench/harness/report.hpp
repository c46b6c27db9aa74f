// bench/harness/report.hpp — what a benchmark says: a table for people, JSON lines for scripts/bench.
//
// One JSON object a line: {"machine": …}, {"row": …, "section": …, …, "curve": [[percentile, ns], …]},
// {"figure": …, "column": …, "value": …, "unit": …}, {"note": …},
// {"gate": …, "value": …, "limit": …, "passed": …}.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "bench/harness/rows.hpp"

namespace ddt::bench {

// Options every benchmark takes: --json FILE, --cpus PRODUCER,CONSUMER, --samples N, --directory DIR,
// --gates.
struct Options {
  std::string program;
  std::string json;
  std::string directory;  // default: a fresh one in /dev/shm
  std::uint64_t samples = 2'000'000;
  int producer_cpu = 0, consumer_cpu = 1;
  bool gates_only = false;
};
// Prints what is wrong and exits with 2, as the tools do.
Options parse_options(int argc, char** argv);

std::string cpu_model();
// As a JSON string; control characters become spaces.
std::string quoted(const std::string& text);

class Report {
 public:
  explicit Report(const Options& options);

  void heading(const std::string& section, const std::string& text);
  // A row of nanoseconds; `row` is sorted.
  void row(const Row& row, const Figures& figures, double ratio, double ticks_per_ns,
           double empty_p50);
  // A row of one figure: "23.1 M samples/s".
  void figure(const std::string& name, double value, const std::string& unit);
  // A figure that stands in one table with others: the page has a line per row and a column per column.
  void cell(const std::string& row, const std::string& column, double value,
            const std::string& unit);
  // What could not be measured, and why: "LTTng-UST: not installed".
  void note(const std::string& text);
  // value ≤ limit, or value ≥ limit.
  void gate_at_most(const std::string& name, double value, double limit, const std::string& unit);
  void gate_at_least(const std::string& name, double value, double limit, const std::string& unit);
  // A gate that fails because there is no value for it: in JSON, `value` is null and `reason` says why.
  void gate_not_measured(const std::string& name, const std::string& reason);
  bool passed() const noexcept { return passed_; }

 private:
  void gate(const std::string& name, double value, const char* relation, double limit,
            const std::string& unit, bool passed);

  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> json_;
  std::string section_;
  bool gates_only_ = false, passed_ = true, is_header_due_ = true;
};

}  // namespace ddt::bench
