#include "api/history/pieces.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "api/history/rows.hpp"
#include "sidecar/model/window_state.hpp"

namespace ddt::api {

Result<std::vector<model::Piece>> pieces_of(Stores& stores, std::int32_t profile_id,
                                            std::string_view metric_type,
                                            const model::Stretch& stretch,
                                            model::WindowType longest,
                                            const std::set<std::int64_t>& not_at) {
  const auto read = [&](model::WindowType type,
                        const model::Stretch& windows) -> Result<std::vector<model::StoredState>> {
    const auto rows = stores.query(
        "SELECT window_start, figures_revision, state FROM dd_window_state WHERE profile_id = ? "
        "AND metric_type = ? "
        "AND script_name = '' AND name = '' AND window_type = ? AND window_start >= ? AND "
        "window_start < ? AND dirty IN (0, 3) AND state IS NOT NULL ORDER BY window_start",
        {std::int64_t{profile_id}, std::string(metric_type), std::string(model::name_of(type)),
         time_value(windows.from_ns), time_value(windows.to_ns)});
    if (!rows) return rows.error();
    std::vector<model::StoredState> states;
    for (const sql::Row& row : *rows) {
      if (!model::can_be_read(metric_type, row.text(2))) continue;
      states.push_back({.start_ns = time_ns_of(row, 0),
                        .revision = static_cast<std::uint32_t>(row.unsigned_integer(1)),
                        .state = text_of(row, 2)});
    }
    return states;
  };
  return model::cover(stretch, longest, read, not_at);
}

Result<std::vector<PieceOfRange>> pieces_of_range(Stores& stores, std::int32_t profile_id,
                                                  std::string_view metric_type, const Range& range,
                                                  const Range& whole,
                                                  const std::optional<model::WindowType>& window) {
  const auto longest = window.value_or(model::WindowType::month);
  const std::int64_t from_ns = std::clamp(range.from_ns, whole.from_ns, whole.to_ns);
  const std::int64_t to_ns = std::clamp(range.to_ns, from_ns, whole.to_ns);
  const std::pair<model::Stretch, bool> parts[] = {
      {{whole.from_ns, from_ns}, false}, {{from_ns, to_ns}, true}, {{to_ns, whole.to_ns}, false}};
  std::vector<PieceOfRange> all;
  for (const auto& [stretch, is_in_range] : parts) {
    if (stretch.from_ns >= stretch.to_ns) continue;
    auto pieces = pieces_of(stores, profile_id, metric_type, stretch, longest);
    if (!pieces) return pieces.error();
    for (model::Piece& piece : *pieces)
      all.push_back({.piece = std::move(piece), .is_in_range = is_in_range});
  }
  return all;
}

Result<std::vector<model::Stretch>> hours_with_news(Stores& stores, std::int32_t profile_id,
                                                    std::string_view metric_type) {
  const auto rows = stores.query(
      "SELECT window_start FROM dd_window_state FORCE INDEX (idx_window_dirty) WHERE dirty = 1 AND "
      "window_type = 'hour' AND profile_id = ? AND metric_type = ? AND script_name = '' AND "
      "name = ''",
      {std::int64_t{profile_id}, std::string(metric_type)});
  if (!rows) return rows.error();
  std::vector<model::Stretch> hours;
  for (const sql::Row& row : *rows) {
    const auto hour = model::window_containing(model::WindowType::hour, time_ns_of(row, 0));
    hours.push_back({hour.start_ns, hour.end_ns});
  }
  return hours;
}

Status take_back_states(Stores& stores, std::int32_t profile_id, std::string_view metric_type,
                        const std::set<std::int64_t>& at, std::vector<PieceOfRange>& pieces) {
  std::vector<PieceOfRange> all;
  for (PieceOfRange& one : pieces) {
    const auto time = at.lower_bound(one.piece.stretch.from_ns);
    if (!one.piece.type || time == at.end() || *time >= one.piece.stretch.to_ns) {
      all.push_back(std::move(one));
      continue;
    }
    auto shorter =
        pieces_of(stores, profile_id, metric_type, one.piece.stretch, *one.piece.type, at);
    if (!shorter) return shorter.error();
    for (model::Piece& piece : *shorter)
      all.push_back({.piece = std::move(piece), .is_in_range = one.is_in_range});
  }
  pieces = std::move(all);
  return Done{};
}

}  // namespace ddt::api
