#include "bench/http/load.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <string_view>

#include "shm/base/clock.hpp"

namespace ddt::bench {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    throw std::runtime_error("nobody listens on port " + std::to_string(port));
  }
  return fd;
}

std::string request_for(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

// The bytes of an answer as they come.
class Answer {
 public:
  // True once it is whole.
  bool take(std::string_view bytes) {
    text_.append(bytes);
    if (length_ == 0) read_head();
    return length_ != 0 && text_.size() >= length_;
  }
  std::string_view body() const { return std::string_view(text_).substr(head_); }
  void clear() {
    text_.clear();
    head_ = length_ = 0;
  }

 private:
  void read_head() {
    const std::size_t end = text_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    std::string head = text_.substr(0, end + 2);
    std::ranges::transform(head, head.begin(), [](unsigned char c) { return std::tolower(c); });
    if (head.compare(0, 12, "http/1.1 200") != 0) throw std::runtime_error("answered: " + text_);
    constexpr std::string_view kLength = "\r\ncontent-length: ";
    const std::size_t at = head.find(kLength);
    if (at == std::string::npos) throw std::runtime_error("an answer without its length: " + head);
    std::size_t body = 0;
    std::from_chars(head.data() + at + kLength.size(), head.data() + head.size(), body);
    head_ = end + 4;
    length_ = head_ + body;
  }

  std::string text_;
  std::size_t head_ = 0, length_ = 0;
};

struct Connection {
  int fd = -1;
  Answer answer;
  std::int64_t asked_ns = 0;
  std::size_t target = 0;
};

class Round {
 public:
  explicit Round(const LoadOptions& options) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (const std::string& target : options.targets) requests_.push_back(request_for(target));
    connections_.resize(options.connections);
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].fd = connect_to(options.port);
      connections_[i].target = i % requests_.size();
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].fd, &event);
    }
  }
  ~Round() {
    for (const Connection& connection : connections_) ::close(connection.fd);
    ::close(epoll_);
  }
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  Load run(std::int64_t duration_ns) {
    const std::int64_t begin_ns = monotonic_ns();
    end_ns_ = begin_ns + duration_ns;
    for (Connection& connection : connections_) ask(connection);
    std::array<epoll_event, 64> events;
    while (under_way_ > 0) {
      const int count = ::epoll_wait(epoll_, events.data(), events.size(), 10'000);
      if (count <= 0) throw std::runtime_error("no answer within 10 s");
      for (int i = 0; i < count; ++i)
        hear(connections_[events[static_cast<std::size_t>(i)].data.u64]);
    }
    const double seconds = static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
    const auto answers = static_cast<double>(load_.latencies_ms.size());
    load_.requests_per_s = answers / seconds;
    load_.body_bytes = body_bytes_ / std::max(answers, 1.0);
    std::ranges::sort(load_.latencies_ms);
    return std::move(load_);
  }

 private:
  void ask(Connection& connection) {
    const std::string& request = requests_[connection.target];
    connection.target = (connection.target + 1) % requests_.size();
    connection.answer.clear();
    connection.asked_ns = monotonic_ns();
    if (::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
      throw std::runtime_error("a request could not be sent");
    ++under_way_;
  }

  void hear(Connection& connection) {
    std::array<char, 65'536> bytes;
    const ssize_t length = ::recv(connection.fd, bytes.data(), bytes.size(), 0);
    if (length <= 0) throw std::runtime_error("a connection was ended");
    if (!connection.answer.take({bytes.data(), static_cast<std::size_t>(length)})) return;
    const std::int64_t now_ns = monotonic_ns();
    load_.latencies_ms.push_back(static_cast<double>(now_ns - connection.asked_ns) / 1e6);
    body_bytes_ += static_cast<double>(connection.answer.body().size());
    --under_way_;
    if (now_ns < end_ns_) ask(connection);
  }

  int epoll_;
  std::vector<std::string> requests_;
  std::vector<Connection> connections_;
  std::size_t under_way_ = 0;
  std::int64_t end_ns_ = 0;
  double body_bytes_ = 0;
  Load load_;
};

}  // namespace

double Load::percentile_ms(double percent) const {
  if (latencies_ms.empty()) return 0;
  const auto last = static_cast<double>(latencies_ms.size() - 1);
  return latencies_ms[static_cast<std::size_t>(last * percent / 100)];
}

Load load(const LoadOptions& options) { return Round(options).run(options.duration_ns); }

Client::Client(std::uint16_t port) : fd_(connect_to(port)) {}

Client::~Client() { ::close(fd_); }

std::string Client::get(const std::string& target) {
  const std::string request = request_for(target);
  if (::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    throw std::runtime_error("a request could not be sent");
  Answer answer;
  std::array<char, 65'536> bytes;
  for (;;) {
    const ssize_t length = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (length <= 0) throw std::runtime_error("the connection was ended: " + target);
    if (answer.take({bytes.data(), static_cast<std::size_t>(length)}))
      return std::string(answer.body());
  }
}

std::string fetch_body(std::uint16_t port, const std::string& target) {
  return Client(port).get(target);
}

bool answers(std::uint16_t port, const std::string& target) {
  try {
    fetch_body(port, target);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace ddt::bench
