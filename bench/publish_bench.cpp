// publish_bench — what a publish costs its bot, beside the least that storing 64 bytes can cost.
//
// A forked consumer drains the bot's Segment as the sidecar does, on a CPU of its own: busy, every 50 µs,
// or not at all. The producer says one message per µs through the public header. Variants take turns block
// by block, so that what disturbs one disturbs all; a block in which the scheduler took the CPU away is
// repeated. bench/harness/rows.hpp says what the columns mean.
//
// Exit code 0 when every gate holds and every Record published was drained, whole and in order.
#include <unistd.h>

#include <cmath>
#include <ddt/telemetry.hpp>
#include <memory>

#include "bench/harness/kinds.hpp"
#include "bench/harness/partner.hpp"
#include "bench/harness/private_ring.hpp"
#include "bench/harness/report.hpp"

namespace {

using namespace ddt::bench;
using ddt::Published;

constexpr std::size_t kOthersEvery = 8;  // rounds: rows that are not judged get an eighth
constexpr std::int64_t kRepeatForNs = 8'000'000'000;  // a busy machine has no clean blocks

// The kinds of bench/harness/kinds.hpp stand between what they are held against and a trade made before.
enum Variant : std::size_t { kEmpty, kBare, kRing, kRingUnstamped, kFirstKind };
constexpr std::size_t of_kind(Kind kind) { return kFirstKind + static_cast<std::size_t>(kind); }
constexpr std::size_t kSample = of_kind(Kind::latency);
constexpr std::size_t kOwnTicks = of_kind(Kind::latency_own_ticks);
constexpr std::size_t kTrade = kFirstKind + kKinds;
constexpr std::size_t kVariants = kTrade + 1;

constexpr bool is_judged(std::size_t variant) {
  return variant == kEmpty || variant == kRing || variant == kSample || variant == kOwnTicks ||
         variant == kTrade;
}
constexpr bool is_published(std::size_t variant) { return variant >= kFirstKind; }

std::string name_of(std::size_t variant) {
  switch (variant) {
    case kEmpty:
      return "empty timing pair";
    case kBare:
      return "a pair with nothing between";
    case kRing:
      return "64 B private ring, stamped (the limit)";
    case kRingUnstamped:
      return "64 B private ring, no stamp";
    case kTrade:
      return "trade, its words looked up before";
    default:
      const KindName& name = kKindNames[variant - kFirstKind];
      return std::string(name.kind) + (name.is_own_ticks ? ", caller's own TSC" : ", stamped");
  }
}

class PublishBench {
 public:
  PublishBench(Partner& partner, Report& report, const Options& options)
      : partner_(partner),
        report_(report),
        options_(options),
        ticks_per_ns_(measure_ticks_per_ns()),
        interval_(static_cast<std::uint64_t>(1'000 * ticks_per_ns_)),
        telemetry_({.profile_id = 7, .script_name = "bench", .directory = options.directory}),
        endpoint_(telemetry_.name("POST /v2/orders")) {}

  bool run() {
    if (!telemetry_.is_attached()) {
      std::fprintf(stderr, "publish_bench: %s\n", telemetry_.status_text().c_str());
      return false;
    }
    run_mode(Mode::busy);
    run_mode(Mode::every_50us);
    if (!options_.gates_only) run_mode(Mode::absent);
    run_without_segment();
    return true;
  }
  std::uint64_t published() const { return published_; }

 private:
  // Structs are made in the call, as bots make them; a trade also once, to tell its words' cost.
  void run_variant(std::size_t variant) {
    const auto run = [&](auto operation) { run_block(operation, interval_, block_); };
    switch (variant) {
      case kEmpty:
        return run(do_nothing);
      case kBare:
        return run([](std::uint32_t) { return true; });
      case kRing:
        return run([this](std::uint32_t i) { return ring_.store<true>(1'500'000 + i); });
      case kRingUnstamped:
        return run([this](std::uint32_t i) { return ring_.store<false>(1'500'000 + i); });
      case kTrade: {
        ddt::Trade trade = trade_of(ddt::wall_ns());
        return run([&](std::uint32_t i) {
          trade.exit_price_e8 += i;
          return telemetry_.publish(trade) == Published::ok;
        });
      }
      default:
        with_kind(static_cast<Kind>(variant - kFirstKind), subject(), [&](auto make) {
          run([this, make](std::uint32_t i) {
            return telemetry_.publish(make(i)) == Published::ok;
          });
        });
    }
  }

  Subject subject() const {
    return {.endpoint = endpoint_, .time_ns = ddt::wall_ns(), .ticks = __rdtsc()};
  }

  bool is_wanted(std::size_t variant) const { return is_judged(variant) || !options_.gates_only; }

  void run_mode(Mode mode) {
    const double before_ns = partner_.one_way_ns(ticks_per_ns_);
    partner_.set_mode(mode);
    repeat_until_ns_ = ddt::monotonic_ns() + kRepeatForNs;
    std::vector<Row> rows(kVariants);
    for (std::size_t i = 0; i < kVariants; ++i) {
      rows[i].name = name_of(i);
      rows[i].ticks.reserve(options_.samples + kBlockMessages);
      if (is_wanted(i)) run_one(i, 0, nullptr, mode);  // warm up
    }
    for (std::size_t round = 0; rows[kSample].ticks.size() < options_.samples && round < 10'000;
         ++round) {
      for (std::size_t i = 0; i < kVariants; ++i) {
        if (is_judged(i) || (is_wanted(i) && round % kOthersEvery == 0))
          run_one(i, round, &rows[i], mode);
      }
    }
    print(mode, rows, before_ns, partner_.one_way_ns(ticks_per_ns_));
  }

  // Repeats a block that the scheduler spoilt; after some tries it is taken as it is, and counted.
  void run_one(std::size_t variant, std::size_t round, Row* row, Mode mode) {
    constexpr int kTries = 5;
    for (int i = 1;; ++i) {
      if (mode == Mode::absent && is_published(variant)) empty_the_lane();
      run_variant(variant);
      if (is_published(variant)) published_ += block_.messages;
      if (block_.is_clean || i == kTries || ddt::monotonic_ns() > repeat_until_ns_) break;
      if (row != nullptr) ++row->repeated_blocks;
    }
    if (row == nullptr) return;
    if (!block_.is_clean) ++row->dirty_blocks;
    row->take(round, block_);
  }

  // Nobody drains: what a block needs must be there before it.
  void empty_the_lane() {
    partner_.set_mode(Mode::every_50us);
    while (telemetry_.lines_free() < telemetry_.lane_lines()) ::usleep(100);
    partner_.set_mode(Mode::absent);
  }

  void print(Mode mode, std::vector<Row>& rows, double before_ns, double after_ns) {
    const std::string consumer = std::string("consumer ") + text_of(mode);
    report_.heading("publish, " + consumer, distance_text(before_ns, after_ns));
    const Figures empty = figures_of(rows[kEmpty], ticks_per_ns_);
    std::array<Figures, kVariants> figures{};
    for (std::size_t i = 0; i < kVariants; ++i) {
      if (rows[i].ticks.empty()) continue;
      figures[i] = figures_of(rows[i], ticks_per_ns_);
      if (i != kEmpty) figures[i] = less_empty(figures[i], empty);
      const double ratio = i == kEmpty ? 0 : median_ratio(rows[i], rows[kRing], rows[kEmpty]);
      report_.row(rows[i], figures[i], ratio, ticks_per_ns_, i == kEmpty ? 0 : empty.p50);
    }
    if (mode == Mode::absent) return;
    const auto name = [&](const char* what) { return std::string(what) + ", " + consumer; };
    report_.gate_at_most(name("sample tm / limit"),
                         median_ratio(rows[kSample], rows[kRing], rows[kEmpty]), 1.25, "x");
    // Of each round's two blocks, so that a bad moment of the machine counts as one round. Whole ns: a TSC that ticks
    // in steps of 10 ns tells them no finer, and one step is no more than 10.
    const auto above = [&](double Figures::*figure) {
      return std::round(median_above(rows[kSample], rows[kRing], figure) / ticks_per_ns_);
    };
    report_.gate_at_most(name("sample p50 above limit"), above(&Figures::p50), 10, "ns");
    report_.gate_at_most(name("sample p99 above limit"), above(&Figures::p99), 10, "ns");
    report_.gate_at_most(name("sample tm, own TSC"), figures[kOwnTicks].tm, 6, "ns");
    report_.gate_at_most(name("trade tm / sample tm"),
                         median_ratio(rows[kTrade], rows[kSample], rows[kEmpty]), 3, "x");
  }

  // Cheaper than the pair can resolve: measured in batches.
  void run_without_segment() {
    report_.heading("publish, no Segment", "100,000 calls between one pair, less the empty loop");
    const double empty = ticks_in_batch([](std::uint32_t) {});
    const ddt::Telemetry disabled({.profile_id = 7, .script_name = "bench", .enabled = false});
    const ddt::Telemetry detached(
        {.profile_id = 7, .script_name = "bench", .directory = "/proc/no-such-directory"});
    const auto ns_of = [&](const ddt::Telemetry& telemetry, Kind kind) {
      double ticks = 0;
      with_kind(kind, subject(), [&](auto make) {
        ticks = ticks_in_batch([&](std::uint32_t i) { return telemetry.publish(make(i)); });
      });
      return (ticks - empty) / ticks_per_ns_;
    };
    report_.gate_at_most("disabled Telemetry", ns_of(disabled, Kind::latency), 1, "ns");
    report_.gate_at_most("detached Telemetry", ns_of(detached, Kind::latency), 1, "ns");
    if (options_.gates_only) return;
    for (std::size_t i = 0; i < kKinds; ++i) {
      const std::string name = name_of(kFirstKind + i);
      report_.cell(name, "disabled", ns_of(disabled, static_cast<Kind>(i)), "ns");
      report_.cell(name, "detached", ns_of(detached, static_cast<Kind>(i)), "ns");
    }
  }

  Partner& partner_;
  Report& report_;
  const Options& options_;
  const double ticks_per_ns_;
  const std::uint64_t interval_;
  ddt::Telemetry telemetry_;
  const ddt::NameId endpoint_;
  PrivateRing ring_;
  Block block_{};
  std::uint64_t published_ = 0;
  std::int64_t repeat_until_ns_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Partner partner(options);
  Report report(options);
  std::uint64_t published = 0;
  {
    const auto bench = std::make_unique<PublishBench>(partner, report, options);
    if (!bench->run()) return 2;
    published = bench->published();
  }
  partner.finish();
  const bool is_whole = published == partner.records() && partner.broken() == 0;
  if (!options.gates_only || !is_whole) {
    std::printf("\n%llu Records published, %llu drained, %llu out of order or corrupt\n",
                static_cast<unsigned long long>(published),
                static_cast<unsigned long long>(partner.records()),
                static_cast<unsigned long long>(partner.broken()));
  }
  return report.passed() && is_whole ? 0 : 1;
}
