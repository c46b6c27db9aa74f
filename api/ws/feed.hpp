// api/ws/feed.hpp — the Redis side of the WebSocket server: one thread that listens to the channels of the
// profiles somebody watches, and reads snapshots.
//
// Order     A profile is subscribed before its snapshot is read, so that no update is missed in between;
//           one that the snapshot holds already has a seq at or below the snapshot's.
// Errors    Without Redis a snapshot says so; when it is back, every watched profile gets a fresh one
//           (ticket kEveryone), because updates may have been missed.
// Threads   join() and leave() from any thread. Callbacks come on the feed's own thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/ws/channel.hpp"
#include "sidecar/redis/client.hpp"
#include "sidecar/redis/live_reader.hpp"

namespace ddt::api {

inline constexpr std::uint64_t kEveryone = 0;

struct Snapshot {
  std::int32_t profile_id = 0;
  std::uint64_t ticket = kEveryone;  // who asked
  std::int64_t seq = 0;
  std::string text;  // {"type":"snapshot","seq":…,"ts":"…","data":{…}}
};

class Feed {
 public:
  using OnUpdates = std::function<void(std::vector<Update>)>;
  using OnSnapshot = std::function<void(Snapshot)>;

  Feed(redis::ConnectOptions options, redis::LiveKeys keys, OnUpdates on_updates,
       OnSnapshot on_snapshot);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  void start();
  void stop();
  void join(std::int32_t profile_id, std::uint64_t ticket);
  void leave(std::int32_t profile_id);

 private:
  struct Request {
    std::int32_t profile_id;
    std::uint64_t ticket;
    bool is_leave;
  };
  void work();
  void serve_requests();
  bool connect();
  void listen();
  void drop();
  Snapshot snapshot_of(std::int32_t profile_id, std::uint64_t ticket);

  const redis::ConnectOptions options_;
  const redis::LiveKeys keys_;
  const OnUpdates on_updates_;
  const OnSnapshot on_snapshot_;

  std::mutex mutex_;
  std::vector<Request> requests_;  // guarded by mutex_
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;

  // The feed's thread only.
  redis::LiveReader reader_;
  std::optional<redis::Subscriber> subscriber_;
  std::set<std::int32_t> watched_;
  std::chrono::steady_clock::time_point retry_at_{};
  bool was_away_ = false;
};

}  // namespace ddt::api
