// sidecar/redis/client.hpp — the one door to hiredis: connections, commands, subscriptions.
//
// Threads   A Client or Subscriber belongs to one thread at a time. Move-only.
// Errors    I/O: is_retryable, and the object is dead (is_open() false): make a new one with
//           connect(), which sets timeouts, AUTH and SELECT again. An error reply: not retryable,
//           the object lives.
// Limits    A reply beyond kReplyBytesMax, or an array beyond kReplyItemsMax, is an I/O error.
// Signals   connect() ignores SIGPIPE for the process, unless someone handles it already.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "shm/base/result.hpp"

namespace ddt::redis {

inline constexpr std::size_t kReplyBytesMax = 256U << 20;  // a page of the journal is far smaller
inline constexpr std::size_t kReplyItemsMax = 1U << 20;
inline constexpr std::size_t kPendingMessagesMax = 65'536;  // while a subscribe is confirmed

struct ConnectOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string unix_socket;  // used instead of host and port when not empty
  std::string username, password;
  int database = 0;
  std::chrono::milliseconds connect_timeout{2000}, io_timeout{5000};
};

std::vector<std::string> problems_in(const ConnectOptions& options);

// "127.0.0.1:6379" or the socket's path: for messages, without secrets.
std::string address_of(const ConnectOptions& options);

struct Reply {
  enum class Kind : std::uint8_t { nil, status, error, integer, string, array };
  Kind kind = Kind::nil;
  std::int64_t integer = 0;
  std::string text;  // of a status, error or string
  std::vector<Reply> items;

  bool is_nil() const noexcept { return kind == Kind::nil; }
  bool is_error() const noexcept { return kind == Kind::error; }
};

using Command = std::vector<std::string>;  // binary safe; the first is the command's name

class Connection;  // socket and parser; client.cpp

class Client {
 public:
  static Result<Client> connect(const ConnectOptions& options);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // One round trip. An error reply is an Error whose message has the server's text.
  Result<Reply> run(const Command& command);

  // Pipelined. Error replies stay in their place: check each.
  Result<std::vector<Reply>> run_all(std::span<const Command> commands);

  bool is_open() const noexcept;

 private:
  explicit Client(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

struct Message {
  std::string channel, payload;
};

// A connection that only listens.
class Subscriber {
 public:
  static Result<Subscriber> connect(const ConnectOptions& options);
  Subscriber(Subscriber&&) noexcept;
  Subscriber& operator=(Subscriber&&) noexcept;
  ~Subscriber();

  // Returns once the server has confirmed: every later message is seen by next().
  Status subscribe(const std::string& channel);
  Status subscribe_pattern(const std::string& pattern);
  Status unsubscribe(const std::string& channel);

  // The next message; nullopt when none came within the timeout.
  Result<std::optional<Message>> next(std::chrono::milliseconds timeout);

  bool is_open() const noexcept;

 private:
  explicit Subscriber(std::unique_ptr<Connection> connection);
  Status change(const std::string& verb, const std::string& name);

  std::unique_ptr<Connection> connection_;
  std::deque<Message> pending_;
};

}  // namespace ddt::redis
