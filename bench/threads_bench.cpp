// threads_bench — two threads of one bot that publish at once, each on its own Lane, and one alone.
//
// On a machine of two CPUs the consumer would disturb one of the threads: it drains while neither
// publishes, between blocks, so that each block finds room. Both threads run the same block at the same
// time; alone and together take turns. Pinned to the two CPUs of --cpus. A sample is judged; the other
// kinds have a tenth of its rounds.
//
// Exit code 0 when each thread of two costs at most 1.1 times one alone.
#include <unistd.h>

#include <ddt/telemetry.hpp>
#include <memory>
#include <thread>

#include "bench/harness/kinds.hpp"
#include "bench/harness/partner.hpp"
#include "bench/harness/report.hpp"

namespace {

using namespace ddt::bench;

constexpr std::uint32_t kMessages = 2'000;

// Two threads take turns by a count: even = main decides, odd = the other's block is under way.
class ThreadsBench {
 public:
  ThreadsBench(Partner& partner, Report& report, const Options& options)
      : partner_(partner),
        report_(report),
        options_(options),
        ticks_per_ns_(measure_ticks_per_ns()),
        interval_(static_cast<std::uint64_t>(1'000 * ticks_per_ns_)),
        telemetry_({.profile_id = 7, .script_name = "bench", .directory = options.directory}),
        endpoint_(telemetry_.name("POST /v2/orders")) {}

  void run() {
    std::thread other([this] { other_thread(); });
    while (!other_is_ready_.load()) ::usleep(100);
    const std::size_t rounds = std::max<std::size_t>(options_.samples / kMessages / 4, 50);
    measure(Kind::latency, rounds);
    judge();
    for (std::size_t i = 1; i < kKinds && !options_.gates_only; ++i)
      measure(static_cast<Kind>(i), std::max<std::size_t>(rounds / 10, 5));
    start_.store(kEnd);
    other.join();
  }

 private:
  enum RowIndex : std::size_t { kEmptyAlone, kAlone, kFirst, kSecond, kRows };
  static constexpr std::uint64_t kEnd = ~std::uint64_t{0};

  void measure(Kind kind, std::size_t rounds) {
    kind_ = kind;
    const KindName& name = kKindNames[static_cast<std::size_t>(kind)];
    const std::string text = std::string(name.kind) + (name.is_own_ticks ? ", own TSC: " : ": ");
    rows_ = {};
    rows_[kEmptyAlone].name = "empty timing pair";
    rows_[kAlone].name = text + "one thread alone";
    rows_[kFirst].name = text + "the first of two";
    rows_[kSecond].name = text + "the second of two";
    for (std::size_t round = 0; round < rounds; ++round) {
      run_block(do_nothing, interval_, mine_, kMessages);
      rows_[kEmptyAlone].take(round, mine_);
      alone(round);
      together(round);
    }
    print();
  }

  void publish_block(Block& block) {
    const Subject subject{.endpoint = endpoint_, .time_ns = ddt::wall_ns(), .ticks = __rdtsc()};
    with_kind(kind_, subject, [&](auto make) {
      run_block([this, make](
                    std::uint32_t i) { return telemetry_.publish(make(i)) == ddt::Published::ok; },
                interval_, block, kMessages);
    });
  }

  void drain_all() {
    partner_.set_mode(Mode::every_50us);
    while (telemetry_.lines_free() < telemetry_.lane_lines()) ::usleep(50);
    ::usleep(200);  // and the other's Lane
    partner_.set_mode(Mode::absent);
  }

  void alone(std::size_t round) {
    for (int i = 0; i < kTries; ++i) {
      drain_all();
      publish_block(mine_);
      if (mine_.is_clean) break;
      ++rows_[kAlone].repeated_blocks;
    }
    rows_[kAlone].take(round, mine_);
  }

  void together(std::size_t round) {
    for (int i = 0; i < kTries; ++i) {
      drain_all();
      start_.fetch_add(1);
      publish_block(mine_);
      while (done_.load() != start_.load()) {
      }
      if (mine_.is_clean && theirs_.is_clean) break;
      ++rows_[kFirst].repeated_blocks;
    }
    rows_[kFirst].take(round, mine_);
    rows_[kSecond].take(round, theirs_);
  }

  void other_thread() {
    pin(options_.consumer_cpu);
    telemetry_.attach_thread();
    other_is_ready_.store(true);
    for (std::uint64_t seen = 0;;) {
      const std::uint64_t start = start_.load();
      if (start == kEnd) return;
      if (start == seen) {
        ::usleep(20);  // out of the consumer's way, and of the thread that is alone
        continue;
      }
      seen = start;
      publish_block(theirs_);
      done_.store(start);
    }
  }

  void print() {
    if (kind_ == Kind::latency)
      report_.heading("publish, two threads", "a Lane each; the consumer drains between blocks");
    const Figures empty = figures_of(rows_[kEmptyAlone], ticks_per_ns_);
    for (Row& row : rows_) {
      const bool is_empty = &row == rows_.data();
      if (is_empty && kind_ != Kind::latency) continue;
      const Figures raw = figures_of(row, ticks_per_ns_);
      report_.row(row, is_empty ? raw : less_empty(raw, empty),
                  is_empty ? 0 : median_ratio(row, rows_[kAlone], rows_[kEmptyAlone]),
                  ticks_per_ns_, is_empty ? 0 : empty.p50);
    }
  }

  void judge() {
    report_.gate_at_most("the first of two threads / one alone",
                         median_ratio(rows_[kFirst], rows_[kAlone], rows_[kEmptyAlone]), 1.1, "x");
    report_.gate_at_most("the second of two threads / one alone",
                         median_ratio(rows_[kSecond], rows_[kAlone], rows_[kEmptyAlone]), 1.1, "x");
  }

  static constexpr int kTries = 5;
  Partner& partner_;
  Report& report_;
  const Options& options_;
  const double ticks_per_ns_;
  const std::uint64_t interval_;
  ddt::Telemetry telemetry_;
  const ddt::NameId endpoint_;
  // Set while the other thread waits; start_ hands it over.
  Kind kind_ = Kind::latency;
  std::array<Row, kRows> rows_;
  alignas(128) Block mine_{};
  alignas(128) Block theirs_{};
  alignas(128) std::atomic<std::uint64_t> start_{0};
  alignas(128) std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> other_is_ready_{false};
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Partner partner(options);
  Report report(options);
  std::make_unique<ThreadsBench>(partner, report, options)->run();
  return report.passed() ? 0 : 1;
}
