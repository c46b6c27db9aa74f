// api/stores.hpp — Redis and MySQL as one reactor thread uses them: connected when first asked, and again
// after they were away.
//
// Threads   A Stores belongs to one thread; StoresOfThreads hands each its own.
// Errors    A store that cannot be reached is an Error at once while the backoff runs, so that an outage
//           costs a request no more than one connect timeout now and then. Reads that fail because a kept
//           connection had died are tried once more on a new one, but not within a snapshot.
// Indexes   A query may say FORCE INDEX (…), and must where it has an IN list: the server does not look for how many
//           rows there are of each value. A database that has no such index (not migrated yet, restored, dropped) is
//           asked without that hint: slower, the same answer.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/redis/client.hpp"
#include "sidecar/redis/live_reader.hpp"
#include "sql/client.hpp"

namespace ddt::api {

struct StoreOptions {
  redis::ConnectOptions redis;
  sql::ConnectOptions mysql;
  redis::LiveKeys live_keys;
};

// When to try again to connect: at once, then after waits that double up to kRetryMax.
class Backoff {
 public:
  static constexpr std::chrono::milliseconds kRetryMin{100}, kRetryMax{2000};
  bool is_due() const;
  void failed();
  void succeeded();

 private:
  std::chrono::milliseconds wait_{0};
  std::chrono::steady_clock::time_point due_{};
};

class Stores {
 public:
  explicit Stores(StoreOptions options);

  Result<sql::Rows> query(const std::string& sql, const std::vector<sql::Value>& params = {});

  // All that `read` (() → Result) asks MySQL is of one moment. Within another one: of that one's.
  template <typename Read>
  auto in_snapshot(const Read& read) -> decltype(read()) {
    if (is_in_snapshot_) return read();
    if (auto begun = begin_snapshot(); !begun) return begun.error();
    const SnapshotEnd end(*this);
    return read();
  }

  redis::LiveReader& live() { return live_; }

 private:
  struct SnapshotEnd {
    explicit SnapshotEnd(Stores& of) : stores(of) {}
    SnapshotEnd(const SnapshotEnd&) = delete;
    ~SnapshotEnd() { stores.end_snapshot(); }
    Stores& stores;
  };

  Result<sql::Connection*> mysql();
  Status begin_snapshot();
  void end_snapshot();
  Result<sql::Rows> query_hinted(sql::Connection& connection, const std::string& sql,
                                 const std::vector<sql::Value>& params);

  StoreOptions options_;
  std::optional<sql::Connection> mysql_;
  bool is_in_snapshot_ = false;
  std::map<std::string, std::chrono::steady_clock::time_point> missing_indexes_;  // until then
  Backoff mysql_backoff_;
  redis::LiveReader live_;
};

class StoresOfThreads {
 public:
  explicit StoresOfThreads(StoreOptions options) : options_(std::move(options)) {}
  Stores& of_this_thread();

 private:
  const StoreOptions options_;
  std::mutex mutex_;
  std::unordered_map<std::thread::id, std::unique_ptr<Stores>> stores_;  // guarded by mutex_
};

}  // namespace ddt::api
