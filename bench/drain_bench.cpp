// drain_bench — how many Records a second one core reads, decodes and folds into Blocks.
//
// The sidecar's own Drain over real Segments. Lanes are filled, then flushed out of every cache, then
// drained to the end and timed; filling is not timed. What the append thread would take is thrown away.
// Rates are per second of the core (the thread's CPU time): another process on it is no part of them.
//
// Exit code 0 when samples and facts meet their gates.
#include <time.h>
#include <x86intrin.h>

#include <ddt/telemetry.hpp>
#include <filesystem>
#include <memory>
#include <vector>

#include "bench/harness/report.hpp"
#include "shm/segment.hpp"
#include "sidecar/drain/drain.hpp"

namespace {

using namespace ddt::bench;
using ddt::monotonic_ns;
using ddt::Published;

constexpr std::size_t kSegments = 16;
constexpr std::size_t kQueueBytesMax = 1U << 30;

std::int64_t thread_cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

class DrainBench {
 public:
  explicit DrainBench(const Options& options)
      : options_(options),
        queue_(kQueueBytesMax),
        drain_({.directory = options.directory}, {}, queue_, exchange_) {
    for (std::size_t i = 0; i < kSegments; ++i) {
      bots_.push_back(std::make_unique<ddt::Telemetry>(
          ddt::TelemetryOptions{.profile_id = static_cast<std::int32_t>(i + 1),
                                .script_name = "order_monitor",
                                .directory = options.directory}));
      endpoints_.push_back(bots_.back()->name("POST /v2/orders"));
    }
    drain_all();  // opens them, and finds the Lanes
    const auto names = ddt::segment_names(options.directory);
    if (!names) return;
    for (const std::string& name : *names) {
      auto reader = ddt::SegmentReader::open(options.directory, name);
      if (reader) readers_.push_back(std::move(*reader));
    }
  }

  // Records per second, in millions; the median of the rounds.
  template <typename Fill>
  double rate(std::size_t rounds, Fill fill) {
    std::vector<double> rates;
    for (std::size_t round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < kSegments; ++i) {
        while (fill(*bots_[i], endpoints_[i]) == Published::ok) {
        }
      }
      flush_caches();
      rates.push_back(drain_all());
    }
    return median(std::move(rates));
  }

 private:
  // Until nothing is left; what comes after the drain is not timed.
  double drain_all() {
    std::size_t records = 0;
    std::int64_t spent_ns = 0;
    while (true) {
      const std::int64_t begin_ns = thread_cpu_ns();
      const std::size_t read = drain_.work(monotonic_ns());
      spent_ns += thread_cpu_ns() - begin_ns;
      commit();
      if (read == 0) break;
      records += read;
    }
    return static_cast<double>(records) * 1e3 / static_cast<double>(spent_ns);
  }

  void flush_caches() {
    for (const ddt::SegmentReader& reader : readers_) {
      for (std::size_t at = 0; at < reader.mapped_bytes() && at < kFlushedBytes; at += 64)
        _mm_clflush(reader.begin() + at);
    }
    _mm_mfence();
  }

  // As MySQL would: every Block is committed, and its lines are given back by the next turn.
  void commit() {
    drain_.flush(monotonic_ns());
    while (auto batch = queue_.pop()) {
      for (const auto& block : batch->blocks)
        exchange_.committed.put({.lane = block.lane, .position = block.to, .counts = block.counts});
      queue_.done(*batch);
    }
    exchange_.mysql_committed_at_ns = monotonic_ns();
  }

  static constexpr std::size_t kFlushedBytes = (1U << 20) + (1U << 18);  // header and first Lane
  const Options& options_;
  ddt::sidecar::Exchange exchange_;
  ddt::sidecar::BatchQueue queue_;
  std::vector<std::unique_ptr<ddt::Telemetry>> bots_;
  std::vector<ddt::NameId> endpoints_;
  std::vector<ddt::SegmentReader> readers_;
  ddt::sidecar::Drain drain_;
};

// Up to a millisecond, another one each time.
std::int64_t next_duration_ns() {
  static std::int64_t duration_ns = 0;
  return duration_ns = (duration_ns * 25'214'903'917 + 11) & 0xF'FFFF;
}

Published say_latency(ddt::Telemetry& bot, ddt::NameId endpoint) {
  return bot.publish(
      ddt::Latency{.endpoint = endpoint, .duration_ns = next_duration_ns(), .outcome = 200});
}
Published say_metric(ddt::Telemetry& bot, ddt::NameId name) {
  return bot.publish(ddt::Metric{
      .name = name, .type = ddt::MetricType::distribution, .value_e8 = next_duration_ns()});
}
Published say_equity(ddt::Telemetry& bot, ddt::NameId) {
  return bot.publish(ddt::Equity{.account_equity_e8 = next_duration_ns()});
}
Published say_trade(ddt::Telemetry& bot, ddt::NameId) {
  return bot.publish(ddt::Trade{.symbol = "SPY",
                                .trade_type = "breakout",
                                .side = "buy",
                                .quantity_e8 = ddt::e8_from_int(10),
                                .entry_price_e8 = ddt::e8_from_int(167),
                                .exit_price_e8 = ddt::e8_from_int(168),
                                .exit_reason = "profit_target"});
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  pin(options.producer_cpu);
  Report report(options);
  report.heading("drain and fold", "one core, 16 Lanes out of cache");
  {
    const auto bench = std::make_unique<DrainBench>(options);
    const std::size_t rounds = options.gates_only ? 10 : 30;
    report.gate_at_least("drain and fold, samples", bench->rate(rounds, say_latency), 20, "M/s");
    report.gate_at_least("drain and fold, facts", bench->rate(rounds, say_trade), 2, "M/s");
    if (!options.gates_only) {
      report.figure("own metrics, as distributions", bench->rate(rounds, say_metric), "M/s");
      report.figure("equity readings", bench->rate(rounds, say_equity), "M/s");
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(options.directory, ignored);
  return report.passed() ? 0 : 1;
}
