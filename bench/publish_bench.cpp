// publish_bench — what a publish costs its bot, beside the least that storing 64 bytes can cost.
//
// A forked consumer drains the bot's Segment as the sidecar does, on a CPU of its own: busy, every 50 µs,
// or not at all. The producer says one message per µs through the public header. Variants take turns block
// by block, so that what disturbs one disturbs all; a block in which the scheduler took the CPU away is
// repeated. bench/harness/rows.hpp says what the columns mean.
//
// Exit code 0 when every gate holds and every Record published was drained, whole and in order.
#include <unistd.h>

#include <ddt/telemetry.hpp>
#include <memory>

#include "bench/harness/partner.hpp"
#include "bench/harness/private_ring.hpp"
#include "bench/harness/report.hpp"

namespace {

using namespace ddt::bench;
using ddt::Published;

constexpr std::size_t kOthersEvery = 4;  // rounds: rows that are not judged get a quarter
constexpr std::int64_t kRepeatForNs = 8'000'000'000;  // a busy machine has no clean blocks

enum Variant : std::size_t {
  kEmpty,
  kRing,
  kRingUnstamped,
  kSample,
  kOwnTicks,
  kTrade,
  kTradeMade,
  kMetric,
  kSignal,
  kOrder,
  kEquity,
  kPosition,
  kRateLimit,
  kHealth,
  kError,
  kVariants
};
constexpr std::array<const char*, kVariants> kNames{"empty timing pair",
                                                    "64 B private ring, stamped (the limit)",
                                                    "64 B private ring, no stamp",
                                                    "sample, stamped",
                                                    "sample, caller's own TSC",
                                                    "trade (symbol, prices, times, reason)",
                                                    "the same, its words looked up in the call",
                                                    "metric",
                                                    "signal",
                                                    "order",
                                                    "equity",
                                                    "position",
                                                    "rate limit",
                                                    "health",
                                                    "error"};
constexpr bool is_judged(std::size_t variant) {
  return variant == kEmpty || variant == kRing || variant == kSample || variant == kOwnTicks ||
         variant == kTrade;
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
    const std::int64_t now_ns = ddt::wall_ns();
    const auto run = [&](auto operation) { run_block(operation, interval_, block_); };
    const auto say = [&](auto make) {
      run([this, make](std::uint32_t i) { return telemetry_.publish(make(i)) == Published::ok; });
    };
    switch (variant) {
      case kEmpty:
        return run([](std::uint32_t) { return true; });
      case kRing:
        return run([this](std::uint32_t i) { return ring_.store<true>(1'500'000 + i); });
      case kRingUnstamped:
        return run([this](std::uint32_t i) { return ring_.store<false>(1'500'000 + i); });
      case kSample:
        return say([endpoint = endpoint_](std::uint32_t i) {
          return ddt::Latency{.endpoint = endpoint, .duration_ns = 1'500'000 + i, .outcome = 200};
        });
      case kOwnTicks:
        return say([endpoint = endpoint_, ticks = __rdtsc()](std::uint32_t i) {
          return ddt::Latency{.endpoint = endpoint,
                              .duration_ns = 1'500'000 + i,
                              .outcome = 200,
                              .stamp_ticks = ticks + i};
        });
      case kTrade: {
        ddt::Trade trade = trade_of(now_ns);
        return run([&](std::uint32_t i) {
          trade.exit_price_e8 += i;
          return telemetry_.publish(trade) == Published::ok;
        });
      }
      case kTradeMade:
        return say([now_ns](std::uint32_t i) { return trade_of(now_ns + i); });
      case kMetric:
        return say([endpoint = endpoint_](std::uint32_t i) {
          return ddt::Metric{.name = endpoint, .value_e8 = i};
        });
      default:
        run_other_kind(variant, say);
    }
  }

  template <typename Say>
  static void run_other_kind(std::size_t variant, Say say) {
    const std::int64_t price = ddt::e8_from_int(167);
    switch (variant) {
      case kSignal:
        return say([price](std::uint32_t i) {
          return ddt::Signal{.signal_id = "s-20240105-0931",
                             .symbol = "SPY",
                             .direction = "upward",
                             .close_price_e8 = price + i};
        });
      case kOrder:
        return say([price](std::uint32_t i) {
          return ddt::Order{.order_id = "o-20240105-0931",
                            .symbol = "SPY",
                            .order_type = "limit",
                            .side = "buy",
                            .status = "new",
                            .quantity_e8 = ddt::e8_from_int(10),
                            .limit_price_e8 = price + i};
        });
      case kEquity:
        return say(
            [price](std::uint32_t i) { return ddt::Equity{.account_equity_e8 = price + i}; });
      case kPosition:
        return say([price](std::uint32_t i) {
          return ddt::Position{.symbol = "SPY", .side = "buy", .quantity_e8 = price + i};
        });
      case kRateLimit:
        return say([](std::uint32_t i) { return ddt::RateLimit{.remaining = i, .limit = 200}; });
      case kHealth:
        return say(
            [](std::uint32_t i) { return ddt::Health{.status = "healthy", .error_count = i}; });
      default:
        return say([](std::uint32_t) {
          return ddt::ErrorReport{.code = "timeout", .text = "the broker did not answer"};
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

  bool is_wanted(std::size_t variant) const { return is_judged(variant) || !options_.gates_only; }

  void run_mode(Mode mode) {
    const double before_ns = partner_.one_way_ns(ticks_per_ns_);
    partner_.set_mode(mode);
    repeat_until_ns_ = ddt::monotonic_ns() + kRepeatForNs;
    std::vector<Row> rows(kVariants);
    for (std::size_t i = 0; i < kVariants; ++i) {
      rows[i].name = kNames[i];
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
      if (mode == Mode::absent && variant >= kSample) empty_the_lane();
      run_variant(variant);
      if (variant >= kSample) published_ += block_.messages;
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
    const bool near = before_ns < kNearOneWayNs && after_ns < kNearOneWayNs;
    const std::string consumer = std::string("consumer ") + text_of(mode);
    char text[128];
    std::snprintf(text, sizeof text, "ping-pong one way %.0f ns before, %.0f ns after: %s",
                  before_ns, after_ns, near ? "near" : "far");
    report_.heading("publish, " + consumer, text);
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
    report_.gate_at_most(name("sample p50 above limit"), figures[kSample].p50 - figures[kRing].p50,
                         10, "ns");
    report_.gate_at_most(name("sample p99 above limit"), figures[kSample].p99 - figures[kRing].p99,
                         10, "ns");
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
    const auto ns_of = [&](const ddt::Telemetry& telemetry) {
      const double ticks = ticks_in_batch([&](std::uint32_t i) {
        return telemetry.publish(ddt::Latency{.endpoint = endpoint_, .duration_ns = i});
      });
      return (ticks - empty) / ticks_per_ns_;
    };
    report_.gate_at_most("disabled Telemetry", ns_of(disabled), 1, "ns");
    report_.gate_at_most("detached Telemetry", ns_of(detached), 1, "ns");
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
