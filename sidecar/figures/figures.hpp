// sidecar/figures/figures.hpp — stale Windows → figures in dd_telemetry_metrics.
//
//   look for stale Windows → those that are due (stale_windows.hpp), by profile and metric type → read
//   facts and states, compute (compute.hpp) → one transaction: lock their control rows, write the
//   figures (write_figures.hpp), move figures_revision, mark neighbours
//
// Threads   One; its connection is its own. work() commits at most one transaction.
// Exactly   The rollup raises `revision` in the transaction of the facts, and facts are read after the
//           revision. A Window becomes current only if its revision is still the one that was read; its
//           figures are written anyway, unless another host has shown a later revision. A kill at any
//           point leaves the Window stale, and it is computed again.
// Several   hosts may work on the same Windows: the control rows' locks put them in order.
// Errors    The world failed: try again later. Figures that cannot be stored: their Windows stay stale
//           and are tried again after a minute, the others go on.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/append/append.hpp"
#include "sidecar/figures/compute.hpp"
#include "sidecar/figures/stale_windows.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

struct FiguresConfig {
  sql::ConnectOptions mysql;
  std::int64_t interval_ms =
      2'000;                     // a Window that changes is quiet for so long, or has its patience
  std::size_t windows_max = 64;  // of one transaction
};

struct FiguresCounters {
  std::uint64_t transactions = 0, windows = 0, neighbours = 0, outdated = 0, retries = 0,
                failed = 0;
};

class Figures {
 public:
  explicit Figures(FiguresConfig config);

  // Computes some due Windows; returns how many, 0: nothing is due, or nothing can be done. now_ns paces,
  // wall_now_ns says which Windows have ended.
  std::size_t work(std::int64_t now_ns, std::int64_t wall_now_ns);

  // From now on everything stale is due at once: for a clean end.
  void hurry() noexcept { at_once_ = true; }
  // The last look found nothing stale; in a hurry: nothing that can be computed.
  bool is_settled() const noexcept { return is_settled_; }
  // Of the last look. Any thread.
  std::uint64_t stale_windows() const noexcept { return stale_windows_; }
  const FiguresCounters& counters() const noexcept { return counters_; }

  // The parts of work(), for tests of what happens between them.
  Status connect();
  Result<ComputedWindows> compute(std::span<const StaleWindow> windows);
  Status commit(std::span<const StaleWindow> windows, const ComputedWindows& computed,
                std::int64_t wall_now_ns);

 private:
  Status look(std::int64_t now_ns, std::int64_t wall_now_ns);
  Status look_for_missing_states(std::int64_t now_ns);
  std::vector<StaleWindow> take_batch();
  void failed(std::span<const StaleWindow> batch, const Error& error, std::int64_t now_ns);
  Status write(std::span<const StaleWindow> windows, const ComputedWindows& computed,
               std::int64_t wall_now_ns);
  Status move_revisions(std::span<const StaleWindow> shown);

  const FiguresConfig config_;
  std::optional<sql::Connection> mysql_;
  Pace pace_;
  std::vector<StaleWindow> due_;
  Backoff backoff_;
  std::int64_t next_look_ns_ = 0;
  bool at_once_ = false;
  bool is_settled_ = false;
  StateSearch without_state_;  // once after the start
  std::atomic<std::uint64_t> stale_windows_{0};
  FiguresCounters counters_;
};

}  // namespace ddt::sidecar
