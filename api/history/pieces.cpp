#include "api/history/pieces.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "api/history/rows.hpp"
#include "sidecar/model/window_state.hpp"

namespace ddt::api {

namespace {

constexpr std::size_t kStretchesPerQuery = 8;

// Current states of the Windows of a profile: those of many stretches come in one round trip.
class ReadsStates {
 public:
  ReadsStates(Stores& stores, std::int32_t profile_id, std::string_view metric_type)
      : stores_(stores), profile_id_(profile_id), metric_type_(metric_type) {}

  // What will be asked for; known already is nothing to do.
  Status expect(const std::vector<model::WindowsInside>& windows) {
    std::vector<model::WindowsInside> unknown;
    std::ranges::copy_if(windows, std::back_inserter(unknown),
                         [this](const auto& of) { return !is_known(of); });
    const std::span all(unknown);
    for (std::size_t at = 0; at < all.size(); at += kStretchesPerQuery) {
      const auto part = all.subspan(at, std::min(kStretchesPerQuery, all.size() - at));
      if (auto done = read(part); !done) return done;
    }
    return Done{};
  }

  Result<std::vector<model::StoredState>> operator()(model::WindowType type,
                                                     const model::Stretch& windows) {
    const model::WindowsInside wanted{type, windows};
    if (auto done = expect({wanted}); !done) return done.error();
    return states_of(wanted);
  }

 private:
  bool is_known(const model::WindowsInside& of) const {
    return std::ranges::any_of(known_, [&of](const model::WindowsInside& one) {
      return one.type == of.type && one.stretch.from_ns <= of.stretch.from_ns &&
             of.stretch.to_ns <= one.stretch.to_ns;
    });
  }

  // Few texts, so that few statements are prepared: what is left over asks for nothing.
  Status read(std::span<const model::WindowsInside> of) {
    std::string sql;
    std::vector<sql::Value> params;
    for (std::size_t i = 0; i < std::bit_ceil(of.size()); ++i) {
      sql += i > 0 ? " UNION ALL " : "";
      sql +=
          "SELECT window_type, window_start, figures_revision, state FROM dd_window_state FORCE "
          "INDEX (PRIMARY) WHERE "
          "profile_id = ? AND metric_type = ? AND script_name = '' AND name = '' AND window_type = "
          "? AND window_start >= ? AND window_start < ? AND dirty IN (0, 3) AND state IS NOT NULL";
      const auto& [type, stretch] = of[std::min(i, of.size() - 1)];
      const std::int64_t to_ns = i < of.size() ? stretch.to_ns : stretch.from_ns;
      params.insert(params.end(),
                    {std::int64_t{profile_id_}, metric_type_, std::string(model::name_of(type)),
                     time_value(stretch.from_ns), time_value(to_ns)});
    }
    auto rows = stores_.query(sql, params);
    if (!rows) return rows.error();
    for (sql::Row& row : *rows) {
      const auto key = std::pair(std::string(row.text(0)), time_ns_of(row, 1));
      rows_.try_emplace(key, std::move(row));
    }
    known_.insert(known_.end(), of.begin(), of.end());
    return Done{};
  }

  std::vector<model::StoredState> states_of(const model::WindowsInside& wanted) const {
    const std::string type(model::name_of(wanted.type));
    std::vector<model::StoredState> states;
    const auto end = rows_.lower_bound({type, wanted.stretch.to_ns});
    for (auto at = rows_.lower_bound({type, wanted.stretch.from_ns}); at != end; ++at) {
      const sql::Row& row = at->second;
      if (!model::can_be_read(metric_type_, row.text(3))) continue;
      states.push_back({.start_ns = at->first.second,
                        .revision = static_cast<std::uint32_t>(row.unsigned_integer(2)),
                        .state = text_of(row, 3)});
    }
    return states;
  }

  Stores& stores_;
  const std::int32_t profile_id_;
  const std::string metric_type_;
  std::vector<model::WindowsInside> known_;
  std::map<std::pair<std::string, std::int64_t>, sql::Row> rows_;  // by type and start
};

}  // namespace

Result<std::vector<model::Piece>> pieces_of(Stores& stores, std::int32_t profile_id,
                                            std::string_view metric_type,
                                            const model::Stretch& stretch,
                                            model::WindowType longest,
                                            const std::set<std::int64_t>& not_at) {
  ReadsStates read(stores, profile_id, metric_type);
  if (auto done = read.expect(model::windows_inside(stretch, longest)); !done) return done.error();
  return model::cover(stretch, longest, std::ref(read), not_at,
                      [&read](const auto& windows) { return read.expect(windows); });
}

Result<sql::Rows> rows_in(Stores& stores, std::int32_t profile_id, const std::string& select,
                          std::span<const model::Stretch> stretches, std::int64_t limit) {
  sql::Rows all;
  for (std::size_t at = 0; at < stretches.size(); at += kStretchesPerQuery) {
    const auto part = stretches.subspan(at, std::min(kStretchesPerQuery, stretches.size() - at));
    // Few texts, so that few statements are prepared: what is left over asks for nothing.
    const std::size_t count = std::bit_ceil(part.size());
    std::string sql;
    std::vector<sql::Value> params;
    for (std::size_t i = 0; i < count; ++i) {
      sql += i > 0 ? " UNION ALL " : "";
      sql += select;
      const model::Stretch& one = part[std::min(i, part.size() - 1)];
      params.insert(params.end(), {std::int64_t{profile_id}, time_value(one.from_ns),
                                   time_value(i < part.size() ? one.to_ns : one.from_ns)});
    }
    if (limit > 0) {
      sql += " LIMIT ?";
      params.emplace_back(limit - static_cast<std::int64_t>(all.size()));
    }
    auto rows = stores.query(sql, params);
    if (!rows) return rows.error();
    std::ranges::move(*rows, std::back_inserter(all));
  }
  return all;
}

std::vector<model::Stretch> bare_stretches(std::span<const PieceOfRange> pieces) {
  std::vector<model::Stretch> stretches;
  for (const auto& [piece, is_in_range] : pieces) {
    if (!piece.type) stretches.push_back(piece.stretch);
  }
  return stretches;
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
