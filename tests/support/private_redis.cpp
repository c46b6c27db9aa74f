#include "tests/support/private_redis.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

namespace ddt::test {
namespace {

// Free at this moment: the kernel does not hand the same one out again soon.
std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof(address);
  const bool is_bound = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), bytes) == 0 &&
                        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) == 0;
  if (fd >= 0) close(fd);
  if (!is_bound) throw std::runtime_error("private redis: no free port");
  return ntohs(address.sin_port);
}

std::filesystem::path temporary_directory() {
  std::string path = (std::filesystem::temp_directory_path() / "ddt-redis-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("private redis: no directory");
  return path;
}

// fork and exec without a shell. The server ends with the thread that started it.
pid_t spawn(const std::vector<std::string>& command, const std::filesystem::path& log) {
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const std::string log_path = log.string();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  const int fd = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd >= 0) {
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
  }
  execvp(arguments.front(), arguments.data());
  _exit(127);
}

}  // namespace

PrivateRedis::PrivateRedis(std::vector<std::string> arguments)
    : arguments_(std::move(arguments)), directory_(temporary_directory()), port_(free_port()) {
  try {
    start();
  } catch (...) {
    end(SIGKILL);
    std::filesystem::remove_all(directory_);
    throw;
  }
}

PrivateRedis::~PrivateRedis() {
  end(SIGKILL);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

redis::ConnectOptions PrivateRedis::options() const {
  redis::ConnectOptions options;
  options.port = port_;
  return options;
}

redis::ConnectOptions PrivateRedis::socket_options() const {
  redis::ConnectOptions options;
  options.unix_socket = (directory_ / "redis.sock").string();
  return options;
}

void PrivateRedis::start() {
  if (pid_ > 0) return;
  std::vector<std::string> command{"redis-server",
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--unixsocket",
                                   (directory_ / "redis.sock").string(),
                                   "--unixsocketperm",
                                   "700",
                                   "--dir",
                                   directory_.string(),
                                   "--appendonly",
                                   "yes",
                                   "--appendfsync",
                                   "everysec",
                                   "--save",
                                   "",
                                   "--daemonize",
                                   "no"};
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  pid_ = spawn(command, directory_ / "redis.log");
  const auto end_of_patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end_of_patience) {
    if (redis::Client::connect(socket_options()) && redis::Client::connect(options())) return;
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      throw std::runtime_error("private redis: ended at its start");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  throw std::runtime_error("private redis: not ready after 20 s");
}

void PrivateRedis::stop() { end(SIGTERM); }
void PrivateRedis::kill() { end(SIGKILL); }

void PrivateRedis::pause() { ::kill(pid_, SIGSTOP); }
void PrivateRedis::resume() { ::kill(pid_, SIGCONT); }

void PrivateRedis::end(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGCONT);
  ::kill(pid_, signal);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

redis::Client PrivateRedis::client() const {
  Result<redis::Client> client = redis::Client::connect(options());
  if (!client) throw std::runtime_error(client.error().message);
  return std::move(*client);
}

}  // namespace ddt::test
