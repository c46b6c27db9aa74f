// sidecar/sidecar.hpp — the sidecar's threads: drain → append → rollup → figures, started last to first,
// stopped first to last.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "shm/file.hpp"
#include "sidecar/figures/figures.hpp"
#include "sidecar/redis/lane_words.hpp"
#include "sidecar/settings.hpp"

namespace ddt::sidecar {

// Waits up to a time; true when the process was asked to stop.
using StopWait = std::function<bool(std::int64_t timeout_ms)>;

class Sidecar {
 public:
  // Takes the directory's lock. Throws StartupError: another sidecar, a directory that is not ours.
  explicit Sidecar(SidecarConfig config);
  ~Sidecar();

  // Waits for Redis and MySQL, migrates, runs until asked to stop, then sends and commits what is there.
  // Throws StartupError for what waiting cannot cure. True when everything found its way into MySQL.
  bool run(const StopWait& wait_for_stop);

 private:
  bool wait_for_stores(const StopWait& wait_for_stop);
  void start_threads();
  bool stop_threads();
  void drain_loop();
  void append_loop();
  void rollup_loop();
  void figures_loop();
  void write_lanes();
  void write_status();
  void lower_timer_slack() const;

  SidecarConfig config_;
  FileDescriptor lock_;
  Exchange exchange_;
  BatchQueue batches_;
  Append append_;
  Rollup rollup_;
  Figures figures_;
  std::unique_ptr<Drain> drain_;
  redis::Positions acknowledged_;
  redis::LaneBoard lane_board_;
  std::uint32_t schema_version_ = 0;
  Doorbell append_bell_;
  std::atomic<bool> drain_stops_{false}, append_stops_{false}, rollup_stops_{false};
  std::atomic<bool> figures_stops_{false}, rollup_is_behind_{false};
  std::atomic<bool> rollup_stores_{false};  // its last look found something
  std::atomic<bool> drained_{false}, appended_{false}, rolled_up_{false};
  std::atomic<bool> durability_is_redis_{false};
  std::atomic<std::uint64_t> records_{0}, entries_{0};
  std::atomic<std::int64_t> append_waits_since_ns_{0};
  std::thread drain_thread_, append_thread_, rollup_thread_, figures_thread_;
};

}  // namespace ddt::sidecar
