// publish_bench — what a publish costs its bot, beside the least that storing 64 bytes can cost.
//
// A forked consumer drains the bot's Segment as the sidecar does (SegmentReader, LaneReader), on a
// CPU of its own, busy or every 50 µs. The producer says one message per µs through the public
// header; each is timed with a pair of rdtscp;lfence. Variants take turns block by block, so that
// what disturbs one disturbs all. A block in which the scheduler took the CPU away is repeated.
//
//   p50 p99 p99.9   of the pair less the median of an empty pair, ns
//   tm              mean of the fastest 99 % less that of the empty pair, ns
//   ratio           median over the rounds of tm / tm of the private ring in the same round
//
// The limit: a 64-byte line stored into a private ring that stays in L1, stamped with rdtsc.
// Exit code 0 when a sample's p50 and p99 are within 10 ns of the limit's, with either consumer.
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ddt/telemetry.hpp>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "shm/segment.hpp"

namespace {

constexpr double kGateNs = 10.0;
constexpr std::uint32_t kBlockMessages = 2'000;  // 2 ms: most fit between two scheduler ticks
constexpr std::size_t kOthersEvery = 4;          // rounds: rows that are not judged get a quarter
constexpr int kDrainEveryUs = 50;
constexpr std::int64_t kRepeatForNs = 20'000'000'000;  // a busy machine has no clean blocks
constexpr int kPings = 20'000;
constexpr double kNearOneWayNs = 120.0;  // cores that share a cache answer faster than that

struct Options {
  std::uint64_t samples = 2'000'000;
  double interval_us = 1.0;
  int producer_cpu = 0, consumer_cpu = 1;
  std::string directory;
};

// ── what the two processes tell each other ───────────────────────────────────────────────────────

enum class Mode : std::uint32_t { pause, busy, every_50us, ping, end };

struct Shared {
  alignas(128) std::atomic<Mode> mode;       // producer → consumer
  alignas(128) std::atomic<Mode> mode_seen;  // consumer → producer
  alignas(128) std::atomic<std::uint64_t> ping;
  alignas(128) std::atomic<std::uint64_t> pong;
  alignas(128) std::atomic<std::uint64_t> records;  // drained
  std::atomic<std::uint64_t> broken;                // corrupt, or an ordinal out of order
};

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) std::perror("publish_bench: pin");
}

// ── the consumer: the sidecar's drain without what follows it ────────────────────────────────────

class Consumer {
 public:
  Consumer(Shared& shared, const Options& options) : shared_(shared), options_(options) {}

