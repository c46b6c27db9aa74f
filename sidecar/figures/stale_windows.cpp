#include "sidecar/figures/stale_windows.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>

#include "sidecar/model/time.hpp"
#include "sidecar/model/window_cover.hpp"
#include "sidecar/rollup/rows.hpp"

namespace ddt::sidecar {
namespace {

sql::Value type_value(const model::Window& window) {
  return std::string(model::name_of(window.type));
}

// Rows of: profile_id, metric_type, window_type, window_start, revision, figures_revision, dirty.
constexpr std::string_view kColumns =
    "SELECT profile_id, metric_type, window_type, window_start, revision, figures_revision, dirty "
    "FROM dd_window_state ";

Status append_windows(const sql::Rows& rows, std::vector<StaleWindow>& windows) {
  for (const sql::Row& row : rows) {
    const auto type = model::parse_window_type(row.text(2));
    const auto start_ns = model::parse_mysql_datetime(row.text(3));
    if (!type || !start_ns)
      return Error{.message = "mysql: dd_window_state: no such Window: " +
                              std::string(row.text(2)) + " " + std::string(row.text(3))};
    windows.push_back({.key = {.profile_id = static_cast<std::int32_t>(row.integer(0)),
                               .metric_type = std::string(row.text(1)),
                               .window = model::window_containing(*type, *start_ns)},
                       .revision = static_cast<std::uint32_t>(row.unsigned_integer(4)),
                       .figures_revision = static_cast<std::uint32_t>(row.unsigned_integer(5)),
                       .stale = static_cast<Stale>(row.integer(6))});
  }
  return Done{};
}

void push_key(std::vector<sql::Value>& values, const WindowKey& key) {
  values.insert(values.end(),
                {value_of_id(key.profile_id), key.metric_type, std::string(), std::string(),
                 type_value(key.window), value_of_time(key.window.start_ns)});
}

Status update_control_rows(sql::Connection& mysql, std::span<const StaleWindow> windows,
                           std::string_view tail) {
  RowSet rows{.columns = 11, .values = {}};
  for (const StaleWindow& window : windows) {
    push_key(rows.values, window.key);
    rows.values.insert(
        rows.values.end(),
        {value_of_time(window.key.window.end_ns), value_of_count(window.revision),
         value_of_count(window.revision), sql::Value{static_cast<std::int64_t>(window.stale)},
         window.state.empty() ? sql::Value{sql::Null{}} : sql::Value{window.state}});
  }
  return insert_rows(
      mysql,
      "INSERT INTO dd_window_state (profile_id, metric_type, script_name, name, "
      "window_type, window_start, window_end, revision, figures_revision, dirty, state) "
      "VALUES ",
      rows, tail);
}

}  // namespace

// ── pace ─────────────────────────────────────────────────────────────────────────────────────────

void Pace::look(std::span<const StaleWindow> stale, std::int64_t now_ns) {
  std::map<WindowKey, Seen> seen;
  stale_count_ = 0;
  for (const StaleWindow& window : stale) {
    if (window.stale != Stale::open) ++stale_count_;
    Seen now{.window = window, .first_ns = now_ns, .changed_ns = now_ns, .not_before_ns = 0};
    if (const auto before = seen_.find(window.key); before != seen_.end()) {
      now.first_ns = before->second.first_ns;
      now.not_before_ns = before->second.not_before_ns;
      if (before->second.window.revision == window.revision)
        now.changed_ns = before->second.changed_ns;
    }
    seen.emplace(window.key, std::move(now));
  }
  seen_ = std::move(seen);
}

std::vector<StaleWindow> Pace::due(std::int64_t now_ns, bool at_once) const {
  std::vector<StaleWindow> windows;
  for (const auto& [key, seen] : seen_) {
    const std::int64_t patience_ns =
        interval_ns_ * kPatience[static_cast<std::size_t>(key.window.type)];
    const bool is_due = at_once || seen.window.stale == Stale::open ||
                        now_ns - seen.changed_ns >= interval_ns_ ||
                        now_ns - seen.first_ns >= patience_ns;
    if (is_due && now_ns >= seen.not_before_ns) windows.push_back(seen.window);
  }
  std::ranges::stable_sort(windows, {}, [](const StaleWindow& w) { return w.key.window.type; });
  return windows;
}

void Pace::computed(const WindowKey& key, std::int64_t now_ns) {
  const auto found = seen_.find(key);
  if (found == seen_.end()) return;
  // If it is still stale, its patience begins anew.
  found->second.first_ns = found->second.changed_ns = now_ns;
}

void Pace::set_aside(const WindowKey& key, std::int64_t until_ns) {
  if (const auto found = seen_.find(key); found != seen_.end())
    found->second.not_before_ns = until_ns;
}

// ── control rows ─────────────────────────────────────────────────────────────────────────────────

Result<std::vector<StaleWindow>> read_stale_windows(sql::Connection& mysql,
                                                    std::int64_t wall_now_ns) {
  std::vector<StaleWindow> windows;
  for (const model::WindowType type : model::kWindowTypes) {
    const std::string name(model::name_of(type));
    const std::vector<sql::Value> stale{name, kStaleWindowsMax};
    const auto rows = mysql.query(std::string(kColumns) +
                                      "WHERE dirty IN (1, 2) AND window_type = ? AND "
                                      "script_name = '' AND name = '' LIMIT ?",
                                  stale);
    if (!rows) return rows.error();
    if (auto read = append_windows(*rows, windows); !read) return read.error();
    const std::vector<sql::Value> ended{
        name, value_of_time(model::window_containing(type, wall_now_ns).start_ns),
        kStaleWindowsMax};
    const auto open = mysql.query(std::string(kColumns) +
                                      "WHERE dirty = 3 AND window_type = ? AND window_start < ? "
                                      "AND script_name = '' AND name = '' LIMIT ?",
                                  ended);
    if (!open) return open.error();
    if (auto read = append_windows(*open, windows); !read) return read.error();
  }
  return windows;
}

Result<std::vector<StaleWindow>> lock_windows(sql::Connection& mysql,
                                              const std::set<WindowKey>& keys) {
  // In the order of the primary key, where Window types are words.
  std::vector<const WindowKey*> in_order;
  for (const WindowKey& key : keys) in_order.push_back(&key);
  std::ranges::sort(in_order, {}, [](const WindowKey* key) {
    return std::make_tuple(key->profile_id, std::string_view(key->metric_type),
                           model::name_of(key->window.type), key->window.start_ns);
  });
  RowSet rows{.columns = 6, .values = {}};
  for (const WindowKey* key : in_order) push_key(rows.values, *key);
  const auto locked = select_rows(
      mysql,
      std::string(kColumns) +
          "WHERE (profile_id, metric_type, script_name, name, window_type, window_start) IN",
      rows, "FOR UPDATE");
  if (!locked) return locked.error();
  std::vector<StaleWindow> windows;
  if (auto read = append_windows(*locked, windows); !read) return read.error();
  return windows;
}

Status write_figures_revisions(sql::Connection& mysql, std::span<const StaleWindow> windows) {
  return update_control_rows(mysql, windows,
                             " ON DUPLICATE KEY UPDATE figures_revision = "
                             "VALUES(figures_revision), dirty = VALUES(dirty), "
                             "state = VALUES(state)");
}

Result<std::uint64_t> StateSearch::mark_some(sql::Connection& mysql) {
  std::uint64_t marked = 0;
  for (int step = 0; step < kStepsMax && marked == 0 && !is_done(); ++step) {
    const std::string type(model::name_of(kTypes[type_]));
    const std::vector<sql::Value> from{type, value_of_time(from_ns_)};
    const auto next = mysql.query(
        "SELECT window_start FROM dd_window_state WHERE dirty = 0 AND window_type = ? AND "
        "window_start >= ? ORDER BY window_start LIMIT 1",
        from);
    if (!next) return next.error();
    if (next->empty()) {  // longer Windows are made of the shorter ones: those are first
      ++type_;
      from_ns_ = 0;
      continue;
    }
    const auto start_ns = model::parse_mysql_datetime(next->front().text(0)).value_or(from_ns_);
    const std::int64_t end_ns = start_ns + kStepsNs[type_];
    const std::vector<sql::Value> params{type, value_of_time(start_ns), value_of_time(end_ns),
                                         std::int64_t{model::kStateFormat}};
    const auto done = mysql.execute(
        "UPDATE dd_window_state SET dirty = 2 WHERE dirty = 0 AND window_type = ? AND "
        "window_start >= ? AND window_start < ? AND script_name = '' AND name = '' AND "
        "metric_type IN ('breakout', 'equity', 'order', 'system') AND (state IS NULL OR "
        "ORD(state) <> ? OR CONV(HEX(SUBSTR(state, 2, 4)), 16, 10) <> figures_revision)",
        params);
    if (!done) return done.error();
    marked += *done;
    from_ns_ = end_ns;
  }
  return marked;
}

Status mark_damaged(sql::Connection& mysql, const WindowKey& key) {
  spdlog::warn("figures: the state of {} in the {} of {} cannot be read: computing it again",
               key.metric_type, model::name_of(key.window.type),
               model::rfc3339(key.window.start_ns));
  std::vector<sql::Value> params;
  push_key(params, key);
  const auto done = mysql.execute(
      "UPDATE dd_window_state SET dirty = 2 WHERE profile_id = ? AND metric_type = ? AND "
      "script_name = ? AND name = ? AND window_type = ? AND window_start = ? AND dirty IN (0, 3)",
      params);
  return done ? Status(Done{}) : Status(done.error());
}

Result<bool> has_hour_with_news(sql::Connection& mysql, const WindowKey& key) {
  const std::vector<sql::Value> params{value_of_id(key.profile_id), key.metric_type,
                                       value_of_time(key.window.start_ns),
                                       value_of_time(key.window.end_ns)};
  const auto rows = mysql.query(
      "SELECT 1 FROM dd_window_state WHERE profile_id = ? AND metric_type = ? AND script_name = '' "
      "AND name = '' AND window_type = 'hour' AND window_start >= ? AND window_start < ? AND "
      "dirty = 1 LIMIT 1",
      params);
  if (!rows) return rows.error();
  return !rows->empty();
}

Status mark_neighbours(sql::Connection& mysql, std::span<const StaleWindow> windows) {
  return update_control_rows(
      mysql, windows,
      " ON DUPLICATE KEY UPDATE dirty = IF(dirty = 1, 1, 2), revision = revision + 1");
}

}  // namespace ddt::sidecar
