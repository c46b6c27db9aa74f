// peers_bench — one publish beside what else could carry a message out of a bot, in the same run.
//
// All send 64 bytes stamped with the TSC; the consumer polls on a CPU of its own while its queue is measured.
// Variants take turns block by block, as in publish_bench; those that cost microseconds send fewer messages.
#include <unistd.h>

#include <ddt/telemetry.hpp>
#include <filesystem>
#include <memory>

#include "bench/harness/partner.hpp"
#include "bench/harness/private_ring.hpp"
#include "bench/harness/report.hpp"
#include "bench/peers/lttng.hpp"
#include "bench/peers/network.hpp"
#include "bench/peers/queues.hpp"
#include "bench/peers/stage.hpp"

namespace {

using namespace ddt::bench;

enum Peer : int {
  kEmpty,
  kRing,
  kPublish,
  kSpsc,
  kToken,
  kMutex,
  kBoostQueue,
  kUdp,
  kPipelined,
  kHset,
  kUnheard,
  kHeard,
  kPeers
};

struct Pace {
  const char* name;
  std::uint32_t messages;     // a block
  std::uint64_t interval_ns;  // between two
};
constexpr std::array<Pace, kPeers> kPaces{{
    {"empty timing pair", 2'000, 1'000},
    {"64 B private ring, stamped (the limit)", 2'000, 1'000},
    {"ddt: publish of a sample", 2'000, 1'000},
    {"boost::lockfree::spsc_queue in shared memory", 2'000, 1'000},
    {"moodycamel ConcurrentQueue, in process", 2'000, 1'000},
    {"std::mutex and std::deque, in process", 2'000, 1'000},
    {"boost::interprocess::message_queue", 1'000, 2'000},
    {"UDP datagram to loopback", 500, 10'000},
    {"hiredis HSET, 50 pipelined", 500, 5'000},
    {"hiredis HSET, synchronous", 50, 200'000},
    {"LTTng-UST tracepoint, no session", 2'000, 1'000},
    {"LTTng-UST tracepoint, recorded", 2'000, 1'000},
}};

class PeersBench {
 public:
  PeersBench(const Options& options, const Lttng& lttng)
      : options_(options),
        lttng_(lttng),
        boost_queue_("ddt-bench-queue-" + std::to_string(::getpid())),
        redis_(options.directory + "-redis"),
        stage_(options.consumer_cpu) {
    stage_.in_child(kSpsc, [this] { return takes(spsc_); });
    stage_.in_child(kBoostQueue, [this] { return takes(boost_queue_); });
    stage_.in_child(kUdp, [this] { return takes(datagrams_); });
    stage_.in_thread(kToken, [this] { return takes(token_queue_); });
    stage_.in_thread(kMutex, [this] { return takes(mutex_and_deque_); });
    stage_.start();
  }

  bool run(Report& report, Partner& partner) {
    const ddt::Telemetry telemetry(
        {.profile_id = 7, .script_name = "bench", .directory = options_.directory});
    if (!telemetry.is_attached()) {
      std::fprintf(stderr, "peers_bench: %s\n", telemetry.status_text().c_str());
      return false;
    }
    const ddt::NameId endpoint = telemetry.name("POST /v2/orders");
    const auto publish = [&](std::uint32_t i) {
      return telemetry.publish(ddt::Latency{
                 .endpoint = endpoint, .duration_ns = 1'500'000 + i, .outcome = 200}) ==
             ddt::Published::ok;
    };
    ticks_per_ns_ = measure_ticks_per_ns();
    std::vector<Row> rows(kPeers);
    for (std::size_t i = 0; i < kPeers; ++i) rows[i].name = kPaces[i].name;
    for (std::size_t round = 0; rows[kPublish].ticks.size() < options_.samples; ++round) {
      for (int peer = 0; peer < kPeers; ++peer) {
        if (!is_there(peer)) continue;
        if (peer == kPublish) partner.set_mode(Mode::busy);
        stage_.give_turn(peer);
        run_one(peer, publish);
        if (peer == kPublish) partner.set_mode(Mode::absent);
        rows[static_cast<std::size_t>(peer)].take(round, block_);
      }
      stage_.give_turn(0);
    }
    print(report, rows);
    return true;
  }

 private:
  bool is_there(int peer) const {
    if (peer == kPipelined || peer == kHset) return redis_.is_there();
    if (peer == kUnheard) return lttng_.unheard() != nullptr;
    return peer != kHeard || lttng_.heard() != nullptr;
  }

  template <typename Queue>
  static bool takes(Queue& queue) {
    Message message;
    return queue.take(message);
  }

  template <typename PublishOne>
  void run_one(int peer, PublishOne publish) {
    const Pace& pace = kPaces[static_cast<std::size_t>(peer)];
    const auto run = [&](auto operation) {
      run_block(operation,
                static_cast<std::uint64_t>(static_cast<double>(pace.interval_ns) * ticks_per_ns_),
                block_, pace.messages);
    };
    switch (peer) {
      case kEmpty:
        return run(do_nothing);
      case kRing:
        return run([this](std::uint32_t i) { return ring_.store<true>(1'500'000 + i); });
      case kPublish:
        return run(publish);
      case kSpsc:
        return run([this](std::uint32_t i) { return spsc_.send(i); });
      case kToken:
        return run([this](std::uint32_t i) { return token_queue_.send(i); });
      case kMutex:
        return run([this](std::uint32_t i) { return mutex_and_deque_.send(i); });
      case kBoostQueue:
        return run([this](std::uint32_t i) { return boost_queue_.send(i); });
      case kUdp:
        return run([this](std::uint32_t i) { return datagrams_.send(i); });
      case kPipelined:
        return run([this](std::uint32_t i) { return redis_.set_pipelined(i); });
      case kUnheard:
        return run(lttng_.unheard());
      case kHeard:
        return run(lttng_.heard());
      default:
        return run([this](std::uint32_t i) { return redis_.set(i); });
    }
  }

  void print(Report& report, std::vector<Row>& rows) const {
    report.heading("peers", "one message a µs where they can, consumer polling on the other CPU");
    const Figures empty = figures_of(rows[kEmpty], ticks_per_ns_);
    for (std::size_t i = 0; i < kPeers; ++i) {
      if (rows[i].ticks.empty()) continue;
      Figures figures = figures_of(rows[i], ticks_per_ns_);
      if (i != kEmpty) figures = less_empty(figures, empty);
      const double ratio = i == kEmpty ? 0 : median_ratio(rows[i], rows[kRing], rows[kEmpty]);
      report.row(rows[i], figures, ratio, ticks_per_ns_, i == kEmpty ? 0 : empty.p50);
    }
    if (!redis_.is_there()) report.note("hiredis: no redis-server to start");
    if (!lttng_.problem().empty()) report.note("LTTng-UST: " + lttng_.problem());
  }

  const Options& options_;
  const Lttng& lttng_;
  double ticks_per_ns_ = 0;
  Block block_{};
  PrivateRing ring_;
  SpscInSharedMemory spsc_;
  TokenQueue token_queue_;
  MutexAndDeque mutex_and_deque_;
  Datagrams datagrams_;
  InterprocessMessageQueue boost_queue_;
  Redis redis_;
  Stage stage_;  // ends before what its consumers take from
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  const Lttng lttng(options.consumer_cpu);
  Report report(options);
  Partner partner(options);
  return std::make_unique<PeersBench>(options, lttng)->run(report, partner) ? 0 : 2;
}
