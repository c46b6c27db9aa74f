// bench/system/workplace.hpp — the directories of a benchmark with servers, and the processes it starts there.
//
// Threads   The benchmark's main thread: a process that it starts dies with the thread that started it.
// Ends      However the benchmark ends, SIGKILL included: its processes get SIGKILL from the kernel, and a keeper,
//           a process that does nothing else, removes the directories.
// Errors    std::runtime_error: what was not started cannot be measured.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness/report.hpp"
#include "shm/file.hpp"

namespace ddt::bench {

class Workplace {
 public:
  explicit Workplace(const Options& options);
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  const std::string& directory() const noexcept { return directory_; }  // servers' data and logs
  const std::string& telemetry_directory() const noexcept { return telemetry_directory_; }

 private:
  std::string directory_, telemetry_directory_;
  FileDescriptor alive_;  // the keeper reads its end
  pid_t keeper_ = -1;
};

// A program with its output in a file. Ends with the object: SIGKILL, what it leaves is thrown away.
class Process {
 public:
  // command[0] is a path, or a name that is looked up in PATH and the sbin directories.
  Process(const Workplace& workplace, std::vector<std::string> command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const std::string& name() const noexcept { return name_; }
  pid_t pid() const noexcept { return pid_; }
  bool is_running();
  int wait();  // until it ends by itself; its exit code, or −signal

  // Waits until `is_ready` is true; throws when the process ends first or a minute is over.
  template <typename IsReady>
  void wait_until(const IsReady& is_ready) {
    for (int attempt = 0; !is_ready(); ++attempt) must_get_ready(attempt);
  }

  // User and system time of all its threads since it began, of those that have ended, and of its children
  // that have ended.
  double cpu_s() const;
  // The same of each thread that is there now, by thread name; threads of one name are added.
  std::map<std::string, double> cpu_s_by_thread() const;

  std::string log_tail() const;

 private:
  void must_get_ready(int attempt);
  double ended_children_cpu_s() const;

  std::string name_, log_;
  pid_t pid_ = -1;
};

// ddt-sidecar and ddt-api as they lie beside the benchmark, each setting as `--set setting`.
std::vector<std::string> own_command(const std::string& program,
                                     const std::vector<std::string>& settings);

// A TCP port of loopback that was free a moment ago.
std::uint16_t free_port();

}  // namespace ddt::bench
