#include "tests/support/raw_http.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cctype>
#include <stdexcept>

namespace ddt::test {

RawHttp::RawHttp(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval timeout{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd_);
    throw std::runtime_error("raw http: cannot connect");
  }
}

RawHttp::~RawHttp() {
  if (fd_ >= 0) ::close(fd_);
}

void RawHttp::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) throw std::runtime_error("raw http: cannot send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool RawHttp::read_more() {
  char bytes[65'536];
  const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
  if (n < 0) throw std::runtime_error("raw http: no answer");
  buffer_.append(bytes, static_cast<std::size_t>(n));
  return n > 0;
}

HttpReply RawHttp::read(bool has_body) {
  std::size_t head_end = 0;
  while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) throw std::runtime_error("raw http: closed before a reply");
  }
  HttpReply reply;
  const std::string head = buffer_.substr(0, head_end + 2);
  buffer_.erase(0, head_end + 4);
  reply.status = std::stoi(head.substr(9, 3));
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::size_t colon = head.find(": ", at);
    std::string name = head.substr(at, colon - at);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    reply.headers[name] = head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  const auto length = reply.headers.find("content-length");
  if (has_body && length != reply.headers.end()) {
    const auto bytes = std::stoul(length->second);
    while (buffer_.size() < bytes) {
      if (!read_more()) throw std::runtime_error("raw http: closed inside a body");
    }
    reply.body = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
  }
  return reply;
}

bool RawHttp::is_closed_by_peer() {
  try {
    while (read_more()) {
    }
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

void RawHttp::abort() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(fd_);
  fd_ = -1;
}

HttpReply RawHttp::ask(std::string_view method, std::string_view target, std::string_view headers) {
  std::string wire(method);
  wire.append(" ").append(target).append(" HTTP/1.1\r\nHost: 127.0.0.1\r\n");
  wire.append(headers).append("\r\n");
  send(wire);
  return read(method != "HEAD");
}

HttpReply RawHttp::get(std::string_view target, std::string_view headers) {
  return ask("GET", target, headers);
}

}  // namespace ddt::test
