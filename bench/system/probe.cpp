#include "bench/system/probe.hpp"

#include <sys/mman.h>
#include <time.h>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "bench/harness/rows.hpp"

namespace ddt::bench {
namespace {

constexpr std::size_t kPageBytes = 4'096;
constexpr std::size_t kPages = 32;
constexpr std::chrono::milliseconds kEvery{100};

double thread_cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

// CPU time of each, mapped, touched and given back; 0 where there is no memory.
double touch_fresh_pages() {
  const double begin_ns = thread_cpu_ns();
  void* pages = ::mmap(nullptr, kPages * kPageBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return 0;
  for (std::size_t i = 0; i < kPages; ++i) static_cast<char*>(pages)[i * kPageBytes] = 1;
  asm volatile("" : : "r"(pages) : "memory");  // they are written
  ::munmap(pages, kPages * kPageBytes);
  return (thread_cpu_ns() - begin_ns) / kPages;
}

}  // namespace

Probe::Probe() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

double Probe::page_ns() {
  std::vector<double> taken;
  {
    const std::lock_guard lock(mutex_);
    taken = std::exchange(page_ns_, {});
  }
  if (taken.empty()) throw std::runtime_error("no page was touched meanwhile");
  return median(std::move(taken));
}

void Probe::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::this_thread::sleep_for(kEvery);
    const double page_ns = touch_fresh_pages();
    if (page_ns <= 0) continue;
    const std::lock_guard lock(mutex_);
    page_ns_.push_back(page_ns);
  }
}

}  // namespace ddt::bench
