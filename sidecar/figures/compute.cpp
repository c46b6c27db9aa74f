#include "sidecar/figures/compute.hpp"

namespace ddt::sidecar {

std::vector<model::Window> windows_of(std::span<const StaleWindow> windows) {
  std::vector<model::Window> plain;
  for (const StaleWindow& window : windows) plain.push_back(window.key.window);
  return plain;
}

Result<ComputedWindows> compute_windows(sql::Connection& mysql,
                                        std::span<const StaleWindow> windows) {
  const std::string_view metric_type = windows.front().key.metric_type;
  if (metric_type == "breakout") return compute_breakout(mysql, windows);
  if (metric_type == "equity") return compute_equity(mysql, windows);
  if (metric_type == "order") return compute_order(mysql, windows);
  if (metric_type == "system") return compute_system(mysql, windows);
  return ComputedWindows{.rows = std::vector<std::vector<FigureRow>>(windows.size()),
                         .neighbours = {}};
}

}  // namespace ddt::sidecar
