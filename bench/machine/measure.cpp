#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "bench/harness/report.hpp"
#include "bench/machine/findings.hpp"
#include "shm/lane.hpp"

namespace ddt::bench {
namespace {

constexpr std::int64_t kNapNs = 50'000;
constexpr double kGapNs = 1'000;

std::string first_line(const char* path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

// A line that two CPUs send each other, with the TSC of either when it had it.
struct alignas(128) Ball {
  std::atomic<std::uint64_t> serve{0};
  alignas(128) std::atomic<std::uint64_t> back{0};
  alignas(128) std::atomic<std::uint64_t> tsc{0};  // of the other CPU, when it answered
  std::atomic<bool> is_over{false};
};

void answer(Ball& ball, int cpu) {
  pin(cpu);
  std::uint64_t seen = 0;
  while (!ball.is_over.load(std::memory_order_relaxed)) {
    const std::uint64_t serve = ball.serve.load(std::memory_order_acquire);
    if (serve == seen) continue;
    seen = serve;
    ball.tsc.store(__rdtsc(), std::memory_order_relaxed);  // back publishes it
    ball.back.store(serve, std::memory_order_release);
  }
}

// One-way time and the distance of the clocks, as NTP does it: the other's answer lies between our serve and its
// return, so the shortest trip bounds the offset best.
void measure_other_cpu(Findings& found, double seconds, double ticks_per_ns) {
  Ball ball;
  std::thread other([&] { answer(ball, found.consumer_cpu); });
  std::vector<double> trips;
  double shortest = 1e18, offset = 0;
  const std::int64_t end_ns = monotonic_ns() + static_cast<std::int64_t>(seconds * 1e9);
  for (std::uint64_t serve = 1; monotonic_ns() < end_ns; ++serve) {
    const std::uint64_t begin = fenced_ticks();
    ball.serve.store(serve, std::memory_order_release);
    while (ball.back.load(std::memory_order_acquire) != serve) {
    }
    const std::uint64_t end = fenced_ticks();
    const std::uint64_t theirs = ball.tsc.load(std::memory_order_relaxed);
    const auto trip = static_cast<double>(end - begin);
    trips.push_back(trip);
    if (trip >= shortest) continue;
    shortest = trip;
    offset = static_cast<double>(static_cast<std::int64_t>(theirs - begin)) - trip / 2;
  }
  ball.is_over.store(true, std::memory_order_relaxed);
  other.join();
  found.one_way_ns = median(std::move(trips)) / ticks_per_ns / 2;
  // The answer may have been anywhere within the trip: less than half of it is nothing.
  found.tsc_offset_ns = std::abs(offset) <= shortest / 2 ? 0 : offset / ticks_per_ns;
}

void measure_stamps(Findings& found, double ticks_per_ns) {
  const double empty = ticks_in_batch([](std::uint32_t) {});
  const auto ns_of = [&](auto operation) {
    return (ticks_in_batch(operation) - empty) / ticks_per_ns;
  };
  found.rdtsc_ns = ns_of([](std::uint32_t) { __rdtsc(); });
  found.rdtscp_ns = ns_of([](std::uint32_t) {
    unsigned cpu;
    __rdtscp(&cpu);
  });
  found.clock_gettime_ns = ns_of([](std::uint32_t) { monotonic_ns(); });
  std::uint64_t least = ~std::uint64_t{0};
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t begin = __rdtsc();
    const std::uint64_t step = __rdtsc() - begin;
    if (step > 0) least = std::min(least, step);
  }
  found.tsc_resolution_ns = static_cast<double>(least) / ticks_per_ns;
}

// Reads the TSC without rest: where two readings lie far apart something else had the CPU.
void measure_gaps(Findings& found, double seconds, double ticks_per_ns) {
  const auto limit = static_cast<std::uint64_t>(kGapNs * ticks_per_ns);
  const auto whole = static_cast<std::uint64_t>(seconds * 1e9 * ticks_per_ns);
  std::vector<double> gaps;
  gaps.reserve(1 << 20);
  const std::uint64_t begin = __rdtsc();
  for (std::uint64_t last = begin, now; last - begin < whole; last = now) {
    now = __rdtsc();
    if (now - last >= limit && gaps.size() < gaps.capacity())
      gaps.push_back(static_cast<double>(now - last) / ticks_per_ns);
  }
  found.gaps_hz = static_cast<double>(gaps.size()) / seconds;
  for (const double gap : gaps) found.gap_max_ns = std::max(found.gap_max_ns, gap);
  found.gap_median_ns = median(std::move(gaps));
}

// A bot's first store into a page of its Lane, and the next one.
void measure_pages(Findings& found, double ticks_per_ns) {
  constexpr std::size_t kPages = 256, kPageBytes = 4'096;
  const std::string path = "/dev/shm/ddt-bench-pages-" + std::to_string(::getpid());
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return;
  ::unlink(path.c_str());
  void* memory = MAP_FAILED;
  if (::posix_fallocate(fd, 0, kPages * kPageBytes) == 0)
    memory = ::mmap(nullptr, kPages * kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED) return;
  auto* bytes = static_cast<char*>(memory);
  const auto median_store = [&] {
    std::vector<double> times;
    for (std::size_t i = 0; i < kPages; ++i) {
      const std::uint64_t begin = fenced_ticks();
      std::atomic_ref(bytes[i * kPageBytes]).store(1, std::memory_order_relaxed);
      times.push_back(static_cast<double>(fenced_ticks() - begin) / ticks_per_ns);
    }
    return median(std::move(times));
  };
  found.first_touch_ns = median_store();
  found.touch_ns = median_store();
  ::munmap(memory, kPages * kPageBytes);
}

double median_nap_ns(double seconds) {
  std::vector<double> naps;
  const std::int64_t end_ns = monotonic_ns() + static_cast<std::int64_t>(seconds * 1e9);
  while (monotonic_ns() < end_ns) {
    const std::int64_t begin = monotonic_ns();
    const timespec nap{.tv_sec = 0, .tv_nsec = kNapNs};
    ::nanosleep(&nap, nullptr);
    naps.push_back(static_cast<double>(monotonic_ns() - begin));
  }
  return median(std::move(naps));
}

void measure_sleep(Findings& found, double seconds) {
  ::prctl(PR_SET_TIMERSLACK, 0UL);  // the thread's default
  found.sleep_default_ns = median_nap_ns(seconds / 2);
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  found.sleep_without_slack_ns = median_nap_ns(seconds / 2);
  ::prctl(PR_SET_TIMERSLACK, 0UL);
}

}  // namespace

Findings measure(int producer_cpu, int consumer_cpu, double seconds) {
  Findings found;
  utsname name{};
  ::uname(&name);
  found.cpu_model = cpu_model();
  found.kernel = std::string(name.sysname) + " " + name.release;
  found.clock_source =
      first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  found.isolated_cpus = first_line("/sys/devices/system/cpu/isolated");
  found.cpus = static_cast<int>(std::thread::hardware_concurrency());
  found.producer_cpu = producer_cpu;
  found.consumer_cpu = consumer_cpu;
  pin(producer_cpu);
  const double ticks_per_ns = measure_ticks_per_ns();
  found.tsc_is_invariant = has_invariant_tsc();
  found.tsc_ghz = ticks_per_ns;
  measure_stamps(found, ticks_per_ns);
  measure_other_cpu(found, seconds, ticks_per_ns);
  measure_gaps(found, seconds, ticks_per_ns);
  measure_pages(found, ticks_per_ns);
  measure_sleep(found, seconds);
  struct statvfs shm {};
  if (::statvfs("/dev/shm", &shm) == 0) {
    found.shm_bytes = std::uint64_t{shm.f_blocks} * shm.f_frsize;
    found.shm_free_bytes = std::uint64_t{shm.f_bavail} * shm.f_frsize;
  }
  found.lane_bytes = std::uint64_t{kLaneLinesDefault} * kLineBytes;
  return found;
}

}  // namespace ddt::bench
