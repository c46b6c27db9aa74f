// bench/peers/queues.hpp — what a bot's author might take instead: each sends one 64-byte message stamped with the
// TSC, and has a taker for the other side: take() is false where nothing waits.
//
// Defaults and the ways their documentation recommends; none is tuned beyond it, none is held back.
#pragma once

#include <concurrentqueue/concurrentqueue.h>
#include <x86intrin.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "bench/harness/shared_memory.hpp"

namespace ddt::bench {

struct Message {
  std::uint64_t ordinal, stamp, kind, duration, rest[4];
};
static_assert(sizeof(Message) == 64);

inline Message message_of(std::uint32_t i) noexcept {
  return {.ordinal = i, .stamp = __rdtsc(), .kind = 9, .duration = 1'500'000 + i, .rest = {}};
}

inline constexpr std::size_t kQueueMessages = 16'384;

// boost::lockfree::spsc_queue between two processes: its ring inside the object, the object in shared memory.
class SpscInSharedMemory {
 public:
  SpscInSharedMemory() : queue_(map_shared<Queue>()) {}
  ~SpscInSharedMemory() { ::munmap(queue_, sizeof(Queue)); }
  SpscInSharedMemory(const SpscInSharedMemory&) = delete;
  SpscInSharedMemory& operator=(const SpscInSharedMemory&) = delete;
  bool send(std::uint32_t i) { return queue_->push(message_of(i)); }
  bool take(Message& message) { return queue_->pop(message); }

 private:
  using Queue = boost::lockfree::spsc_queue<Message, boost::lockfree::capacity<kQueueMessages>>;
  Queue* queue_;
};

class InterprocessMessageQueue {
 public:
  explicit InterprocessMessageQueue(const std::string& name)
      : name_(name),
        queue_(boost::interprocess::create_only, name.c_str(), 4'096, sizeof(Message)) {}
  ~InterprocessMessageQueue() { boost::interprocess::message_queue::remove(name_.c_str()); }
  InterprocessMessageQueue(const InterprocessMessageQueue&) = delete;
  InterprocessMessageQueue& operator=(const InterprocessMessageQueue&) = delete;
  bool send(std::uint32_t i) {
    const Message message = message_of(i);
    return queue_.try_send(&message, sizeof message, 0);
  }
  bool take(Message& message) {
    boost::interprocess::message_queue::size_type bytes;
    unsigned priority;
    return queue_.try_receive(&message, sizeof message, bytes, priority);
  }

 private:
  const std::string name_;
  boost::interprocess::message_queue queue_;
};

// moodycamel's queue within one process, with a producer token, as its documentation recommends.
class TokenQueue {
 public:
  bool send(std::uint32_t i) { return queue_.enqueue(token_, message_of(i)); }
  bool take(Message& message) { return queue_.try_dequeue(message); }

 private:
  moodycamel::ConcurrentQueue<Message> queue_{kQueueMessages};
  moodycamel::ProducerToken token_{queue_};
};

class MutexAndDeque {
 public:
  bool send(std::uint32_t i) {
    const Message message = message_of(i);
    const std::lock_guard lock(mutex_);
    messages_.push_back(message);
    return true;
  }
  bool take(Message& message) {
    const std::lock_guard lock(mutex_);
    if (messages_.empty()) return false;
    message = messages_.front();
    messages_.pop_front();
    return true;
  }

 private:
  std::mutex mutex_;
  std::deque<Message> messages_;
};

}  // namespace ddt::bench
