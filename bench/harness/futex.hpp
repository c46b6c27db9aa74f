// bench/harness/futex.hpp — sleeping until a word in shared memory changes, so that who waits disturbs nobody.
// std::atomic::wait knows one process only.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>

namespace ddt::bench {

// Returns the word once it is another than `value`.
template <typename Word>
Word wait_while(std::atomic<Word>& word, Word value) {
  static_assert(sizeof word == 4 && std::atomic<Word>::is_always_lock_free);
  for (;;) {
    const Word found = word.load(std::memory_order_acquire);
    if (found != value) return found;
    ::syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr);
  }
}

template <typename Word>
void store_and_wake(std::atomic<Word>& word, Word value) {
  word.store(value, std::memory_order_release);
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX);
}

}  // namespace ddt::bench