  int run() {
    pin(options_.consumer_cpu);
    ::prctl(PR_SET_TIMERSLACK, 1UL);  // else 50 µs take 124
    for (;;) {
      const Mode mode = shared_.mode.load(std::memory_order_acquire);
      shared_.mode_seen.store(mode, std::memory_order_release);
      switch (mode) {
        case Mode::end:
          while (drain() != 0) {
          }
          return 0;
        case Mode::ping:
          answer_pings();
          break;
        case Mode::pause:
          sleep_us(kDrainEveryUs);
          break;
        case Mode::busy:
          for (int i = 0; i < 1'000; ++i) drain();
          break;
        case Mode::every_50us:
          drain();
          sleep_us(kDrainEveryUs);
          break;
      }
    }
  }

 private:
  static void sleep_us(int us) {
    const timespec time{.tv_sec = 0, .tv_nsec = us * 1000};
    ::nanosleep(&time, nullptr);
  }

  void answer_pings() {
    std::uint64_t seen = shared_.pong.load(std::memory_order_relaxed);
    while (shared_.mode.load(std::memory_order_relaxed) == Mode::ping) {
      const std::uint64_t ping = shared_.ping.load(std::memory_order_acquire);
      if (ping != seen) shared_.pong.store(seen = ping, std::memory_order_release);
    }
  }

  bool open() {
    if (segment_) return true;
    auto names = ddt::segment_names(options_.directory);
    if (!names || names->empty()) return false;
    auto segment = ddt::SegmentReader::open(options_.directory, names->front());
    if (!segment || segment->lane_count() == 0) return false;
    segment_.emplace(std::move(*segment));
    lane_ = segment_->lane(0, 0);
    return true;
  }

  std::uint64_t drain() {
    if (!open()) return 0;
    std::uint64_t records = 0;
    for (;;) {
      const ddt::Peeked peeked = lane_.read(record_);
      if (peeked == ddt::Peeked::empty) break;
      const bool in_order = record_.head.ordinal - record_.head.refused == next_published_;
      if (peeked == ddt::Peeked::corrupt || !in_order) {
        shared_.broken.fetch_add(1, std::memory_order_relaxed);
        if (peeked == ddt::Peeked::corrupt) break;
      }
      next_published_ = record_.head.ordinal - record_.head.refused + 1;
      ++records;
    }
    if (records != 0) {
      lane_.release(lane_.next());
      shared_.records.fetch_add(records, std::memory_order_relaxed);
    }
    return records;
  }

  Shared& shared_;
  const Options& options_;
  std::optional<ddt::SegmentReader> segment_;
  ddt::LaneReader lane_;
  ddt::RecordCopy record_{};
  std::uint64_t next_published_ = 0;
};

// ── timing ───────────────────────────────────────────────────────────────────────────────────────

inline std::uint64_t fenced_ticks() {
  unsigned cpu;
  const std::uint64_t ticks = __rdtscp(&cpu);
  _mm_lfence();
  return ticks;
}

double measure_ticks_per_ns() {
  const std::int64_t begin_ns = ddt::monotonic_ns();
  const std::uint64_t begin = __rdtsc();
  while (ddt::monotonic_ns() - begin_ns < 100'000'000) {
  }
  return static_cast<double>(__rdtsc() - begin) /
         static_cast<double>(ddt::monotonic_ns() - begin_ns);
}

long involuntary_switches() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

struct Block {
  std::array<std::uint32_t, kBlockMessages> ticks;
  std::uint32_t messages = 0;  // those that were published
  std::uint32_t refused = 0;
  bool is_clean = true;
};

// One message every `interval` ticks; operation(i) says whether it was published.
template <typename Operation>
[[gnu::noinline]] void run_block(Operation operation, std::uint64_t interval, Block& block) {
  block.messages = block.refused = 0;
  const long switches = involuntary_switches();
  std::uint64_t due = __rdtsc() + interval;
  for (std::uint32_t i = 0; i < kBlockMessages; ++i) {
    while (__rdtsc() < due) {
    }
    const std::uint64_t begin = fenced_ticks();
    const bool published = operation(i);
    asm volatile("" ::: "memory");
    const std::uint64_t end = fenced_ticks();
    if (published) {
      block.ticks[block.messages++] =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(end - begin, 0xFFFF'FFFFU));
    } else {
      ++block.refused;
    }
    due = std::max(due + interval, end);  // after a pause: no burst
  }
  block.is_clean = involuntary_switches() == switches;
}

double trimmed_mean(std::vector<std::uint32_t>& sorted) {
  const std::size_t kept = sorted.size() - sorted.size() / 100;
  double sum = 0;
  for (std::size_t i = 0; i < kept; ++i) sum += sorted[i];
  return kept == 0 ? 0 : sum / static_cast<double>(kept);
}

struct Row {
  std::string_view name;
  std::vector<std::uint32_t> ticks = {};
  std::vector<std::size_t> rounds = {};
  std::vector<double> round_means = {};  // ticks; the trimmed mean of that round's block
  std::uint64_t refused = 0, repeated_blocks = 0, dirty_blocks = 0;

  void take(std::size_t round, const Block& block) {
    ticks.insert(ticks.end(), block.ticks.begin(), block.ticks.begin() + block.messages);
    std::vector<std::uint32_t> sorted(block.ticks.begin(), block.ticks.begin() + block.messages);
    std::sort(sorted.begin(), sorted.end());
    rounds.push_back(round);
    round_means.push_back(trimmed_mean(sorted));
    refused += block.refused;
  }
};

struct Figures {
  double p50, p99, p999, tm;
};

Figures figures_of(Row& row, double ticks_per_ns) {
  std::sort(row.ticks.begin(), row.ticks.end());
  const auto at = [&](double share) {
    if (row.ticks.empty()) return 0.0;
    const auto i = static_cast<std::size_t>(share * static_cast<double>(row.ticks.size() - 1));
    return row.ticks[i] / ticks_per_ns;
  };
  return {at(0.5), at(0.99), at(0.999), trimmed_mean(row.ticks) / ticks_per_ns};
}

// ── the variants ─────────────────────────────────────────────────────────────────────────────────

// 64-byte lines of one thread's own memory; 16 KiB, so that they stay in L1.
class PrivateRing {
 public:
  template <bool Stamped>
  bool store(std::uint64_t duration) noexcept {
    Line& line = lines_[position_ % kLines];
    line.ordinal = position_;
    line.refused = 0;
    line.stamp = Stamped ? __rdtsc() : duration;
    line.kind = 9;
    line.duration = duration;
    line.rest[0] = line.rest[1] = 0;
    std::atomic_ref(line.sequence).store(position_ + 1, std::memory_order_release);
    ++position_;
    return true;
  }

 private:
  static constexpr std::uint64_t kLines = 256;
  struct alignas(64) Line {
    std::uint64_t sequence, ordinal, refused, stamp, kind, duration, rest[2];
  };
  static_assert(sizeof(Line) == 64);
  std::uint64_t position_ = 0;
  std::array<Line, kLines> lines_{};
};

enum Variant : std::size_t {
  kEmpty,
  kRing,
  kRingUnstamped,
  kSample,
  kSampleOwnTime,
  kTrade,
  kTradeMade,
  kDisabled,
  kVariants
};
constexpr std::array<std::string_view, kVariants> kNames{
    "empty timing pair",
    "64 B private ring, stamped (the limit)",
    "64 B private ring, no stamp",
    "sample, stamped",
    "sample, caller's own time",
    "trade (symbol, prices, times, reason)",
    "the same, its words looked up in the call",
    "disabled Telemetry"};

class Bench {
 public:
  Bench(Shared& shared, const Options& options)
      : shared_(shared),
        options_(options),
        ticks_per_ns_(measure_ticks_per_ns()),
        interval_(static_cast<std::uint64_t>(options.interval_us * 1000 * ticks_per_ns_)),
        telemetry_({.profile_id = 7, .script_name = "bench", .directory = options.directory}),
        disabled_({.profile_id = 7, .script_name = "bench", .enabled = false}),
        endpoint_(telemetry_.name("POST /v2/orders")) {}

  bool run() {
    if (!telemetry_.is_attached()) {
      std::fprintf(stderr, "publish_bench: %s\n", telemetry_.status_text().c_str());
      return false;
    }
    print_machine();
    bool passed = true;
    for (const Mode mode : {Mode::busy, Mode::every_50us}) passed = run_mode(mode) && passed;
    set_mode(Mode::end);
    return passed;
  }
  std::uint64_t published() const { return published_; }

 private:
  void print_machine() const {
    utsname name{};
    ::uname(&name);
    std::printf(
        "publish_bench: %s %s, g++ %s, TSC %.3f GHz, producer on CPU %d, consumer on CPU %d\n",
        name.sysname, name.release, __VERSION__, ticks_per_ns_, options_.producer_cpu,
        options_.consumer_cpu);
    std::printf("one message per %.1f µs, blocks of %u messages, variants interleaved\n",
                options_.interval_us, kBlockMessages);
  }

  void set_mode(Mode mode) {
    shared_.mode.store(mode, std::memory_order_release);
    while (shared_.mode_seen.load(std::memory_order_acquire) != mode) ::sched_yield();
  }

  double one_way_ns() {
    set_mode(Mode::ping);
    std::vector<std::uint32_t> trips(kPings);
    std::uint64_t ping = shared_.ping.load(std::memory_order_relaxed);
    for (std::uint32_t& trip : trips) {
      const std::uint64_t begin = __rdtsc();
      shared_.ping.store(++ping, std::memory_order_release);
      while (shared_.pong.load(std::memory_order_acquire) != ping) {
      }
      trip = static_cast<std::uint32_t>(__rdtsc() - begin);
    }
    std::nth_element(trips.begin(), trips.begin() + kPings / 2, trips.end());
    return trips[kPings / 2] / ticks_per_ns_ / 2;
  }

  // Structs are made in the call, as bots make them; a trade also once, to tell its words' cost.
  void run_variant(std::size_t variant) {
    const std::int64_t now_ns = ddt::wall_ns();
    const auto run = [&](auto operation) { run_block(operation, interval_, block_); };
    switch (variant) {
      case kEmpty:
        return run([](std::uint32_t) { return true; });
      case kRing:
        return run([this](std::uint32_t i) { return ring_.store<true>(1'500'000 + i); });
      case kRingUnstamped:
        return run([this](std::uint32_t i) { return ring_.store<false>(1'500'000 + i); });
      case kSample:
        return run([this](std::uint32_t i) {
          return telemetry_.publish(ddt::Latency{
                     .endpoint = endpoint_, .duration_ns = 1'500'000 + i, .outcome = 200}) ==
                 ddt::Published::ok;
        });
      case kSampleOwnTime:
        return run([this, now_ns](std::uint32_t i) {
          return telemetry_.publish(ddt::Latency{.endpoint = endpoint_,
                                                 .duration_ns = 1'500'000 + i,
                                                 .outcome = 200,
                                                 .event_time_ns = now_ns + i}) ==
                 ddt::Published::ok;
        });
      case kTrade: {
        ddt::Trade trade = trade_of(now_ns);
        return run([&](std::uint32_t i) {
          trade.exit_price_e8 += i;
          return telemetry_.publish(trade) == ddt::Published::ok;
        });
      }
      case kTradeMade:
        return run([this, now_ns](std::uint32_t i) {
          return telemetry_.publish(trade_of(now_ns + i)) == ddt::Published::ok;
        });
      default:
        return run([this](std::uint32_t i) {
          return disabled_.publish(ddt::Latency{.endpoint = endpoint_, .duration_ns = i}) ==
                 ddt::Published::detached;
        });
    }
  }

  static ddt::Trade trade_of(std::int64_t time_ns) {
    return {.symbol = "SPY",
            .trade_type = "breakout",
            .side = "buy",
            .quantity_e8 = ddt::e8_from_int(10),
            .entry_price_e8 = ddt::e8_from_int(167),
            .exit_price_e8 = ddt::e8_from_int(168),
            .reference_price_e8 = ddt::e8_from_int(167),
            .entry_time_ns = time_ns,
            .exit_time_ns = time_ns,
            .exit_reason = "profit_target"};
  }

  bool run_mode(Mode mode) {
    const double one_way_before = one_way_ns();
    set_mode(mode);
    repeat_until_ns_ = ddt::monotonic_ns() + kRepeatForNs;
    std::vector<Row> rows(kVariants);
    for (std::size_t i = 0; i < kVariants; ++i) {
      rows[i].name = kNames[i];
      rows[i].ticks.reserve(options_.samples + options_.samples / 4 + kBlockMessages);
    }
    for (std::size_t i = 0; i < kVariants; ++i) run_one(i, 0, nullptr);  // warm up
    const auto is_short = [&](std::size_t i) { return rows[i].ticks.size() < options_.samples; };
    for (std::size_t round = 0; is_short(kEmpty) || is_short(kRing) || is_short(kSample); ++round) {
      for (std::size_t i = 0; i < kVariants; ++i) {
        const bool is_judged = i == kEmpty || i == kRing || i == kSample;
        if (is_judged || round % kOthersEvery == 0) run_one(i, round, &rows[i]);
      }
    }
    const double one_way_after = one_way_ns();
    return print(mode, rows, one_way_before, one_way_after);
  }

  // Repeats a block that the scheduler spoilt; after some tries it is taken as it is, and counted.
  void run_one(std::size_t variant, std::size_t round, Row* row) {
    constexpr int kTries = 5;
    for (int i = 1;; ++i) {
      run_variant(variant);
      if (variant >= kSample && variant <= kTradeMade) published_ += block_.messages;
      if (block_.is_clean || i == kTries || ddt::monotonic_ns() > repeat_until_ns_) break;
      if (row != nullptr) ++row->repeated_blocks;
    }
    if (row == nullptr) return;
    if (!block_.is_clean) ++row->dirty_blocks;
    row->take(round, block_);
  }

  bool print(Mode mode, std::vector<Row>& rows, double before_ns, double after_ns) {
    const bool near = before_ns < kNearOneWayNs && after_ns < kNearOneWayNs;
    std::printf("\nconsumer %s; ping-pong one way %.0f ns before, %.0f ns after: %s\n",
                mode == Mode::busy ? "busy" : "every 50 µs", before_ns, after_ns,
                near ? "near" : "far");
    std::printf("%-42s %9s %6s %6s %7s %6s %6s %8s %6s %8s\n", "ns", "samples", "p50", "p99",
                "p99.9", "tm", "ratio", "repeated", "dirty", "refused");
    const Figures empty = figures_of(rows[kEmpty], ticks_per_ns_);
    std::array<Figures, kVariants> figures{};
    for (std::size_t i = 0; i < kVariants; ++i) {
      Figures& f = figures[i] = figures_of(rows[i], ticks_per_ns_);
      if (i != kEmpty)
        f = {f.p50 - empty.p50, f.p99 - empty.p50, f.p999 - empty.p50, f.tm - empty.tm};
      std::printf("%-42s %9zu %6.1f %6.1f %7.1f %6.1f %6.2f %8llu %6llu %8llu\n",
                  std::string(rows[i].name).c_str(), rows[i].ticks.size(), f.p50, f.p99, f.p999,
                  f.tm, i == kEmpty ? 0.0 : median_ratio(rows[i], rows[kRing], rows[kEmpty]),
                  static_cast<unsigned long long>(rows[i].repeated_blocks),
                  static_cast<unsigned long long>(rows[i].dirty_blocks),
                  static_cast<unsigned long long>(rows[i].refused));
    }
    const double over_p50 = figures[kSample].p50 - figures[kRing].p50;
    const double over_p99 = figures[kSample].p99 - figures[kRing].p99;
    const bool passed = over_p50 <= kGateNs && over_p99 <= kGateNs;
    std::printf("%s sample within 10 ns of private ring (p50 %+.1f, p99 %+.1f), consumer %s\n",
                passed ? "PASS" : "FAIL", over_p50, over_p99,
                mode == Mode::busy ? "busy" : "every 50 µs");
    return passed;
  }

  static double median_ratio(const Row& row, const Row& limit, const Row& empty) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < row.rounds.size(); ++i) {
      const std::size_t round = row.rounds[i];  // of the other two there is one block every round
      const double base = limit.round_means[round] - empty.round_means[round];
      if (base > 0) ratios.push_back((row.round_means[i] - empty.round_means[round]) / base);
    }
    if (ratios.empty()) return 0;
    std::nth_element(ratios.begin(),
                     ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2), ratios.end());
    return ratios[ratios.size() / 2];
  }

  Shared& shared_;
  const Options& options_;
  const double ticks_per_ns_;
  const std::uint64_t interval_;
  ddt::Telemetry telemetry_, disabled_;
  const ddt::NameId endpoint_;
  PrivateRing ring_;
  Block block_{};
  std::uint64_t published_ = 0;
  std::int64_t repeat_until_ns_ = 0;
};

