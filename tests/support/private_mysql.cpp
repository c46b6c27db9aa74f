#include "tests/support/private_mysql.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace ddt::test {
namespace {

constexpr auto kReadyWithin = std::chrono::seconds(60);

std::string user_name() {
  const passwd* const entry = getpwuid(geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(geteuid());
}

std::string program(std::string_view name) {
  for (const char* directory : {"/usr/sbin/", "/usr/bin/", "/usr/local/sbin/", "/usr/local/bin/"}) {
    std::string path = std::string(directory) += name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  throw std::runtime_error("not installed: " + std::string(name));
}

std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool is_bound = fd >= 0 &&
                        bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (fd >= 0) close(fd);
  if (!is_bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

// fork and exec with all output to a file; the child dies with the test, however the test ends.
pid_t spawn(const std::vector<std::string>& arguments, const std::filesystem::path& output) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const std::string output_path = output.string();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  setpgid(0, 0);  // Ctrl-C ends the test, which ends the server
  const int in = open("/dev/null", O_RDONLY);
  const int out = open(output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  closefrom(3);
  execv(argv[0], argv.data());
  _exit(127);
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

PrivateMysql::PrivateMysql(std::vector<std::string> extra_arguments)
    : extra_arguments_(std::move(extra_arguments)) {
  std::string name = (std::filesystem::temp_directory_path() / "ddt-mysql-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  directory_ = name;
  try {
    install();
    start();
    if (auto made = sql::create_database_if_missing(options()); !made)
      throw std::runtime_error(made.error().message);
  } catch (...) {
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
    throw;
  }
}

PrivateMysql::~PrivateMysql() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void PrivateMysql::install() {
  const pid_t pid = spawn(
      {program("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal",
       "--skip-test-db", "--user=" + user_name(), "--datadir=" + (directory_ / "data").string(),
       "--tmpdir=" + directory_.string(), "--innodb-log-file-size=8M",
       "--innodb-buffer-pool-size=16M"},
      directory_ / "install.log");
  if (wait_for(pid) != 0)
    throw std::runtime_error("mariadb-install-db failed:\n" + content(directory_ / "install.log"));
}

void PrivateMysql::start() {
  if (is_running()) return;
  if (port_ == 0) port_ = free_port();
  // Another program may take the port between our look and the server's bind: then a new one.
  constexpr int kAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    std::vector<std::string> arguments{program("mariadbd"),
                                       "--no-defaults",
                                       "--user=" + user_name(),
                                       "--datadir=" + (directory_ / "data").string(),
                                       "--socket=" + socket_path(),
                                       "--port=" + std::to_string(port_),
                                       "--bind-address=127.0.0.1",
                                       "--pid-file=" + (directory_ / "m.pid").string(),
                                       "--log-error=" + (directory_ / "m.err").string(),
                                       "--skip-name-resolve",
                                       "--innodb-buffer-pool-size=32M",
                                       "--innodb-log-file-size=8M",
                                       "--innodb-flush-log-at-trx-commit=1",
                                       "--tmpdir=" + directory_.string()};
    arguments.insert(arguments.end(), extra_arguments_.begin(), extra_arguments_.end());
    pid_ = spawn(arguments, directory_ / "m.out");
    try {
      wait_until_ready();
      return;
    } catch (const std::runtime_error&) {
      kill();
      const bool is_port_taken = error_log().find("Address already in use") != std::string::npos;
      if (attempt == kAttempts || !is_port_taken) throw;
      port_ = free_port();
    }
  }
}

void PrivateMysql::wait_until_ready() {
  const auto give_up = std::chrono::steady_clock::now() + kReadyWithin;
  while (true) {
    if (sql::Connection::connect(options(""))) return;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      throw std::runtime_error("mariadbd ended at its start:\n" + error_log() +
                               content(directory_ / "m.out"));
    }
    if (std::chrono::steady_clock::now() > give_up)
      throw std::runtime_error("mariadbd is not ready in a minute:\n" + error_log());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void PrivateMysql::stop() {
  if (!is_running()) return;
  ::kill(pid_, SIGTERM);
  wait_for_end();
}

void PrivateMysql::kill() {
  if (!is_running()) return;
  ::kill(pid_, SIGKILL);
  wait_for_end();
}

void PrivateMysql::pause() {
  ::kill(pid_, SIGSTOP);
  int status = 0;
  waitpid(pid_, &status, WUNTRACED);  // Every thread of it has stopped when this returns.
}
void PrivateMysql::resume() { ::kill(pid_, SIGCONT); }

void PrivateMysql::wait_for_end() {
  wait_for(pid_);
  pid_ = -1;
}

std::string PrivateMysql::error_log() const { return content(directory_ / "m.err"); }

sql::ConnectOptions PrivateMysql::options(const std::string& database) const {
  sql::ConnectOptions options;
  options.port = port_;
  options.database = database;
  return options;
}

}  // namespace ddt::test
