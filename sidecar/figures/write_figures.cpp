#include "sidecar/figures/write_figures.hpp"

#include <algorithm>

#include "sidecar/model/json.hpp"
#include "sidecar/rollup/rows.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::size_t kStatusBytesMax = 20;
constexpr std::size_t kColumns = 12;
constexpr std::string_view kHead =
    "INSERT INTO dd_telemetry_metrics (profile_id, metric_type, metric_name, metric_value, "
    "window_type, window_start, window_end, labels, status, revision, final, metadata) VALUES ";
constexpr std::string_view kTail =
    " ON DUPLICATE KEY UPDATE metric_value = VALUES(metric_value), window_end = "
    "VALUES(window_end), status = VALUES(status), revision = VALUES(revision), final = "
    "VALUES(final), metadata = VALUES(metadata)";

// Observed ÷ length with four decimals, "" once the Window has ended.
std::string coverage_note(const model::Window& window, std::int64_t wall_now_ns) {
  if (wall_now_ns >= window.end_ns) return {};
  const std::int64_t observed = std::max<std::int64_t>(wall_now_ns - window.start_ns, 0);
  return "\"coverage\":" +
         decimal_string(int128{observed} * 10'000 / (window.end_ns - window.start_ns), 4);
}

sql::Value metadata_value(const std::string& coverage, const FigureRow& row) {
  std::string members = coverage;
  const auto add = [&members](const std::string& member) {
    if (member.empty()) return;
    if (!members.empty()) members += ',';
    members += member;
  };
  if (!row.reason.empty()) add("\"reason\":" + model::json_quoted(row.reason));
  add(row.notes);
  if (members.empty()) return sql::Null{};
  return "{" + members + "}";
}

sql::Value status_value(const FigureRow& row) {
  if (row.reason.empty()) return sql::Null{};
  return row.reason.size() <= kStatusBytesMax ? row.reason : std::string("undefined");
}

// Splits by exit_reason of an earlier revision: nothing of them is left.
Status clear_vanished(sql::Connection& mysql, const StaleWindow& window) {
  const WindowKey& key = window.key;
  if (key.metric_type != "equity" || window.revision == 0) return Done{};
  const std::vector<sql::Value> params{value_of_count(window.revision), value_of_id(key.profile_id),
                                       std::string(model::name_of(key.window.type)),
                                       value_of_time(key.window.start_ns),
                                       value_of_count(window.revision)};
  const auto done = mysql.execute(
      "UPDATE dd_telemetry_metrics SET metric_value = 0, status = NULL, metadata = NULL, "
      "revision = ? WHERE profile_id = ? AND metric_type = 'equity' AND metric_name IN "
      "('closes', 'pnl') AND window_type = ? AND window_start = ? AND labels <> '' AND "
      "revision <> ?",
      params);
  if (!done) return done.error();
  return Done{};
}

}  // namespace

Status write_figures(sql::Connection& mysql, std::span<const WindowFigures> figures,
                     std::int64_t wall_now_ns) {
  RowSet rows{.columns = kColumns, .values = {}};
  for (const WindowFigures& of : figures) {
    const auto& [profile_id, metric_type, window] = of.window->key;
    const std::string coverage = coverage_note(window, wall_now_ns);
    const std::string window_type(model::name_of(window.type));
    const sql::Value start = value_of_time(window.start_ns), end = value_of_time(window.end_ns);
    const sql::Value is_final{std::int64_t{wall_now_ns >= window.end_ns ? 1 : 0}};
    for (const FigureRow& row : *of.rows) {
      rows.values.insert(
          rows.values.end(),
          {value_of_id(profile_id), metric_type, row.name, value_of_e8(row.value_e8), window_type,
           start, end, row.labels, status_value(row), value_of_count(of.window->revision), is_final,
           metadata_value(coverage, row)});
    }
  }
  if (auto done = insert_rows(mysql, kHead, rows, kTail); !done) return done;
  for (const WindowFigures& of : figures) {
    if (auto done = clear_vanished(mysql, *of.window); !done) return done;
  }
  return Done{};
}

}  // namespace ddt::sidecar
