#include "sidecar/redis/client.hpp"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <new>
#include <utility>

#include "shm/base/check.hpp"

namespace ddt::redis {
namespace {

constexpr std::size_t kPipelineCommandsMax = 1000;   // FACTS: no gain beyond
constexpr std::size_t kPipelineBytesMax = 4U << 20;  // our write buffer between two reads

timeval timeval_of(std::chrono::milliseconds duration) {
  return {.tv_sec = static_cast<time_t>(duration.count() / 1000),
          .tv_usec = static_cast<suseconds_t>(duration.count() % 1000 * 1000)};
}

// hiredis writes with write(2): a server that went away would kill us. A handler of others stays.
void ignore_sigpipe() {
  struct sigaction current {};
  if (sigaction(SIGPIPE, nullptr, &current) == 0 && (current.sa_flags & SA_SIGINFO) == 0 &&
      current.sa_handler == SIG_DFL) {
    std::signal(SIGPIPE, SIG_IGN);
  }
}

// ── replies are built in place: hiredis parses, we own every byte ────────────────────────────────

// The place a parsed item belongs to: the root, or its slot in the parent array.
Reply* slot_of(const redisReadTask* task) noexcept {
  if (task->parent == nullptr) return static_cast<Reply*>(task->privdata);
  auto* parent = static_cast<Reply*>(task->parent->obj);
  return &parent->items[static_cast<std::size_t>(task->idx)];
}

// A null pointer is an error to hiredis: the connection dies, as it should of a reply too large.
void* create_string(const redisReadTask* task, char* text, std::size_t bytes) noexcept try {
  Reply* reply = slot_of(task);
  reply->kind = task->type == REDIS_REPLY_ERROR    ? Reply::Kind::error
                : task->type == REDIS_REPLY_STATUS ? Reply::Kind::status
                                                   : Reply::Kind::string;
  reply->text.assign(text, bytes);
  return reply;
} catch (const std::bad_alloc&) {
  return nullptr;
}

void* create_array(const redisReadTask* task, int items) noexcept try {
  if (items < 0 || static_cast<std::size_t>(items) > kReplyItemsMax) return nullptr;
  Reply* reply = slot_of(task);
  reply->kind = Reply::Kind::array;
  reply->items.resize(static_cast<std::size_t>(items));
  return reply;
} catch (const std::bad_alloc&) {
  return nullptr;
}

void* create_integer(const redisReadTask* task, long long value) noexcept {
  Reply* reply = slot_of(task);
  reply->kind = Reply::Kind::integer;
  reply->integer = value;
  return reply;
}

void* create_nil(const redisReadTask* task) noexcept {
  Reply* reply = slot_of(task);
  reply->kind = Reply::Kind::nil;
  return reply;
}

void keep_object(void*) noexcept {}

redisReplyObjectFunctions reply_functions{create_string, create_array, create_integer, create_nil,
                                          keep_object};

}  // namespace

// One socket. After any error it is closed for good.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const ConnectOptions& options) {
    ignore_sigpipe();
    auto connection = std::make_unique<Connection>();
    connection->address_ = address_of(options);
    const timeval connect_timeout = timeval_of(options.connect_timeout);
    connection->context_.reset(
        options.unix_socket.empty()
            ? redisConnectWithTimeout(options.host.c_str(), options.port, connect_timeout)
            : redisConnectUnixWithTimeout(options.unix_socket.c_str(), connect_timeout));
    redisContext* context = connection->context_.get();
    if (context == nullptr) return connection->failed("connect: out of memory");
    if (context->err != 0) return connection->failed("connect");
    if (redisSetTimeout(context, timeval_of(options.io_timeout)) != REDIS_OK) {
      return connection->failed("set timeout");
    }
    if (options.unix_socket.empty()) redisEnableKeepAlive(context);
    context->reader->fn = &reply_functions;
    context->reader->privdata = &connection->root_;
    if (Status status = connection->introduce(options); !status) return status.error();
    return connection;
  }

  bool is_open() const noexcept { return context_ != nullptr; }
  const std::string& address() const noexcept { return address_; }

  Status send(std::span<const Command> commands) {
    if (!is_open()) return closed();
    formatted_.clear();
    for (const Command& command : commands) {
      DDT_CHECK(!command.empty());  // The server would answer nothing, and we would wait for it.
      append_header('*', command.size());
      for (const std::string& argument : command) {
        append_header('$', argument.size());
        formatted_.append(argument).append("\r\n");
      }
    }
    if (redisAppendFormattedCommand(context_.get(), formatted_.data(), formatted_.size()) !=
        REDIS_OK) {
      return failed("format a command");
    }
    for (int is_done = 0; is_done == 0;) {
      if (redisBufferWrite(context_.get(), &is_done) != REDIS_OK) return failed("send");
    }
    return Done{};
  }

  Result<Reply> receive() {
    if (!is_open()) return closed();
    std::size_t bytes = 0;
    for (;;) {
      Result<std::optional<Reply>> parsed = parse();
      if (!parsed) return parsed.error();
      if (*parsed) return std::move(**parsed);
      const std::size_t bytes_before = context_->reader->len;
      if (redisBufferRead(context_.get()) != REDIS_OK) return failed("receive");
      bytes += context_->reader->len - bytes_before;
      if (bytes > kReplyBytesMax) return failed("receive: reply is too large");
    }
  }

  // A reply within the timeout, or nullopt. What has come of a reply is kept for the next call.
  Result<std::optional<Reply>> receive_within(std::chrono::milliseconds timeout) {
    using Clock = std::chrono::steady_clock;
    if (!is_open()) return closed();
    const Clock::time_point end = Clock::now() + timeout;
    for (;;) {
      Result<std::optional<Reply>> parsed = parse();
      if (!parsed || *parsed) return parsed;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
      pollfd readable{.fd = context_->fd, .events = POLLIN, .revents = 0};
      const int ready =
          poll(&readable, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
      if (ready < 0 && errno != EINTR) return failed("poll");
      if (ready > 0) {
        if (redisBufferRead(context_.get()) != REDIS_OK) return failed("receive");
        if (context_->reader->len > kReplyBytesMax) return failed("receive: reply is too large");
      } else if (left.count() <= 0) {
        return std::optional<Reply>();
      }
    }
  }

 private:
  struct Freed {
    void operator()(redisContext* context) const noexcept { redisFree(context); }
  };

  // AUTH, SELECT, and a PING that finds out whether the server is still loading.
  Status introduce(const ConnectOptions& options) {
    std::vector<Command> commands;
    if (!options.password.empty()) {
      commands.push_back(options.username.empty()
                             ? Command{"AUTH", options.password}
                             : Command{"AUTH", options.username, options.password});
    }
    if (options.database != 0) commands.push_back({"SELECT", std::to_string(options.database)});
    commands.push_back({"PING"});
    if (Status status = send(commands); !status) return status;
    for (const Command& command : commands) {
      Result<Reply> reply = receive();
      if (!reply) return reply.error();
      if (reply->is_error()) {
        const bool is_busy =
            reply->text.starts_with("LOADING") || reply->text.starts_with("BUSY") ||
            reply->text.starts_with("MASTERDOWN") || reply->text.starts_with("ERR max");
        return Error{"redis " + address_ + ": " + command.front() + ": " + reply->text, is_busy, 0};
      }
    }
    return Done{};
  }

  // RESP: hiredis's own formatting allocates and copies twice for each command.
  void append_header(char type, std::size_t size) {
    std::array<char, 24> text{type};
    char* const end = std::to_chars(text.data() + 1, text.data() + text.size(), size).ptr;
    formatted_.append(text.data(), end).append("\r\n");
  }

  Result<std::optional<Reply>> parse() {
    void* parsed = nullptr;
    if (redisGetReplyFromReader(context_.get(), &parsed) != REDIS_OK)
      return failed("parse a reply");
    if (parsed == nullptr) return std::optional<Reply>();
    return std::optional<Reply>(std::exchange(root_, Reply{}));
  }

  Error failed(const std::string& what) {
    Error error{"redis " + address_ + ": " + what, true, 0};
    if (context_ != nullptr && context_->err != 0) {
      error.code = context_->err == REDIS_ERR_IO ? errno : 0;
      error.message += std::string(": ") + context_->errstr;
    }
    context_.reset();
    return error;
  }

  Error closed() const { return {"redis " + address_ + ": connection is closed", true, ENOTCONN}; }

  std::string address_;
  std::unique_ptr<redisContext, Freed> context_;
  Reply root_;             // the reply being parsed
  std::string formatted_;  // the commands being sent
};

