// bench/peers/stage.hpp — whose turn it is: consumers of queues that wait asleep and poll while theirs is measured.
//
// One consumer thread for what lives inside a process, one forked child for what crosses processes, both on the
// consumer's CPU. A consumer is a function that takes one message, says whether there was one, and never waits.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>

namespace ddt::bench {

class Stage {
 public:
  using Consume = std::function<bool()>;  // called again and again while its queue has the turn
  enum class Pace : int { busy, every_50us };

  explicit Stage(int consumer_cpu);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // Before start(): who takes what `turn` sends. Turns are numbers from 1 on.
  void in_thread(int turn, Consume consume) { in_thread_.emplace(turn, std::move(consume)); }
  void in_child(int turn, Consume consume) { in_child_.emplace(turn, std::move(consume)); }
  void start();

  // Another turn than the last one. Returns once the consumer polls, without rest or every 50 µs, and
  // no other does; 0 = nobody's.
  void give_turn(int turn, Pace pace = Pace::busy);
  // Whether the scheduler took the CPU from the consumer whose turn has ended last.
  bool was_displaced() const;

 private:
  struct Shared {
    alignas(128) std::atomic<int> turn;
    std::atomic<Pace> pace;  // of the turn; stored before it
    // Each written by its consumer alone: a late word of the one must not hide the other's.
    alignas(128) std::atomic<int> seen_by_thread;
    alignas(128) std::atomic<int> seen_by_child;
    std::atomic<bool> was_displaced;
  };
  void consume(const std::map<int, Consume>& consumers, std::atomic<int>& seen);

  const int consumer_cpu_;
  Shared* shared_;  // between the processes
  std::map<int, Consume> in_thread_, in_child_;
  std::thread thread_;
  pid_t child_ = 0;
};

}  // namespace ddt::bench
