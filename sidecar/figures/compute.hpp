// sidecar/figures/compute.hpp — figures of Windows of one profile and one metric type (METRICS 2 to 5).
//
// Source    Rows and states through the model's functions; never rounded rows, never averages of
//           averages: a day is made from its own facts and minutes, and merges its hours' Summaries.
// Order     Chains are judged by all that is known of them, so an order that comes later can change how
//           an earlier Window ended, and an equity minute that comes late is what the next Window
//           begins with. Such Windows are returned as neighbours.
// Left out  open_orders and oldest_open_age (orders without news in the Window are not read); Sharpe
//           and its like, which are figures of ranges.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/figures/figure_rows.hpp"
#include "sidecar/figures/stale_windows.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

struct ComputedWindows {
  std::vector<std::vector<FigureRow>> rows;  // of each Window, in their order
  std::set<WindowKey> neighbours;            // of Windows with news of their own
};

// windows: all of one profile and one metric type. A type nobody knows has no figures.
Result<ComputedWindows> compute_windows(sql::Connection& mysql,
                                        std::span<const StaleWindow> windows);

Result<ComputedWindows> compute_breakout(sql::Connection& mysql,
                                         std::span<const StaleWindow> windows);
Result<ComputedWindows> compute_equity(sql::Connection& mysql,
                                       std::span<const StaleWindow> windows);
Result<ComputedWindows> compute_order(sql::Connection& mysql, std::span<const StaleWindow> windows);
Result<ComputedWindows> compute_system(sql::Connection& mysql,
                                       std::span<const StaleWindow> windows);

std::vector<model::Window> windows_of(std::span<const StaleWindow> windows);

}  // namespace ddt::sidecar
