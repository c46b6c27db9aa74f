// tests/support/single_step.hpp — a child whose work is run one machine instruction at a time.
//
// A stopped process's shared memory is what a process killed at the same instruction leaves: whoever
// looks after every step looks at every death there is. kill() makes one of them a real one.
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <new>
#include <utility>

namespace ddt::test {

// Memory that a child and its parent share.
template <typename T>
class SharedValue {
 public:
  SharedValue() {
    void* memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) value_ = new (memory) T{};
  }
  SharedValue(const SharedValue&) = delete;
  SharedValue& operator=(const SharedValue&) = delete;
  ~SharedValue() {
    if (value_ != nullptr) ::munmap(value_, sizeof(T));
  }
  T& operator*() const noexcept { return *value_; }
  T* operator->() const noexcept { return value_; }

 private:
  T* value_ = nullptr;
};

class SteppedChild {
 public:
  // In the child: `prepare` at full speed, `work` under the steps. prepare() says whether it worked.
  template <typename Prepare, typename Work>
  SteppedChild(Prepare&& prepare, Work&& work) {
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (!std::forward<Prepare>(prepare)()) ::_exit(kNotPrepared);
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(kNotTraced);
      ::raise(SIGSTOP);
      *stage_ = Stage::at_work;
      std::forward<Work>(work)();
      *stage_ = Stage::done;
      ::_exit(0);
    }
    int status = 0;
    is_alive_ = pid_ > 0 && ::waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status);
    while (is_alive_ && *stage_ == Stage::prepared) advance(PTRACE_SINGLESTEP, 0);
  }
  SteppedChild(const SteppedChild&) = delete;
  SteppedChild& operator=(const SteppedChild&) = delete;
  ~SteppedChild() { kill(); }

  pid_t pid() const noexcept { return pid_; }
  // Prepared, traced, and at the first instruction of its work, or behind it.
  bool is_ready() const noexcept { return is_alive_; }
  // One instruction; false when there are no more.
  bool step() { return is_at_work() && advance(PTRACE_SINGLESTEP, 0) && is_at_work(); }
  // Up to the next entry into the kernel or return from it; false when there are no more.
  bool step_to_kernel() { return is_at_work() && advance(PTRACE_SYSCALL, 0) && is_at_work(); }
  // Delivers `signal` here, and lets it run to its end. False if that is not an _exit(0).
  bool finish(int signal) {
    while (is_alive_) {
      if (::ptrace(PTRACE_CONT, pid_, nullptr, static_cast<long>(signal)) != 0) break;
      int status = 0;
      if (::waitpid(pid_, &status, 0) != pid_) break;
      if (WIFSTOPPED(status)) {
        signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        continue;
      }
      is_alive_ = false;
      pid_ = -1;
      return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return false;
  }
  // SIGKILL where it stands, and wait until it is gone.
  void kill() noexcept {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status)) {
    }
    pid_ = -1;
    is_alive_ = false;
  }

 private:
  enum class Stage : int { prepared, at_work, done };
  static constexpr int kNotPrepared = 41, kNotTraced = 42;

  bool is_at_work() const noexcept { return is_alive_ && *stage_ == Stage::at_work; }
  bool advance(decltype(PTRACE_SINGLESTEP) how, int signal) {
    int status = 0;
    is_alive_ = ::ptrace(how, pid_, nullptr, static_cast<long>(signal)) == 0 &&
                ::waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status) &&
                WSTOPSIG(status) == SIGTRAP;
    if (!is_alive_ && !WIFSTOPPED(status)) pid_ = -1;  // it has ended, and was waited for
    return is_alive_;
  }

  SharedValue<std::atomic<Stage>> stage_;
  pid_t pid_ = -1;
  bool is_alive_ = false;
};

}  // namespace ddt::test
