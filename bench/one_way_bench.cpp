// one_way_bench — how long a message is under way: from the call that says it to the moment the consumer has the whole
// of it, the consumer polling without rest or every 50 µs on the other CPU.
//
// Each message carries the TSC of its making; the consumer reads its own once it has copied the message out. The TSC
// must be one for both CPUs, so it wants an invariant one. A Record crosses processes and so do the peers, but for
// moodycamel's queue, which lives in one. Variants take turns block by block.
//
// Exit code 0 when every message arrived, 2 where it cannot measure.
#include <unistd.h>

#include <ddt/telemetry.hpp>
#include <filesystem>
#include <memory>
#include <optional>

#include "bench/harness/partner.hpp"
#include "bench/harness/report.hpp"
#include "bench/harness/shared_memory.hpp"
#include "bench/peers/network.hpp"
#include "bench/peers/queues.hpp"
#include "bench/peers/stage.hpp"
#include "shm/segment.hpp"

namespace {

using namespace ddt::bench;
using Pace = Stage::Pace;

constexpr std::int64_t kRepeatForNs = 8'000'000'000;  // a busy machine has no clean blocks

enum Way : int { kNobody, kRecord, kSpsc, kToken, kBoostQueue, kUdp, kWays };

struct Manner {
  const char* name;
  std::uint32_t messages;     // a block
  std::uint64_t interval_ns;  // between two
};
constexpr std::array<Manner, kWays> kManners{{
    {"", 0, 0},
    {"ddt: a sample through a Lane", 2'000, 1'000},
    {"boost::lockfree::spsc_queue in shared memory", 2'000, 1'000},
    {"moodycamel ConcurrentQueue, in process", 2'000, 1'000},
    {"boost::interprocess::message_queue", 1'000, 2'000},
    {"UDP datagram to loopback", 200, 10'000},
}};

// What the consumer saw, one block at a time. The bench empties it while nobody has the turn.
struct Arrivals {
  std::array<std::uint32_t, kBlockMessages> ticks;
  alignas(128) std::atomic<std::uint32_t> count;

  void add(std::uint64_t stamp) {
    _mm_lfence();  // else the clock is read before the message, on the guess that it is there
    const std::uint64_t now = __rdtsc();
    const std::uint32_t i = count.load(std::memory_order_relaxed);  // one consumer has the turn
    if (i == kBlockMessages) return;
    ticks[i] = static_cast<std::uint32_t>(std::min<std::uint64_t>(now - stamp, 0xFFFF'FFFFU));
    count.store(i + 1, std::memory_order_release);
  }
};

// The consumer's end of the bot's Lane, opened by the process that reads it.
class LaneTaker {
 public:
  explicit LaneTaker(std::string directory) : directory_(std::move(directory)) {}

  bool take(Arrivals& arrivals) {
    if (!segment_ && !open()) return false;
    if (reader_.read(record_) != ddt::Peeked::record) {
      if (reader_.next() != released_) reader_.release(released_ = reader_.next());
      return false;
    }
    arrivals.add(record_.head.stamp);
    return true;
  }

 private:
  bool open() {
    const auto names = ddt::segment_names(directory_);
    if (!names || names->empty()) return false;
    auto segment = ddt::SegmentReader::open(directory_, names->front());
    if (!segment || !segment->is_lane_claimed(0)) return false;
    segment_.emplace(std::move(*segment));
    reader_ = segment_->lane(0, 0);
    return true;
  }

  const std::string directory_;
  std::optional<ddt::SegmentReader> segment_;
  ddt::LaneReader reader_;
  std::uint64_t released_ = 0;
  ddt::RecordCopy record_{};
};

class OneWayBench {
 public:
  OneWayBench(const Options& options, Report& report, Partner& partner)
      : options_(options),
        report_(report),
        partner_(partner),
        arrivals_(map_shared<Arrivals>()),
        lane_(options.directory),
        boost_queue_("ddt-bench-one-way-" + std::to_string(::getpid())),
        stage_(options.consumer_cpu) {
    stage_.in_child(kRecord, [this] { return lane_.take(*arrivals_); });
    stage_.in_child(kSpsc, [this] { return takes(spsc_); });
    stage_.in_child(kBoostQueue, [this] { return takes(boost_queue_); });
    stage_.in_child(kUdp, [this] { return takes(datagrams_); });
    stage_.in_thread(kToken, [this] { return takes(token_queue_); });
    stage_.start();
    pin(options.producer_cpu);
    ticks_per_ns_ = measure_ticks_per_ns();
  }
  ~OneWayBench() { ::munmap(arrivals_, sizeof(Arrivals)); }
  OneWayBench(const OneWayBench&) = delete;
  OneWayBench& operator=(const OneWayBench&) = delete;

  int run() {
    const ddt::Telemetry telemetry(
        {.profile_id = 7, .script_name = "bench", .directory = options_.directory});
    if (!telemetry.is_attached()) {
      std::fprintf(stderr, "one_way_bench: %s\n", telemetry.status_text().c_str());
      return 2;
    }
    telemetry_ = &telemetry;
    for (const Pace pace : {Pace::busy, Pace::every_50us}) measure(pace);
    return lost_ == 0 ? 0 : 1;
  }

 private:
  template <typename Queue>
  bool takes(Queue& queue) {
    Message message;
    if (!queue.take(message)) return false;
    arrivals_->add(message.stamp);
    return true;
  }

  void measure(Pace pace) {
    const double before_ns = partner_.one_way_ns(ticks_per_ns_);
    partner_.set_mode(Mode::absent);
    repeat_until_ns_ = ddt::monotonic_ns() + kRepeatForNs;
    std::vector<Row> rows(kWays);
    // 4: a block waits for its last message, and there are two paces.
    for (std::size_t round = 0; rows[kRecord].ticks.size() < options_.samples / 4; ++round) {
      for (int way = kRecord; way < kWays; ++way) {
        Row& row = rows[static_cast<std::size_t>(way)];
        send_block(way, pace, row);
        row.take(round, arrived_);
      }
    }
    const double after_ns = partner_.one_way_ns(ticks_per_ns_);
    partner_.set_mode(Mode::absent);
    print(pace, rows, distance_text(before_ns, after_ns));
  }

  // Repeats what the scheduler spoilt on either side.
  void send_block(int way, Pace pace, Row& row) {
    constexpr int kTries = 5;
    for (int i = 1;; ++i) {
      arrivals_->count.store(0, std::memory_order_relaxed);  // relaxed: the turn publishes it
      stage_.give_turn(way, pace);
      send(way);
      await_last();
      stage_.give_turn(kNobody);
      sent_.is_clean = sent_.is_clean && !stage_.was_displaced();
      if (sent_.is_clean || i == kTries || ddt::monotonic_ns() > repeat_until_ns_) break;
      ++row.repeated_blocks;
    }
    if (!sent_.is_clean) ++row.dirty_blocks;
    arrived_.messages = arrivals_->count.load(std::memory_order_acquire);
    arrived_.refused = sent_.refused;
    arrived_.ticks = arrivals_->ticks;
    lost_ += sent_.messages - arrived_.messages;
  }

  void send(int way) {
    const Manner& manner = kManners[static_cast<std::size_t>(way)];
    const auto run = [&](auto operation) {
      run_block(operation,
                static_cast<std::uint64_t>(static_cast<double>(manner.interval_ns) * ticks_per_ns_),
                sent_, manner.messages);
    };
    switch (way) {
      case kRecord:
        return run([this](std::uint32_t i) {
          return telemetry_->publish(
                     ddt::Latency{.duration_ns = i, .outcome = 200, .stamp_ticks = __rdtsc()}) ==
                 ddt::Published::ok;
        });
      case kSpsc:
        return run([this](std::uint32_t i) { return spsc_.send(i); });
      case kToken:
        return run([this](std::uint32_t i) { return token_queue_.send(i); });
      case kBoostQueue:
        return run([this](std::uint32_t i) { return boost_queue_.send(i); });
      default:
        return run([this](std::uint32_t i) { return datagrams_.send(i); });
    }
  }

  // A message that is not there after a second is lost.
  void await_last() const {
    const std::int64_t until_ns = ddt::monotonic_ns() + ddt::kNsPerSecond;
    while (arrivals_->count.load(std::memory_order_acquire) < sent_.messages &&
           ddt::monotonic_ns() < until_ns)
      ::usleep(20);
  }

  void print(Pace pace, std::vector<Row>& rows, const std::string& distance) {
    const bool is_busy = pace == Pace::busy;
    report_.heading(std::string("one way, consumer ") + (is_busy ? "busy" : "every 50 µs"),
                    distance);
    Row none;  // nothing to subtract
    none.rounds = rows[kRecord].rounds;
    none.round_figures.assign(none.rounds.size(), Figures());
    for (std::size_t i = kRecord; i < kWays; ++i) {
      rows[i].name = kManners[i].name;
      const Figures figures = figures_of(rows[i], ticks_per_ns_);
      report_.row(rows[i], figures, median_ratio(rows[i], rows[kRecord], none), ticks_per_ns_, 0);
    }
    if (lost_ != 0) report_.figure("messages that did not arrive", static_cast<double>(lost_), "");
  }

  const Options& options_;
  Report& report_;
  Partner& partner_;  // for the ping-pong alone
  double ticks_per_ns_ = 0;
  const ddt::Telemetry* telemetry_ = nullptr;
  std::uint64_t lost_ = 0;
  std::int64_t repeat_until_ns_ = 0;
  Block sent_{}, arrived_{};
  Arrivals* arrivals_;  // between the processes
  LaneTaker lane_;
  SpscInSharedMemory spsc_;
  TokenQueue token_queue_;
  Datagrams datagrams_;
  InterprocessMessageQueue boost_queue_;
  Stage stage_;  // ends before what its consumers take from
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  if (!ddt::has_invariant_tsc()) {
    std::fprintf(stderr, "%s: needs a TSC that ticks alike on both CPUs\n", argv[0]);
    return 2;
  }
  Report report(options);
  Options beside = options;
  beside.directory += "-ping";
  Partner partner(beside);
  const int status = std::make_unique<OneWayBench>(options, report, partner)->run();
  std::error_code ignored;
  std::filesystem::remove_all(options.directory, ignored);
  return status;
}
