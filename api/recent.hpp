// api/recent.hpp — values that were found out a moment ago, by what they are about.
//
// Threads   Any.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace ddt::api {

template <typename Key, typename Value>
class Recent {
 public:
  static constexpr std::size_t kValuesMax = 4'096;  // then all are forgotten
  using Clock = std::chrono::steady_clock;

  // keep = 0: nothing is kept.
  explicit Recent(std::chrono::milliseconds keep,
                  std::function<Clock::time_point()> now = Clock::now)
      : keep_(keep), now_(std::move(now)) {}

  std::optional<Value> find(const Key& key) {
    if (keep_.count() == 0) return std::nullopt;
    const Clock::time_point now = now_();
    const std::lock_guard lock(mutex_);
    const auto found = values_.find(key);
    if (found == values_.end() || now - found->second.second >= keep_) return std::nullopt;
    return found->second.first;
  }

  void put(const Key& key, Value value) {
    if (keep_.count() == 0) return;
    const Clock::time_point now = now_();
    const std::lock_guard lock(mutex_);
    if (values_.size() >= kValuesMax) values_.clear();
    values_.insert_or_assign(key, std::make_pair(std::move(value), now));
  }

 private:
  const std::chrono::milliseconds keep_;
  const std::function<Clock::time_point()> now_;
  std::mutex mutex_;
  std::map<Key, std::pair<Value, Clock::time_point>> values_;  // guarded by mutex_
};

}  // namespace ddt::api
