// sidecar/figures/compute.hpp — figures of Windows of one profile and one metric type (METRICS 2 to 5).
//
// Source    Hours from rows, longer Windows from the states of the shorter ones inside and from the rows of
//           what no current state covers; never rounded rows, never averages of averages.
// State     What a longer Window, or any range, is made of (docs/formats/window_state.md): of hours, days and
//           months; "" where there is none.
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
#include "sidecar/model/window_cover.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

struct ComputedWindows {
  std::vector<std::vector<FigureRow>> rows;  // of each Window, in their order
  std::vector<std::string> states;           // of each Window, in their order
  std::set<WindowKey> neighbours;            // of Windows with news of their own
};

// Weeks have none: they are made of days.
bool has_state(const model::Window& window);

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

// A Window as pieces: the rows of an hour, the states inside of a longer one.
Result<std::vector<model::Piece>> pieces_of(sql::Connection& mysql, const WindowKey& key);
// The same of a stretch, no Window longer than `longest`. A state that cannot be read is none, and marked to be computed.
Result<std::vector<model::Piece>> pieces_of(sql::Connection& mysql, const WindowKey& key,
                                            const model::Stretch& stretch,
                                            model::WindowType longest);

// Windows of every type that hold the time: something that another Window shares has changed there.
void add_neighbours(const WindowKey& key, std::int64_t time_ns, std::set<WindowKey>& neighbours);

std::vector<model::Window> windows_of(std::span<const StaleWindow> windows);

}  // namespace ddt::sidecar
