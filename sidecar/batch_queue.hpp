// sidecar/batch_queue.hpp — batches of Blocks between the sidecar's threads, bounded in bytes.
//
// The one door to moodycamel's ConcurrentQueue. One producer thread and one consumer thread; what does not
// fit is refused and stays with the producer, which stops reading Lanes: the Lanes hold the data then.
#pragma once

#include <concurrentqueue/concurrentqueue.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "sidecar/model/block.hpp"

namespace ddt::sidecar {

struct Batch {
  std::vector<model::Block> blocks;
  std::size_t bytes = 0;  // estimate
};

class BatchQueue {
 public:
  explicit BatchQueue(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // A batch larger than the whole queue still fits into an empty one.
  bool has_room(std::size_t bytes) const noexcept {
    const std::size_t queued = bytes_.load(std::memory_order_acquire);
    return queued == 0 || queued + bytes <= bytes_max_;
  }
  void push(Batch batch) {
    bytes_.fetch_add(batch.bytes, std::memory_order_acq_rel);
    queue_.enqueue(std::move(batch));
  }
  std::optional<Batch> pop() {
    Batch batch;
    if (!queue_.try_dequeue(batch)) return std::nullopt;
    return batch;
  }
  // The consumer has finished with a batch: only then does its room count as free.
  void done(const Batch& batch) noexcept {
    bytes_.fetch_sub(batch.bytes, std::memory_order_acq_rel);
  }
  std::size_t bytes() const noexcept { return bytes_.load(std::memory_order_acquire); }

 private:
  const std::size_t bytes_max_;
  std::atomic<std::size_t> bytes_{0};
  moodycamel::ConcurrentQueue<Batch> queue_;
};

}  // namespace ddt::sidecar
