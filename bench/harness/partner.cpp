#include "bench/harness/partner.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "bench/harness/futex.hpp"
#include "bench/harness/shared_memory.hpp"
#include "shm/segment.hpp"

namespace ddt::bench {

struct Partner::Shared {
  alignas(128) std::atomic<Mode> mode;       // producer → consumer
  alignas(128) std::atomic<Mode> mode_seen;  // consumer → producer
  alignas(128) std::atomic<std::uint64_t> ping;
  alignas(128) std::atomic<std::uint64_t> pong;
  alignas(128) std::atomic<std::uint64_t> records;
  std::atomic<std::uint64_t> broken;
};

namespace {

constexpr int kDrainEveryUs = 50;
constexpr int kPings = 20'000;

void sleep_us(int us) {
  const timespec time{.tv_sec = 0, .tv_nsec = us * 1000};
  ::nanosleep(&time, nullptr);
}

// The sidecar's drain without what follows it.
class Consumer {
 public:
  Consumer(Partner::Shared& shared, std::string directory)
      : shared_(shared), directory_(std::move(directory)) {}

  int run() {
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
        case Mode::absent:
          wait_while(shared_.mode, Mode::absent);
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
  struct Lane {
    LaneReader reader;
    std::uint64_t published = 0;  // Records before the next one
  };

  void answer_pings() {
    std::uint64_t seen = shared_.pong.load(std::memory_order_relaxed);
    while (shared_.mode.load(std::memory_order_relaxed) == Mode::ping) {
      const std::uint64_t ping = shared_.ping.load(std::memory_order_acquire);
      if (ping != seen) shared_.pong.store(seen = ping, std::memory_order_release);
    }
  }

  void look_for_lanes() {
    if (!segment_) {
      auto names = segment_names(directory_);
      if (!names || names->empty()) return;
      auto segment = SegmentReader::open(directory_, names->front());
      if (!segment) return;
      segment_.emplace(std::move(*segment));
    }
    while (lanes_.size() < segment_->lane_count() &&
           segment_->is_lane_claimed(static_cast<std::uint32_t>(lanes_.size()))) {
      lanes_.push_back({segment_->lane(static_cast<std::uint32_t>(lanes_.size()), 0)});
    }
  }

  std::uint64_t drain() {
    if (lanes_.empty() || ++visits_ % 1'024 == 0) look_for_lanes();
    std::uint64_t records = 0;
    for (Lane& lane : lanes_) records += drain(lane);
    if (records != 0) shared_.records.fetch_add(records, std::memory_order_relaxed);
    return records;
  }

  std::uint64_t drain(Lane& lane) {
    std::uint64_t records = 0;
    for (;;) {
      const Peeked peeked = lane.reader.read(record_);
      if (peeked == Peeked::empty) break;
      const std::uint64_t published = record_.head.ordinal - record_.head.refused;
      if (peeked == Peeked::corrupt || published != lane.published) {
        shared_.broken.fetch_add(1, std::memory_order_relaxed);
        if (peeked == Peeked::corrupt) break;
      }
      lane.published = published + 1;
      ++records;
    }
    if (records != 0) lane.reader.release(lane.reader.next());
    return records;
  }

  Partner::Shared& shared_;
  const std::string directory_;
  std::optional<SegmentReader> segment_;
  std::vector<Lane> lanes_;
  std::uint64_t visits_ = 0;
  RecordCopy record_{};
};

}  // namespace

const char* text_of(Mode mode) {
  switch (mode) {
    case Mode::absent:
      return "absent";
    case Mode::busy:
      return "busy";
    default:
      return "every 50 µs";
  }
}

std::string distance_text(double before_ns, double after_ns) {
  const bool near = before_ns < kNearOneWayNs && after_ns < kNearOneWayNs;
  char text[128];
  std::snprintf(text, sizeof text, "ping-pong one way %.0f ns before, %.0f ns after: %s", before_ns,
                after_ns, near ? "near" : "far");
  return text;
}

Partner::Partner(const Options& options)
    : shared_(map_shared<Shared>()), directory_(options.directory) {
  child_ = ::fork();
  if (child_ < 0) {
    std::perror("bench: fork");
    std::exit(2);
  }
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(options.consumer_cpu);
    ::_exit(Consumer(*shared_, options.directory).run());
  }
  pin(options.producer_cpu);
}

Partner::~Partner() {
  finish();
  ::munmap(shared_, sizeof(Shared));
}

void Partner::set_mode(Mode mode) {
  store_and_wake(shared_->mode, mode);
  while (shared_->mode_seen.load(std::memory_order_acquire) != mode) ::sched_yield();
}

double Partner::one_way_ns(double ticks_per_ns) {
  set_mode(Mode::ping);
  std::vector<double> trips(kPings);
  std::uint64_t ping = shared_->ping.load(std::memory_order_relaxed);
  for (double& trip : trips) {
    const std::uint64_t begin = __rdtsc();
    shared_->ping.store(++ping, std::memory_order_release);
    while (shared_->pong.load(std::memory_order_acquire) != ping) {
    }
    trip = static_cast<double>(__rdtsc() - begin);
  }
  return median(std::move(trips)) / ticks_per_ns / 2;
}

void Partner::finish() {
  if (child_ <= 0) return;
  store_and_wake(shared_->mode, Mode::end);
  ::waitpid(child_, nullptr, 0);
  child_ = 0;
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::uint64_t Partner::records() const { return shared_->records.load(); }
std::uint64_t Partner::broken() const { return shared_->broken.load(); }

}  // namespace ddt::bench
