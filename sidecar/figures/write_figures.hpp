// sidecar/figures/write_figures.hpp — figures → rows of dd_telemetry_metrics.
//
// Row       One per figure, Window and labels. status: NULL when there is a value, else the reason
//           ("undefined" where it is longer than the column; metadata has it in full). revision: the
//           Window's that it was computed from. final: the Window had ended by the wall clock. metadata:
//           {"coverage":0.4167} of an open Window, "reason", and a figure's own notes.
// Vanished  closes and pnl of an exit_reason that no trade of the Window has any more become 0. Other
//           labelled figures come from what only grows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/figures/figure_rows.hpp"
#include "sidecar/figures/stale_windows.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

struct WindowFigures {
  const StaleWindow* window;
  const std::vector<FigureRow>* rows;
};

// In the caller's transaction.
Status write_figures(sql::Connection& mysql, std::span<const WindowFigures> figures,
                     std::int64_t wall_now_ns);

}  // namespace ddt::sidecar
