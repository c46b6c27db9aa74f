#include "bench/peers/lttng.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "bench/harness/timing.hpp"

namespace ddt::bench {
namespace {

constexpr const char* kDaemon = "lttng-sessiond";
constexpr const char* kModule = "ddt_lttng_peer.so";  // beside the program

pid_t spawn(std::vector<const char*> words, int cpu) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (cpu >= 0) pin(cpu);
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  words.push_back(nullptr);
  ::execvp(words[0], const_cast<char**>(words.data()));
  ::_exit(127);
}

bool succeeds(std::vector<const char*> words) {
  int status = -1;
  const pid_t child = spawn(std::move(words), -1);
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

// A /run and a /dev/shm that only we and our children see, and that are gone with us.
bool make_own_places() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("ddt-bench", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") == 0 &&
         ::mount("ddt-bench", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") == 0;
}

}  // namespace

Lttng::Lttng(int cpu) {
  const auto module = std::filesystem::read_symlink("/proc/self/exe").parent_path() / kModule;
  if (!std::filesystem::exists(module)) {
    problem_ = "not installed when this was built";
    return;
  }
  for (const std::string& wait : {std::string("/dev/shm/lttng-ust-wait-8"),
                                  "/dev/shm/lttng-ust-wait-8-" + std::to_string(::getuid())}) {
    if (!std::filesystem::exists(wait)) leftovers_.push_back(wait);
  }
  problem_ = make_session(cpu);
  if (!problem_.empty()) end_daemon();
  load(module);
}

Lttng::~Lttng() {
  end_daemon();
  std::error_code ignored;
  for (const auto& leftover : leftovers_) std::filesystem::remove(leftover, ignored);
}

std::string Lttng::make_session(int cpu) {
  if (::geteuid() == 0 && !make_own_places())
    return std::string("no mount namespace of our own: ") + std::strerror(errno);
  std::string home = (std::filesystem::temp_directory_path() / "ddt-bench-lttng-XXXXXX").string();
  if (::mkdtemp(home.data()) == nullptr) return "no temporary directory";
  home_ = home;
  ::setenv("LTTNG_HOME", home_.c_str(), 1);
  daemon_ = spawn({kDaemon, "--no-kernel"}, cpu);
  const std::string output = "--output=" + (home_ / "trace").string();
  for (int i = 0;; ++i) {
    if (succeeds({"lttng", "--no-sessiond", "create", "ddt-bench", output.c_str()})) break;
    const bool has_ended = ::waitpid(daemon_, nullptr, WNOHANG) == daemon_;
    if (has_ended) daemon_ = 0;
    if (has_ended || i == 50)
      return std::string(kDaemon) + " does not run: is lttng-tools installed?";
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  const bool is_recording =
      succeeds({"lttng", "--no-sessiond", "enable-event", "--userspace", "ddt_bench:heard"}) &&
      succeeds({"lttng", "--no-sessiond", "start"});
  return is_recording ? "" : "the session could not be started";
}

// The library waits until the daemon knows it.
void Lttng::load(const std::filesystem::path& module) {
  void* library = ::dlopen(module.c_str(), RTLD_NOW);  // never closed: it has threads
  if (library == nullptr) {
    problem_ = ::dlerror();
    return;
  }
  unheard_ = reinterpret_cast<Say>(::dlsym(library, "ddt_bench_say_unheard"));
  if (daemon_ > 0) heard_ = reinterpret_cast<Say>(::dlsym(library, "ddt_bench_say_heard"));
}

void Lttng::end_daemon() {
  if (daemon_ > 0) {
    succeeds({"lttng", "--no-sessiond", "destroy", "--no-wait", "ddt-bench"});
    ::kill(daemon_, SIGTERM);
    ::waitpid(daemon_, nullptr, 0);
  }
  daemon_ = 0;
  std::error_code ignored;
  if (!home_.empty()) std::filesystem::remove_all(home_, ignored);
  home_.clear();
}

}  // namespace ddt::bench
