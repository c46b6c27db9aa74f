// bench/peers/network.hpp — what leaves the process through a socket: a statsd-like datagram, and Redis.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

struct redisContext;

namespace ddt::bench {

struct Message;

// Both ends of a loopback datagram socket: 64 bytes each, never waits.
class Datagrams {
 public:
  Datagrams();
  ~Datagrams();
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;
  bool send(std::uint32_t i);
  bool take(Message& message);

 private:
  int sender_ = -1, receiver_ = -1;
};

// A Redis server of its own behind a Unix socket, without persistence, and a connection to it.
class Redis {
 public:
  explicit Redis(std::filesystem::path directory);
  ~Redis();
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;
  bool is_there() const noexcept { return context_ != nullptr; }
  // HSET of one field, its reply awaited.
  bool set(std::uint32_t i);
  // HSET put into the output; every kBatch-th call sends them and reads the replies.
  bool set_pipelined(std::uint32_t i);

 private:
  static constexpr int kBatch = 50;
  struct Free {
    void operator()(redisContext* context) const noexcept;
  };
  const std::filesystem::path directory_;
  pid_t server_ = 0;
  std::unique_ptr<redisContext, Free> context_;
  int waiting_ = 0;
};

}  // namespace ddt::bench
