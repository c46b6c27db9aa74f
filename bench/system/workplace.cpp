#include "bench/system/workplace.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>

namespace ddt::bench {
namespace {

constexpr useconds_t kReadyPollUs = 10'000;
constexpr int kReadyPollsMax = 6'000;  // a minute
constexpr std::size_t kLogTailBytes = 2'000;

// True when nothing is left.
bool remove_both(const std::string& a, const std::string& b) {
  std::error_code ignored;
  std::filesystem::remove_all(a, ignored);
  std::filesystem::remove_all(b, ignored);
  return !std::filesystem::exists(a, ignored) && !std::filesystem::exists(b, ignored);
}

// The benchmark's death, or its good end, is the end of the file.
[[noreturn]] void keep(int alive, const std::string& a, const std::string& b) {
  ::setsid();  // Ctrl-C is for the benchmark
  char byte = 0;
  while (::read(alive, &byte, 1) < 0 && errno == EINTR) {
  }
  // A server that is being killed may still write.
  for (int attempt = 0; attempt < 100 && !remove_both(a, b); ++attempt) ::usleep(20'000);
  ::_exit(0);
}

std::string path_of(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  for (const char* directory : {"/usr/sbin/", "/usr/bin/", "/usr/local/sbin/", "/usr/local/bin/"}) {
    const std::string path = directory + program;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return program;
}

[[noreturn]] void become(const std::vector<std::string>& command, const std::string& log,
                         pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  ::setpgid(0, 0);  // Ctrl-C ends the benchmark, and that ends us
  const int in = ::open("/dev/null", O_RDONLY);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::closefrom(3);
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments.front(), arguments.data());
  ::_exit(127);
}

int exit_code_of(int status) {
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

// ── directories ──────────────────────────────────────────────────────────────────────────────────────

Workplace::Workplace(const Options& options) : telemetry_directory_(options.directory) {
  directory_ = (std::filesystem::temp_directory_path() / "ddt-bench-XXXXXX").string();
  if (::mkdtemp(directory_.data()) == nullptr)
    throw std::runtime_error(last_error("make a directory like " + directory_).message);
  // Whoever kills the script that runs us wants us gone, too.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0 || (keeper_ = ::fork()) < 0)
    throw std::runtime_error(last_error("start the keeper").message);
  if (keeper_ == 0) {
    ::close(ends[1]);
    keep(ends[0], directory_, telemetry_directory_);
  }
  ::close(ends[0]);
  alive_ = FileDescriptor(ends[1]);
}

Workplace::~Workplace() {
  alive_ = FileDescriptor();
  while (::waitpid(keeper_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// ── processes ────────────────────────────────────────────────────────────────────────────────────────

Process::Process(const Workplace& workplace, std::vector<std::string> command)
    : name_(std::filesystem::path(command.at(0)).filename().string()),
      log_(workplace.directory() + "/" + name_ + ".log") {
  command[0] = path_of(command[0]);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error(last_error("start " + name_).message);
  if (pid_ == 0) become(command, log_, parent);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

bool Process::is_running() {
  if (pid_ <= 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
  pid_ = -1;
  return false;
}

int Process::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return exit_code_of(status);
}

void Process::must_get_ready(int attempt) {
  if (!is_running()) throw std::runtime_error(name_ + " ended at its start: " + log_tail());
  if (attempt >= kReadyPollsMax)
    throw std::runtime_error(name_ + " is not ready in a minute: " + log_tail());
  ::usleep(kReadyPollUs);
}

double Process::cpu_s() const {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &time) != 0)
    throw std::runtime_error("cannot read the CPU time of " + name_);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9 +
         ended_children_cpu_s();
}

// In /proc/PID/stat, behind the name: the 14th and 15th field, in ticks.
double Process::ended_children_cpu_s() const {
  std::string line;
  std::getline(std::ifstream("/proc/" + std::to_string(pid_) + "/stat"), line);
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string ignored;
  for (int i = 0; i < 13; ++i) fields >> ignored;
  double user_ticks = 0, system_ticks = 0;
  fields >> user_ticks >> system_ticks;
  return (user_ticks + system_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::map<std::string, double> Process::cpu_s_by_thread() const {
  std::map<std::string, double> times;
  std::error_code error;
  const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    double on_cpu_ns = 0;
    std::ifstream(task.path() / "schedstat") >> on_cpu_ns;
    times[name] += on_cpu_ns / 1e9;
  }
  return times;
}

std::string Process::log_tail() const {
  std::ifstream file(log_);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return text.size() <= kLogTailBytes ? text : text.substr(text.size() - kLogTailBytes);
}

std::uint16_t free_port() {
  const FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), any, bytes) != 0 || ::getsockname(fd.get(), any, &bytes) != 0)
    throw std::runtime_error(last_error("find a free port").message);
  return ntohs(address.sin_port);
}

std::vector<std::string> own_command(const std::string& program,
                                     const std::vector<std::string>& settings) {
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::vector<std::string> command{(here / program).string()};
  for (const std::string& setting : settings) {
    command.emplace_back("--set");
    command.push_back(setting);
  }
  return command;
}

}  // namespace ddt::bench
