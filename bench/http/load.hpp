// bench/http/load.hpp — many keep-alive connections from one thread, each asking again as soon as it has its answer.
//
// Threads   One.   Errors   std::runtime_error: an answer that is not 200, a connection that ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ddt::bench {

struct LoadOptions {
  std::uint16_t port = 0;  // on 127.0.0.1
  std::size_t connections = 64;
  std::int64_t duration_ns = 500'000'000;
  std::vector<std::string> targets = {};  // asked for in turn
};

struct Load {
  double requests_per_s = 0;
  std::vector<double> latencies_ms = {};  // sorted
  double body_bytes = 0;                  // mean
  double percentile_ms(double percent) const;
};

Load load(const LoadOptions& options);

// One request on a connection of its own; the body. Throws when nobody answers with 200.
std::string fetch_body(std::uint16_t port, const std::string& target);
// True once it answers.
bool answers(std::uint16_t port, const std::string& target);

// One connection, one request after the other.
class Client {
 public:
  explicit Client(std::uint16_t port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  std::string get(const std::string& target);  // the body of a 200

 private:
  int fd_ = -1;
};

}  // namespace ddt::bench
