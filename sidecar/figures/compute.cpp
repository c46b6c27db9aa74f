#include "sidecar/figures/compute.hpp"

#include "sidecar/model/time.hpp"
#include "sidecar/model/window_state.hpp"
#include "sidecar/rollup/rows.hpp"

namespace ddt::sidecar {

std::vector<model::Window> windows_of(std::span<const StaleWindow> windows) {
  std::vector<model::Window> plain;
  for (const StaleWindow& window : windows) plain.push_back(window.key.window);
  return plain;
}

bool has_state(const model::Window& window) { return window.type != model::WindowType::week; }

Result<std::vector<model::Piece>> pieces_of(sql::Connection& mysql, const WindowKey& key,
                                            const model::Stretch& stretch,
                                            model::WindowType longest) {
  const auto read = [&](model::WindowType type,
                        const model::Stretch& windows) -> Result<std::vector<model::StoredState>> {
    const std::vector<sql::Value> params{
        value_of_id(key.profile_id), key.metric_type, std::string(model::name_of(type)),
        value_of_time(windows.from_ns), value_of_time(windows.to_ns)};
    const auto rows = mysql.query(
        "SELECT window_start, figures_revision, state FROM dd_window_state WHERE profile_id = ? "
        "AND metric_type = ? "
        "AND script_name = '' AND name = '' AND window_type = ? AND window_start >= ? AND "
        "window_start < ? AND dirty IN (0, 3) AND state IS NOT NULL ORDER BY window_start",
        params);
    if (!rows) return rows.error();
    std::vector<model::StoredState> states;
    for (const sql::Row& row : *rows) {
      const auto start_ns = model::parse_mysql_datetime(row.text(0));
      if (!start_ns) continue;
      const auto revision = static_cast<std::uint32_t>(row.unsigned_integer(1));
      const std::string_view state = row.text(2);
      if (model::can_be_read(key.metric_type, state)) {
        states.push_back(
            {.start_ns = *start_ns, .revision = revision, .state = std::string(state)});
        continue;
      }
      if (model::revision_of(state) != revision || state == model::state_without_sections(revision))
        continue;
      WindowKey damaged = key;
      damaged.window = model::window_containing(type, *start_ns);
      if (auto marked = mark_damaged(mysql, damaged); !marked) return marked.error();
    }
    return states;
  };
  return model::cover(stretch, longest, read);
}

Result<std::vector<model::Piece>> pieces_of(sql::Connection& mysql, const WindowKey& key) {
  const model::Stretch whole{key.window.start_ns, key.window.end_ns};
  switch (key.window.type) {
    case model::WindowType::hour:
      return std::vector<model::Piece>{
          {.stretch = whole, .type = std::nullopt, .state = std::string()}};
    case model::WindowType::day:
      return pieces_of(mysql, key, whole, model::WindowType::hour);
    case model::WindowType::week:
    case model::WindowType::month:
      break;
  }
  return pieces_of(mysql, key, whole, model::WindowType::day);
}

void add_neighbours(const WindowKey& key, std::int64_t time_ns, std::set<WindowKey>& neighbours) {
  for (const model::WindowType type : model::kWindowTypes)
    neighbours.insert({.profile_id = key.profile_id,
                       .metric_type = key.metric_type,
                       .window = model::window_containing(type, time_ns)});
}

Result<ComputedWindows> compute_windows(sql::Connection& mysql,
                                        std::span<const StaleWindow> windows) {
  const std::string_view metric_type = windows.front().key.metric_type;
  if (metric_type == "breakout") return compute_breakout(mysql, windows);
  if (metric_type == "equity") return compute_equity(mysql, windows);
  if (metric_type == "order") return compute_order(mysql, windows);
  if (metric_type == "system") return compute_system(mysql, windows);
  return ComputedWindows{.rows = std::vector<std::vector<FigureRow>>(windows.size()),
                         .states = std::vector<std::string>(windows.size()),
                         .neighbours = {}};
}

}  // namespace ddt::sidecar
