#include "api/http/connections.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace ddt::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSweepEveryMs = 500;

std::int64_t now_in_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

// Sends what the socket takes. Returns bytes sent, or -1 when the connection is gone.
ssize_t send_some(int fd, std::string_view bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n =
        ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0) return -1;
    sent += static_cast<std::size_t>(n);
  }
  return static_cast<ssize_t>(sent);
}

}  // namespace

Connections::Connections(std::size_t connections_max)
    : connections_max_(connections_max),
      wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      writer_([this] { work(); }) {}

Connections::~Connections() {
  is_stopping_.store(true);  // seq_cst: once, at the end
  wake();
  writer_.join();
  ::close(wake_fd_);
}

void Connections::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_fd_, &one, sizeof one);
}

std::shared_ptr<Connection> Connections::add(int fd) {
  // A connection that is being refused is still told so by its end: it cannot be served.
  const std::lock_guard lock(mutex_);
  if (open_.size() >= connections_max_) {
    ::shutdown(fd, SHUT_RDWR);
    return nullptr;
  }
  // A peer that vanished without a word is found by the kernel.
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  auto connection = std::make_shared<Connection>(fd);  // shared with the writer thread
  expect_within(*connection, kRequestTime);
  open_.emplace(connection.get(), connection);
  return connection;
}

void Connections::remove(const std::shared_ptr<Connection>& connection) {
  {
    const std::lock_guard lock(mutex_);
    open_.erase(connection.get());
  }
  const std::lock_guard lock(connection->mutex_);
  if (connection->slow_fd_ >= 0) ::shutdown(connection->slow_fd_, SHUT_RDWR);  // the writer sees it
}

void Connections::expect_within(Connection& connection, std::chrono::seconds time) {
  const std::int64_t ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
  // relaxed: a number of its own; the sweep may as well see it half a second later.
  connection.deadline_ns_.store(now_in_ns() + ns, std::memory_order_relaxed);
}

void Connections::finish(Connection& connection, int fd, AfterReply after) {
  if (after == AfterReply::close) ::shutdown(fd, SHUT_RDWR);
  if (after == AfterReply::linger) {
    ::shutdown(fd, SHUT_WR);
    expect_within(connection, kLingerTime);
  }
}

void Connections::send(const std::shared_ptr<Connection>& connection, std::string_view bytes,
                       AfterReply after) {
  Connection& c = *connection;
  {
    const std::lock_guard lock(c.mutex_);
    if (c.slow_fd_ >= 0) {  // in order: behind what still waits
      if (c.pending_.size() + bytes.size() > kPendingBytesMax) {
        ::shutdown(c.fd_, SHUT_RDWR);
        return;
      }
      c.pending_.append(bytes);
      c.after_ = after;
      return;
    }
    const ssize_t sent = send_some(c.fd_, bytes);
    if (sent < 0) return;  // gone; the reactor will notice
    bytes.remove_prefix(static_cast<std::size_t>(sent));
    if (bytes.empty()) {
      finish(c, c.fd_, after);
      return;
    }
    const int slow_fd = ::fcntl(c.fd_, F_DUPFD_CLOEXEC, 0);
    if (slow_fd < 0) {
      ::shutdown(c.fd_, SHUT_RDWR);
      return;
    }
    c.slow_fd_ = slow_fd;
    c.pending_ = bytes;
    c.after_ = after;
    c.stalled_at_ = Clock::now();
  }
  {
    const std::lock_guard lock(mutex_);
    newly_slow_.push_back(connection);
  }
  wake();
}

bool Connections::advance(Connection& connection) {
  const std::lock_guard lock(connection.mutex_);
  const ssize_t sent = send_some(connection.slow_fd_, connection.pending_);
  const bool is_gone =
      sent < 0 || (sent == 0 && Clock::now() - connection.stalled_at_ > kSendStall);
  if (sent > 0) {
    connection.pending_.erase(0, static_cast<std::size_t>(sent));
    connection.stalled_at_ = Clock::now();
    expect_within(connection, kIdleTime);
  }
  if (!is_gone && !connection.pending_.empty()) return true;
  if (is_gone) {
    ::shutdown(connection.slow_fd_, SHUT_RDWR);
  } else {
    finish(connection, connection.slow_fd_, connection.after_);
  }
  ::close(connection.slow_fd_);
  connection.slow_fd_ = -1;
  connection.pending_.clear();
  connection.pending_.shrink_to_fit();
  return false;
}

void Connections::work() {
  std::int64_t swept_ns = now_in_ns();
  std::vector<pollfd> fds;
  while (!is_stopping_.load()) {
    {
      const std::lock_guard lock(mutex_);
      for (auto& connection : newly_slow_) slow_.push_back(std::move(connection));
      newly_slow_.clear();
    }
    fds.assign(1, {.fd = wake_fd_, .events = POLLIN, .revents = 0});
    for (const auto& connection : slow_) {
      const std::lock_guard lock(connection->mutex_);
      fds.push_back({.fd = connection->slow_fd_, .events = POLLOUT, .revents = 0});
    }
    ::poll(fds.data(), fds.size(), kSweepEveryMs);
    std::uint64_t drained = 0;
    [[maybe_unused]] const ssize_t n = ::read(wake_fd_, &drained, sizeof drained);
    std::erase_if(slow_, [this](const auto& connection) { return !advance(*connection); });
    const std::int64_t now_ns = now_in_ns();
    if (now_ns - swept_ns >= kSweepEveryMs * 1'000'000LL) {
      swept_ns = now_ns;
      shut_down_late(now_ns);
    }
  }
  for (const auto& connection : slow_) {
    const std::lock_guard lock(connection->mutex_);
    ::close(connection->slow_fd_);
    connection->slow_fd_ = -1;
  }
}

void Connections::shut_down_late(std::int64_t now_ns) {
  // Under mutex_: remove() comes before the close, so every fd here is still the connection's own.
  const std::lock_guard lock(mutex_);
  for (const auto& [key, connection] : open_) {
    // relaxed: see expect_within.
    if (connection->deadline_ns_.load(std::memory_order_relaxed) < now_ns) {
      ::shutdown(connection->fd_, SHUT_RDWR);
    }
  }
}

std::size_t Connections::count() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

void Connections::end_reading() {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, connection] : open_) ::shutdown(connection->fd_, SHUT_RD);
}

}  // namespace ddt::api
