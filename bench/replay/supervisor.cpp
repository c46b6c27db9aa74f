#include "bench/replay/supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bench/replay/bot.hpp"
#include "bench/replay/calendar.hpp"
#include "bench/replay/profile.hpp"
#include "shm/base/result.hpp"

namespace ddt::replay {
namespace {

constexpr std::int64_t kStartDelayNs = 200'000'000;  // from the last bot's word to the live day

struct BotProcess {
  pid_t pid = -1;
  std::int32_t profile = 0;
  Script script = Script::breakout_detector;
  bool is_running = true;
};

struct Pipe {
  int read_fd = -1, write_fd = -1;
};

[[noreturn]] void fail(const std::string& tried) {
  throw StartupError(tried + ": " + std::strerror(errno));
}

class Supervisor {
 public:
  explicit Supervisor(Options options) : options_(std::move(options)) {}

  int run() {
    block_signals();
    reports_ = make_pipe();
    starts_ = make_pipe();
    options_.report_fd = reports_.write_fd;
    options_.start_fd = starts_.read_fd;
    options_.today = date_of(wall_now_ns());
    start_bots();
    ::close(reports_.write_fd);
    while (running() > 0) wait_for_news();
    read_reports();
    print_summary();
    return any_failed_ || totals_.refused > 0 ? 1 : 0;
  }

 private:
  static std::int64_t wall_now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  // Inherited by the bots: no O_CLOEXEC.
  static Pipe make_pipe() {
    std::array<int, 2> fds{};
    if (::pipe(fds.data()) != 0) fail("pipe");
    return {fds[0], fds[1]};
  }

  void block_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal_number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD})
      sigaddset(&signals, signal_number);
    sigprocmask(SIG_BLOCK, &signals, &old_mask_);
    signal_fd_ = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd_ < 0) fail("signalfd");
  }

  void start_bots() {
    start_bot(kDetectorProfile, Script::breakout_detector);
    for (std::int32_t profile = 1; profile <= options_.profiles; ++profile) {
      for (const Script script :
           {Script::profile_listener, Script::order_monitor, Script::equity_monitor})
        start_bot(profile, script);
    }
  }

  void start_bot(std::int32_t profile, Script script) {
    std::vector<std::string> arguments = bot_arguments(options_, profile, script);
    arguments.insert(arguments.begin(), "ddt-replay");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
      std::fprintf(stderr, "ddt-replay: fork: %s\n", std::strerror(errno));
      any_failed_ = true;
      return stop_bots();
    }
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // no bot outlives its supervisor
      if (::getppid() != parent) ::_exit(1);
      ::close(reports_.read_fd);
      ::close(starts_.write_fd);
      sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
      ::execv("/proc/self/exe", argv.data());
      ::_exit(127);
    }
    bots_.push_back({.pid = pid, .profile = profile, .script = script});
  }

  std::ptrdiff_t running() const {
    return std::count_if(bots_.begin(), bots_.end(),
                         [](const BotProcess& bot) { return bot.is_running; });
  }

  void wait_for_news() {
    std::array<pollfd, 2> news{pollfd{.fd = signal_fd_, .events = POLLIN, .revents = 0},
                               pollfd{.fd = reports_.read_fd, .events = POLLIN, .revents = 0}};
    if (::poll(news.data(), are_reports_open_ ? 2 : 1, -1) < 0 && errno != EINTR) fail("poll");
    if (news[1].revents != 0) read_some_reports();
    signalfd_siginfo info{};
    while (::read(signal_fd_, &info, sizeof info) == sizeof info) {
      if (info.ssi_signo != SIGCHLD) stop_bots();
    }
    reap();
    start_live_day_when_ready();
  }

  void stop_bots() {
    for (const BotProcess& bot : bots_) {
      if (bot.is_running) ::kill(bot.pid, SIGTERM);
    }
  }

  void reap() {
    for (BotProcess& bot : bots_) {
      int status = 0;
      if (!bot.is_running || ::waitpid(bot.pid, &status, WNOHANG) != bot.pid) continue;
      bot.is_running = false;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
      any_failed_ = true;
      const std::string how = WIFSIGNALED(status)
                                  ? "was killed by signal " + std::to_string(WTERMSIG(status))
                                  : "exited with " + std::to_string(WEXITSTATUS(status));
      std::fprintf(stderr, "ddt-replay: %s of profile %d %s\n",
                   std::string(name_of(bot.script)).c_str(), bot.profile, how.c_str());
    }
  }

  // A bot that died before its word must not keep the others waiting.
  void start_live_day_when_ready() {
    if (has_started_ || ready_ == 0 || ready_ < running()) return;
    has_started_ = true;
    const std::int64_t start_ns = wall_now_ns() + kStartDelayNs;
    const std::vector<std::int64_t> words(ready_bots(), start_ns);
    const std::size_t bytes = words.size() * sizeof(std::int64_t);
    if (::write(starts_.write_fd, words.data(), bytes) != static_cast<ssize_t>(bytes)) {
      std::fprintf(stderr, "ddt-replay: cannot start the live day: %s\n", std::strerror(errno));
      any_failed_ = true;
      return stop_bots();
    }
    std::printf("history is published; the last day plays now\n");
    std::fflush(stdout);
  }
  std::size_t ready_bots() const { return static_cast<std::size_t>(ready_); }

  void read_some_reports() {
    std::array<char, 4096> bytes;
    const ssize_t got = ::read(reports_.read_fd, bytes.data(), bytes.size());
    if (got == 0) are_reports_open_ = false;
    if (got <= 0) return;
    unread_.append(bytes.data(), static_cast<std::size_t>(got));
    for (std::size_t end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
      const std::string_view line(unread_.data(), end);
      if (line == kHistoryLine) ++ready_;
      add_report(line, totals_);
      unread_.erase(0, end + 1);
    }
  }
  void read_reports() {
    while (are_reports_open_) read_some_reports();
  }

  void print_summary() const {
    std::int64_t total = 0;
    for (std::size_t kind = 0; kind < kKindCount; ++kind) {
      std::printf("%-12s %12lld\n", std::string(kKindNames[kind]).c_str(),
                  static_cast<long long>(totals_.published[kind]));
      total += totals_.published[kind];
    }
    std::printf("%-12s %12lld by %zu bots, %lld refused\n", "published",
                static_cast<long long>(total), bots_.size(),
                static_cast<long long>(totals_.refused));
  }

  Options options_;
  sigset_t old_mask_{};
  int signal_fd_ = -1;
  Pipe reports_, starts_;
  bool are_reports_open_ = true, has_started_ = false, any_failed_ = false;
  std::ptrdiff_t ready_ = 0;
  std::string unread_;
  std::vector<BotProcess> bots_;
  PublishCounts totals_;
};

}  // namespace

int run_supervisor(Options options) { return Supervisor(std::move(options)).run(); }

}  // namespace ddt::replay