std::string address_of(const ConnectOptions& options) {
  return options.unix_socket.empty() ? options.host + ":" + std::to_string(options.port)
                                     : options.unix_socket;
}

std::vector<std::string> problems_in(const ConnectOptions& options) {
  std::vector<std::string> problems;
  if (options.unix_socket.empty()) {
    if (options.host.empty()) problems.emplace_back("redis.host: is empty");
    if (options.port == 0) problems.emplace_back("redis.port: must be 1 to 65535");
  } else if (options.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
    problems.emplace_back("redis.unix_socket: path is longer than 107 bytes");
  }
  if (!options.username.empty() && options.password.empty()) {
    problems.emplace_back("redis.username: needs redis.password");
  }
  if (options.database < 0) problems.emplace_back("redis.database: must not be negative");
  if (options.connect_timeout.count() <= 0)
    problems.emplace_back("redis: connect timeout must be positive");
  if (options.io_timeout.count() <= 0) problems.emplace_back("redis: i/o timeout must be positive");
  return problems;
}

// ── Client ───────────────────────────────────────────────────────────────────────────────────────

Client::Client(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(const ConnectOptions& options) {
  Result<std::unique_ptr<Connection>> connection = Connection::open(options);
  if (!connection) return connection.error();
  return Client(std::move(*connection));
}

bool Client::is_open() const noexcept { return connection_ != nullptr && connection_->is_open(); }

Result<Reply> Client::run(const Command& command) {
  if (Status status = connection_->send({&command, 1}); !status) return status.error();
  Result<Reply> reply = connection_->receive();
  if (reply && reply->is_error()) {
    return Error{"redis " + connection_->address() + ": " + command.front() + ": " + reply->text,
                 false, 0};
  }
  return reply;
}

Result<std::vector<Reply>> Client::run_all(std::span<const Command> commands) {
  std::vector<Reply> replies;
  replies.reserve(commands.size());
  while (replies.size() < commands.size()) {
    std::span<const Command> rest = commands.subspan(replies.size());
    std::size_t count = 0;
    for (std::size_t bytes = 0;
         count < std::min(rest.size(), kPipelineCommandsMax) && bytes < kPipelineBytesMax;
         ++count) {
      for (const std::string& argument : rest[count]) bytes += argument.size();
    }
    if (Status status = connection_->send(rest.first(count)); !status) return status.error();
    for (std::size_t i = 0; i < count; ++i) {
      Result<Reply> reply = connection_->receive();
      if (!reply) return reply.error();
      replies.push_back(std::move(*reply));
    }
  }
  return replies;
}

// ── Subscriber ───────────────────────────────────────────────────────────────────────────────────
namespace {

// A push of the server: a message, or nothing that concerns our caller.
std::optional<Message> message_in(Reply&& push) {
  if (push.kind != Reply::Kind::array) return std::nullopt;
  if (push.items.size() == 3 && push.items[0].text == "message") {
    return Message{std::move(push.items[1].text), std::move(push.items[2].text)};
  }
  if (push.items.size() == 4 && push.items[0].text == "pmessage") {
    return Message{std::move(push.items[2].text), std::move(push.items[3].text)};
  }
  return std::nullopt;
}

}  // namespace

Subscriber::Subscriber(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
Subscriber::Subscriber(Subscriber&&) noexcept = default;
Subscriber& Subscriber::operator=(Subscriber&&) noexcept = default;
Subscriber::~Subscriber() = default;

Result<Subscriber> Subscriber::connect(const ConnectOptions& options) {
  Result<std::unique_ptr<Connection>> connection = Connection::open(options);
  if (!connection) return connection.error();
  return Subscriber(std::move(*connection));
}

bool Subscriber::is_open() const noexcept {
  return connection_ != nullptr && connection_->is_open();
}

Status Subscriber::subscribe(const std::string& channel) { return change("subscribe", channel); }
Status Subscriber::subscribe_pattern(const std::string& pattern) {
  return change("psubscribe", pattern);
}
Status Subscriber::unsubscribe(const std::string& channel) {
  return change("unsubscribe", channel);
}

Status Subscriber::change(const std::string& verb, const std::string& name) {
  if (connection_ == nullptr) return Error{"redis: subscription is closed", true, 0};
  const Command command{verb, name};
  if (Status status = connection_->send({&command, 1}); !status) return status;
  for (;;) {
    Result<Reply> push = connection_->receive();
    if (!push) return push.error();
    if (push->is_error()) {
      return Error{"redis " + connection_->address() + ": " + verb + ": " + push->text, false, 0};
    }
    if (push->items.size() == 3 && push->items[0].text == verb && push->items[1].text == name) {
      return Done{};
    }
    if (std::optional<Message> message = message_in(std::move(*push))) {
      if (pending_.size() >= kPendingMessagesMax) {
        Error error{
            "redis " + connection_->address() + ": " + verb + ": too many messages meanwhile", true,
            0};
        connection_.reset();
        return error;
      }
      pending_.push_back(std::move(*message));
    }
  }
}

Result<std::optional<Message>> Subscriber::next(std::chrono::milliseconds timeout) {
  using Clock = std::chrono::steady_clock;
  if (!pending_.empty()) {
    std::optional<Message> message(std::move(pending_.front()));
    pending_.pop_front();
    return message;
  }
  if (connection_ == nullptr) return Error{"redis: subscription is closed", true, 0};
  const Clock::time_point end = Clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    Result<std::optional<Reply>> push =
        connection_->receive_within(std::max(left, std::chrono::milliseconds::zero()));
    if (!push) return push.error();
    if (!*push) return std::optional<Message>();
    if ((*push)->is_error()) {
      return Error{"redis " + connection_->address() + ": subscription: " + (*push)->text, false,
                   0};
    }
    if (std::optional<Message> message = message_in(std::move(**push))) return message;
  }
}

}  // namespace ddt::redis
