#include "bench/peers/network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "bench/peers/queues.hpp"

namespace ddt::bench {
namespace {

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(2);
}

}  // namespace

Datagrams::Datagrams() {
  receiver_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sender_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  if (receiver_ < 0 || sender_ < 0 || ::bind(receiver_, name, bytes) != 0 ||
      ::getsockname(receiver_, name, &bytes) != 0 || ::connect(sender_, name, bytes) != 0)
    give_up("bench: datagram sockets");
}

Datagrams::~Datagrams() {
  ::close(sender_);
  ::close(receiver_);
}

bool Datagrams::send(std::uint32_t i) {
  const Message message = message_of(i);
  return ::send(sender_, &message, sizeof message, 0) == sizeof message;
}

bool Datagrams::take(Message& message) {
  return ::recv(receiver_, &message, sizeof message, 0) == sizeof message;
}

void Redis::Free::operator()(redisContext* context) const noexcept { ::redisFree(context); }

Redis::Redis(std::filesystem::path directory) : directory_(std::move(directory)) {
  std::filesystem::create_directories(directory_);
  const std::string socket = directory_ / "redis.sock";
  server_ = ::fork();
  if (server_ < 0) give_up("bench: fork");
  if (server_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    ::execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket.c_str(), "--dir",
             directory_.c_str(), "--save", "", "--appendonly", "no", nullptr);
    ::_exit(127);
  }
  for (int i = 0; i < 500 && !context_; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    context_.reset(::redisConnectUnix(socket.c_str()));
    if (context_ && context_->err != 0) context_.reset();
    if (::waitpid(server_, nullptr, WNOHANG) == server_) {
      server_ = 0;
      return;
    }
  }
}

Redis::~Redis() {
  context_.reset();
  if (server_ > 0) {
    ::kill(server_, SIGKILL);
    ::waitpid(server_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

bool Redis::set(std::uint32_t i) {
  const Message message = message_of(i);
  auto* reply = static_cast<redisReply*>(
      ::redisCommand(context_.get(), "HSET bench field %b", &message, sizeof message));
  const bool is_set = reply != nullptr && reply->type == REDIS_REPLY_INTEGER;
  ::freeReplyObject(reply);
  return is_set;
}

bool Redis::set_pipelined(std::uint32_t i) {
  const Message message = message_of(i);
  if (::redisAppendCommand(context_.get(), "HSET bench field %b", &message, sizeof message) !=
      REDIS_OK)
    return false;
  if (++waiting_ < kBatch) return true;
  for (; waiting_ > 0; --waiting_) {
    void* reply = nullptr;
    if (::redisGetReply(context_.get(), &reply) != REDIS_OK) return false;
    ::freeReplyObject(reply);
  }
  return true;
}

}  // namespace ddt::bench
