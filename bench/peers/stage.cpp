#include "bench/peers/stage.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "bench/harness/futex.hpp"
#include "bench/harness/shared_memory.hpp"
#include "bench/harness/timing.hpp"

namespace ddt::bench {
namespace {

constexpr int kEnd = -1;
constexpr int kPollsPerLook = 200;

}  // namespace

Stage::Stage(int consumer_cpu) : consumer_cpu_(consumer_cpu), shared_(map_shared<Shared>()) {}

Stage::~Stage() {
  store_and_wake(shared_->turn, kEnd);
  if (thread_.joinable()) thread_.join();
  if (child_ > 0) ::waitpid(child_, nullptr, 0);
  ::munmap(shared_, sizeof(Shared));
}

void Stage::start() {
  child_ = ::fork();
  if (child_ < 0) {
    std::perror("bench: fork");
    std::exit(2);
  }
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    consume(in_child_, shared_->seen_by_child);
    ::_exit(0);
  }
  thread_ = std::thread([this] { consume(in_thread_, shared_->seen_by_thread); });
}

void Stage::consume(const std::map<int, Consume>& consumers, std::atomic<int>& seen) {
  pin(consumer_cpu_);
  ::prctl(PR_SET_TIMERSLACK, 1UL);  // else 50 µs take 124
  for (;;) {
    const int turn = shared_->turn.load(std::memory_order_acquire);
    if (turn == kEnd) return;
    const auto mine = consumers.find(turn);
    const long switches = involuntary_switches();
    seen.store(turn, std::memory_order_release);
    if (mine == consumers.end()) {
      wait_while(shared_->turn, turn);
      continue;
    }
    const bool is_busy = shared_->pace.load(std::memory_order_relaxed) == Pace::busy;
    while (shared_->turn.load(std::memory_order_acquire) == turn) {
      if (is_busy) {
        for (int i = 0; i < kPollsPerLook; ++i) mine->second();
      } else {
        while (mine->second()) {
        }
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
    // Relaxed: the next turn's `seen` publishes it.
    shared_->was_displaced.store(involuntary_switches() != switches, std::memory_order_relaxed);
  }
}

void Stage::give_turn(int turn, Pace pace) {
  shared_->pace.store(pace, std::memory_order_relaxed);  // relaxed: the turn publishes it
  store_and_wake(shared_->turn, turn);
  for (const auto* seen : {&shared_->seen_by_thread, &shared_->seen_by_child}) {
    while (seen->load(std::memory_order_acquire) != turn) ::sched_yield();
  }
}

bool Stage::was_displaced() const {
  return shared_->was_displaced.load(std::memory_order_relaxed);  // relaxed: give_turn has waited
}

}  // namespace ddt::bench
