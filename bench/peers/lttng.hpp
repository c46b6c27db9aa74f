// bench/peers/lttng.hpp — LTTng-UST's tracepoints, where the build found them, and a session daemon of our own.
//
// LTTng's library looks for its daemon when it is loaded, so it comes in a module that is loaded when all is prepared.
// As root the daemon's sockets lie at fixed places: the program moves to a mount namespace in which /run and /dev/shm
// are its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ddt::bench {

class Lttng {
 public:
  // Before any thread or fork. The daemons run on `cpu`.
  explicit Lttng(int cpu);
  ~Lttng();
  Lttng(const Lttng&) = delete;
  Lttng& operator=(const Lttng&) = delete;

  using Say = bool (*)(std::uint32_t i);
  Say heard() const noexcept { return heard_; }  // recorded; nullptr without a session
  Say unheard() const noexcept {
    return unheard_;
  }  // that nobody listens to; nullptr without LTTng
  // Why there is no session, or no tracepoint.
  const std::string& problem() const noexcept { return problem_; }

 private:
  std::string make_session(int cpu);
  void load(const std::filesystem::path& module);
  void end_daemon();

  std::filesystem::path home_;
  std::vector<std::filesystem::path> leftovers_;  // what LTTng will leave behind, if it is ours
  pid_t daemon_ = 0;
  Say heard_ = nullptr, unheard_ = nullptr;
  std::string problem_;
};

}  // namespace ddt::bench
