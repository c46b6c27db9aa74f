// tests/support/raw_http.hpp — HTTP as bytes over a TCP socket, to see exactly what a server sends.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ddt::test {

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// One connection to 127.0.0.1. Every wait ends after 10 s. Throws std::runtime_error.
class RawHttp {
 public:
  explicit RawHttp(std::uint16_t port);
  ~RawHttp();
  RawHttp(const RawHttp&) = delete;
  RawHttp& operator=(const RawHttp&) = delete;

  void send(std::string_view bytes);
  HttpReply read(bool has_body = true);  // one reply; has_body false for HEAD
  bool is_closed_by_peer();              // waits for the end
  void abort();                          // RST, as a client that dies

  // "GET <target>" with Host and these header lines ("Name: value\r\n").
  HttpReply get(std::string_view target, std::string_view headers = "");
  HttpReply ask(std::string_view method, std::string_view target, std::string_view headers = "");

 private:
  bool read_more();

  int fd_ = -1;
  std::string buffer_;
};

}  // namespace ddt::test
