// bench/harness/partner.hpp — the other process: drains the bot's Segment as the sidecar does, or answers
// a ping-pong that tells near cores from far ones.
//
// Threads   Partner: the benchmark's main thread. The forked process has one thread, pinned.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "bench/harness/report.hpp"

namespace ddt::bench {

// What the consumer does: nothing (a bot without a sidecar), poll without rest, or every 50 µs.
enum class Mode : std::uint32_t { absent, busy, every_50us, ping, end };
const char* text_of(Mode mode);

inline constexpr double kNearOneWayNs = 120.0;  // cores that share a cache answer faster than that
// "ping-pong one way 70 ns before, 71 ns after: near"
std::string distance_text(double before_ns, double after_ns);

class Partner {
 public:
  // Forks; the calling thread is pinned to the producer's CPU afterwards.
  explicit Partner(const Options& options);
  ~Partner();
  Partner(const Partner&) = delete;
  Partner& operator=(const Partner&) = delete;

  // Returns once the other process has seen it.
  void set_mode(Mode mode);
  // Half a round trip of one line between the two CPUs.
  double one_way_ns(double ticks_per_ns);

  // Ends the process once it has drained what there is.
  void finish();
  std::uint64_t records() const;  // drained
  std::uint64_t broken() const;   // corrupt, or an ordinal out of order

  struct Shared;

 private:
  Shared* shared_;
  pid_t child_;
  std::string directory_;
};

}  // namespace ddt::bench
