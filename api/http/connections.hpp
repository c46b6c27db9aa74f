// api/http/connections.hpp — the open connections: what they still have to send, and how long they may
// take. Nobody who reads slowly, or not at all, delays anyone else.
//
// Why       Pistache queues replies by fd number (a reused fd gets another client's reply) and spins a
//           reactor thread while a reader is slow. So replies are sent here, at once, on the reactor's
//           thread; what the socket does not take is finished by one writer thread on a dup of the fd.
// Threads   One reactor thread owns each Connection; the writer thread touches `pending_` and `slow_fd_`
//           under the mutex, and `deadline_ns_` is an atomic. An fd is only shut down here, never closed:
//           the reactor then sees the end and closes it, after remove().
// Lifetime  A Connection is shared by its reactor thread and the writer thread: the last to let go ends it.
// Limits    kPendingBytesMax unsent per connection, kSendStall without progress, kRequestTime for a
//           request to arrive whole, kIdleTime between requests, kLingerTime to read the last reply.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace ddt::api {

inline constexpr std::size_t kPendingBytesMax = 1024 * 1024;
inline constexpr std::chrono::seconds kSendStall{10};
inline constexpr std::chrono::seconds kRequestTime{10};
inline constexpr std::chrono::seconds kIdleTime{75};
inline constexpr std::chrono::seconds kLingerTime{2};

enum class AfterReply : std::uint8_t {
  keep,    // wait for the next request
  close,   // everything sent was read: close at once
  linger,  // the client may still be sending: say the end, swallow the rest, then close
};

class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}

  std::string input;     // reactor thread only: bytes not parsed yet
  bool is_deaf = false;  // reactor thread only: a last reply was given, input is swallowed
  std::size_t swallowed_bytes = 0;  // reactor thread only

 private:
  friend class Connections;
  const int fd_;
  std::atomic<std::int64_t> deadline_ns_{0};
  std::mutex mutex_;
  std::string pending_;  // guarded by mutex_
  int slow_fd_ = -1;     // guarded by mutex_; -1 while the writer thread has nothing to do with it
  AfterReply after_ = AfterReply::keep;               // guarded by mutex_
  std::chrono::steady_clock::time_point stalled_at_;  // guarded by mutex_
};

class Connections {
 public:
  explicit Connections(std::size_t connections_max);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // nullptr when there are connections_max already: the fd was shut down.
  std::shared_ptr<Connection> add(int fd);
  void remove(const std::shared_ptr<Connection>& connection);  // before its fd is closed
  void send(const std::shared_ptr<Connection>& connection, std::string_view bytes,
            AfterReply after);
  void expect_within(Connection& connection, std::chrono::seconds time);

  std::size_t count() const;
  void end_reading();  // every connection ends once the request under way is answered

 private:
  void work();
  bool advance(Connection& connection);  // false when the writer is done with it
  void shut_down_late(std::int64_t now_ns);
  void finish(Connection& connection, int fd, AfterReply after);
  void wake() const;

  const std::size_t connections_max_;
  int wake_fd_;
  mutable std::mutex mutex_;
  std::unordered_map<const Connection*, std::shared_ptr<Connection>> open_;  // guarded by mutex_
  std::vector<std::shared_ptr<Connection>> newly_slow_;                      // guarded by mutex_
  std::vector<std::shared_ptr<Connection>> slow_;                            // writer thread only
  std::atomic<bool> is_stopping_{false};
  std::thread writer_;
};

}  // namespace ddt::api
