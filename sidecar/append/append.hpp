// sidecar/append/append.hpp — batches of Blocks → the journal and the live values, fenced.
//
// Threads   One; its connection is its own. work() appends at most one batch.
// Once      A batch whose answer never came is judged by the positions read after the next fence was taken:
//           what is acknowledged there is in the journal, the rest is appended again.
// Errors    Redis away or full, the journal at its limit: the batch stays, backoff with jitter, the queue and
//           then the Lanes hold.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "sidecar/append/acknowledged.hpp"
#include "sidecar/batch_queue.hpp"
#include "sidecar/exchange.hpp"
#include "sidecar/redis/journal.hpp"
#include "sidecar/redis/live.hpp"
#include "sidecar/redis/live_latency.hpp"

namespace ddt::sidecar {

// Waiting times between attempts: doubled up to a limit, each drawn from [half, whole].
class Backoff {
 public:
  explicit Backoff(std::int64_t max_ns = 2'000'000'000) : max_ns_(max_ns) {}
  bool may_try(std::int64_t now_ns) const { return now_ns >= next_ns_; }
  void failed(std::int64_t now_ns);
  void succeeded() {
    wait_ns_ = kFirstNs;
    next_ns_ = 0;
  }

 private:
  static constexpr std::int64_t kFirstNs = 20'000'000;
  std::int64_t max_ns_, wait_ns_ = kFirstNs, next_ns_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

struct AppendConfig {
  redis::ConnectOptions redis;
  std::string sidecar_id;
  std::string live_prefix{redis::kDefaultLivePrefix};
  std::uint64_t journal_bytes_max =
      1U << 30;  // as Redis estimates it: MySQL is away, nothing is trimmed
};

struct AppendCounters {
  std::uint64_t entries = 0, retries = 0, reconnects = 0, live_failures = 0, live_skipped = 0;
};

class Append {
 public:
  Append(AppendConfig config, BatchQueue& batches, Exchange& exchange);

  // Connects, takes the fence, reads what Redis acknowledged. Errors: retryable, try again.
  Result<redis::Positions> connect();

  // Appends one batch if there is one, else sees every now and then whether Redis has forgotten something.
  // Returns Blocks appended.
  std::size_t work(std::int64_t now_ns);

  // Before the end: what is written once a second only.
  void finish();

  bool has_pending() const noexcept { return pending_.has_value() || !ended_.empty(); }
  const AppendCounters& counters() const noexcept { return counters_; }

 private:
  void confirm(std::int64_t now_ns);
  void redis_is_confirmed(std::int64_t now_ns);
  bool may_write_live(std::int64_t now_ns);
  std::optional<Batch> next_batch();
  bool journal_has_room(std::int64_t now_ns);
  Status append_pending(std::int64_t now_ns);
  void has_appended(std::string id, std::size_t bytes);
  Status fold_latencies(const std::string& entry_id);
  Status write_latencies();
  void failed(const Error& error, std::int64_t now_ns);
  void tell_failures(const redis::LiveFailures& failures);

  const AppendConfig config_;
  const redis::SidecarKeys keys_;
  BatchQueue& batches_;
  Exchange& exchange_;
  std::optional<redis::JournalWriter> writer_;
  std::unique_ptr<redis::LiveValues> live_;
  redis::LiveLatency latency_;
  std::string last_id_;  // of the journal
  std::optional<Batch> pending_;
  Acknowledged acknowledged_;
  std::vector<Ended> ended_;  // scripts to be shown as offline
  Backoff backoff_;
  AppendCounters counters_;
  std::int64_t next_memory_check_ns_ = 0, next_confirm_ns_ = 0, next_size_check_ns_ = 0;
  bool memory_is_short_ = false, journal_is_full_ = false;
  std::uint64_t journal_bytes_ = 0;  // as Redis said, and what was appended since
};

}  // namespace ddt::sidecar