// ── options ──────────────────────────────────────────────────────────────────────────────────────

int usage() {
  std::fprintf(stderr,
               "usage: publish_bench [--samples N] [--interval-us X] [--cpus PRODUCER,CONSUMER] "
               "[--directory DIR]\n");
  return 2;
}

bool parse(int argc, char** argv, Options& options) {
  static const option kOptions[] = {{"samples", required_argument, nullptr, 's'},
                                    {"interval-us", required_argument, nullptr, 'i'},
                                    {"cpus", required_argument, nullptr, 'c'},
                                    {"directory", required_argument, nullptr, 'd'},
                                    {nullptr, 0, nullptr, 0}};
  for (int c = 0; (c = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    if (c == 's') {
      options.samples = std::strtoull(optarg, nullptr, 10);
    } else if (c == 'i') {
      options.interval_us = std::strtod(optarg, nullptr);
    } else if (c == 'd') {
      options.directory = optarg;
    } else if (c != 'c' ||
               std::sscanf(optarg, "%d,%d", &options.producer_cpu, &options.consumer_cpu) != 2) {
      return false;
    }
  }
  return optind == argc && options.samples != 0 && options.interval_us >= 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.directory = "/dev/shm/ddt-bench-" + std::to_string(::getpid());
  if (!parse(argc, argv, options)) return usage();
  if (std::thread::hardware_concurrency() < 2) {
    std::fprintf(stderr, "publish_bench: needs two CPUs\n");
    return 2;
  }
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("publish_bench: mmap");
    return 2;
  }
  auto* shared = new (memory) Shared{};
  const pid_t child = ::fork();
  if (child < 0) {
    std::perror("publish_bench: fork");
    return 2;
  }
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::_exit(Consumer(*shared, options).run());
  }
  pin(options.producer_cpu);
  bool passed = false;
  std::uint64_t published = 0;
  {
    const auto bench = std::make_unique<Bench>(*shared, options);
    passed = bench->run();
    published = bench->published();
  }
  shared->mode.store(Mode::end, std::memory_order_release);
  ::waitpid(child, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(options.directory, ignored);
  const std::uint64_t drained = shared->records.load();
  std::printf("\n%llu Records published, %llu drained, %llu out of order or corrupt\n",
              static_cast<unsigned long long>(published), static_cast<unsigned long long>(drained),
              static_cast<unsigned long long>(shared->broken.load()));
  const bool whole = published == drained && shared->broken.load() == 0;
  std::printf("%s sample within 10 ns of private ring (p50, p99)\n", passed ? "PASS" : "FAIL");
  return passed && whole ? 0 : 1;
}
