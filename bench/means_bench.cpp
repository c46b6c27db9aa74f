// means_bench — Google Benchmark's means beside the percentiles of publish_bench: nanoseconds of one publish when many
// follow each other, of every kind, stamped, with the caller's own TSC and disabled.
//
// A batch fits the Lane and is timed as a whole; before the next one the partner, which drains without rest or not at
// all while the batch runs, has given everything back. So no publish is refused, and none waits. A batch in which the
// scheduler took the CPU away is repeated.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <ddt/telemetry.hpp>
#include <memory>
#include <optional>

#include "bench/harness/kinds.hpp"
#include "bench/harness/partner.hpp"
#include "bench/harness/private_ring.hpp"
#include "bench/harness/report.hpp"

namespace {

using namespace ddt::bench;

constexpr std::uint32_t kBatch = 1'000;  // the longest kind takes four lines: a quarter of a Lane
constexpr int kTries = 5;                // of a batch in which the scheduler took the CPU away
constexpr double kMinTimeS = 0.05;       // of publishing; what the partner drains comes on top

// "row|column" of the report's table.
class TableReporter : public benchmark::BenchmarkReporter {
 public:
  explicit TableReporter(Report& report) : report_(report) {}
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const std::string& name = run.run_name.function_name;
      const std::size_t bar = name.find('|');
      if (run.error_occurred) {
        has_failed_ = true;
        report_.note(name + ": " + run.error_message);
        continue;
      }
      report_.cell(name.substr(0, bar), name.substr(bar + 1), run.GetAdjustedRealTime() / kBatch,
                   "ns");
    }
  }
  bool has_failed() const noexcept { return has_failed_; }

 private:
  Report& report_;
  bool has_failed_ = false;
};

class MeansBench {
 public:
  MeansBench(const Options& options, Partner& partner)
      : partner_(partner),
        telemetry_({.profile_id = 7, .script_name = "bench", .directory = options.directory}),
        disabled_({.profile_id = 7, .script_name = "bench", .enabled = false}),
        subject_{.endpoint = telemetry_.name("POST /v2/orders"),
                 .time_ns = ddt::wall_ns(),
                 .ticks = __rdtsc()} {}
  bool is_attached() const { return telemetry_.is_attached(); }

  void add_all() {
    add("64 B private ring", "stamped", [this](std::uint32_t i) { return ring_.store<true>(i); });
    add("64 B private ring", "own TSC", [this](std::uint32_t i) { return ring_.store<false>(i); });
    for (std::size_t i = 0; i < kKinds; ++i) {
      const KindName& name = kKindNames[i];
      const char* stamp = name.is_own_ticks ? "own TSC" : "stamped";
      with_kind(static_cast<Kind>(i), subject_, [&](auto make) {
        add(name.kind, std::string(stamp) + ", consumer busy", publishing(make), Mode::busy);
        add(name.kind, std::string(stamp) + ", absent", publishing(make), Mode::absent);
        if (name.is_own_ticks) return;
        add(name.kind, "disabled", [this, make](std::uint32_t n) {
          return disabled_.publish(make(n)) == ddt::Published::detached;
        });
      });
    }
  }

 private:
  template <typename Make>
  auto publishing(Make make) {
    return
        [this, make](std::uint32_t i) { return telemetry_.publish(make(i)) == ddt::Published::ok; };
  }

  // Without a mode: nothing goes into the Lane.
  template <typename Operation>
  void add(const std::string& row, const std::string& column, Operation operation,
           std::optional<Mode> mode = std::nullopt) {
    benchmark::RegisterBenchmark(
        (row + "|" + column).c_str(),
        [this, operation, mode](benchmark::State& state) { run(state, operation, mode); })
        ->UseManualTime()
        ->MinTime(kMinTimeS);
  }

  template <typename Operation>
  void run(benchmark::State& state, Operation operation, std::optional<Mode> mode) {
    for ([[maybe_unused]] auto _ : state) {
      std::int64_t took_ns = 0;
      bool is_clean = false;
      for (int i = 0; i < kTries && !is_clean; ++i) {
        if (mode) empty_the_lane(*mode);
        const long switches = involuntary_switches();
        took_ns = run_batch(state, operation);
        is_clean = involuntary_switches() == switches;
      }
      state.SetIterationTime(static_cast<double>(took_ns) * 1e-9);
    }
  }

  template <typename Operation>
  static std::int64_t run_batch(benchmark::State& state, Operation operation) {
    std::uint32_t taken = 0;
    const std::int64_t begin_ns = ddt::monotonic_ns();
    for (std::uint32_t i = 0; i < kBatch; ++i) taken += operation(i) ? 1 : 0;
    const std::int64_t end_ns = ddt::monotonic_ns();
    if (taken != kBatch) state.SkipWithError("a publish was refused");
    return end_ns - begin_ns;
  }

  void empty_the_lane(Mode mode) {
    if (telemetry_.lines_free() < telemetry_.lane_lines()) set_mode(Mode::busy);
    while (telemetry_.lines_free() < telemetry_.lane_lines()) ::sched_yield();
    set_mode(mode);
  }

  // Costs system calls, and the batch behind them cold caches: only where it must be.
  void set_mode(Mode mode) {
    if (mode != mode_) partner_.set_mode(mode_ = mode);
  }

  Partner& partner_;
  Mode mode_ = Mode::absent;
  ddt::Telemetry telemetry_, disabled_;
  const Subject subject_;
  PrivateRing ring_;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Partner partner(options);
  Report report(options);
  const auto bench = std::make_unique<MeansBench>(options, partner);
  if (!bench->is_attached()) {
    std::fprintf(stderr, "means_bench: no Segment in %s\n", options.directory.c_str());
    return 2;
  }
  report.heading("mean of a publish, flat out",
                 "Google Benchmark, batches of 1,000 into an empty Lane");
  bench->add_all();
  TableReporter reporter(report);
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return reporter.has_failed() ? 1 : 0;
}
