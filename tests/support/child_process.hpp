// tests/support/child_process.hpp — what a test has another process do.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace ddt::test {

// Runs `work` in a forked child and returns its exit code, or −signal when a signal ended it.
// `work` returns the code; the child leaves by _exit, so that it runs no test's teardown.
template <typename Work>
int run_in_child(Work&& work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(std::forward<Work>(work)());
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return -1000;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// A child that runs until it is killed; it dies with its parent.
class ChildProcess {
 public:
  template <typename Work>
  explicit ChildProcess(Work&& work) {
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::_exit(std::forward<Work>(work)());
    }
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { kill(); }

  pid_t pid() const noexcept { return pid_; }
  // SIGKILL, and wait until it is gone.
  void kill() noexcept {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

// One-byte messages between processes, both ways.
class Pipe {
 public:
  Pipe() { is_open_ = ::pipe(fds_) == 0; }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    ::close(fds_[0]);
    ::close(fds_[1]);
  }
  bool send(char byte) const noexcept { return is_open_ && ::write(fds_[1], &byte, 1) == 1; }
  char receive() const noexcept {
    char byte = 0;
    return is_open_ && ::read(fds_[0], &byte, 1) == 1 ? byte : '\0';
  }

 private:
  int fds_[2] = {-1, -1};
  bool is_open_ = false;
};

}  // namespace ddt::test
