#include "api/history/scripts.hpp"

#include <algorithm>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "api/history/pieces.hpp"
#include "api/history/rows.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

Json* field_of(StoredScript& script, std::string_view metric_name) {
  if (metric_name == "error_count") return &script.error_count;
  if (metric_name == "warning_count") return &script.warning_count;
  if (metric_name == "cpu_usage_pct") return &script.cpu_usage_pct;
  if (metric_name == "memory_usage_mb") return &script.memory_usage_mb;
  if (metric_name == "rate_limit_remaining") return &script.rate_limit_remaining;
  if (metric_name == "rate_limit_limit") return &script.rate_limit_limit;
  return nullptr;
}

std::optional<std::string> optional_text(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return std::nullopt;
  return std::string(row.text(column));
}

using UseHour =
    std::function<void(std::int64_t hour_ns, const std::string& script_name, model::ScriptSpan)>;

// Of hours that no state covers, script by script and one by one.
Status for_each_latency(Stores& stores, std::int32_t profile_id,
                        std::span<const model::Stretch> hours, const UseHour& use) {
  const auto latencies = rows_in(
      stores, profile_id,
      "SELECT window_start, script_name, state FROM dd_window_state FORCE INDEX "
      "(idx_window_profile) WHERE metric_type = 'system' "
      "AND window_type = 'hour' AND name LIKE 'latency:%' AND state IS NOT NULL AND profile_id = ? "
      "AND window_start >= ? AND window_start < ?",
      hours);
  if (!latencies) return latencies.error();
  for (const sql::Row& row : *latencies) {
    model::ByteReader reader(row.text(2));
    const auto summary = model::LatencySummary::decode(reader);
    if (!summary) return Error{"mysql: dd_window_state: a latency state cannot be read"};
    model::ScriptSpan span;
    span.add(*summary);
    use(time_ns_of(row, 0), text_of(row, 1), std::move(span));
  }
  return Done{};
}

// In their order.
Status for_each_reading(Stores& stores, std::int32_t profile_id,
                        std::span<const model::Stretch> hours, const UseHour& use) {
  auto readings =
      rows_in(stores, profile_id,
              "SELECT bucket, script_name, metric_name, timestamp, metric_value, status, metadata, "
              "id FROM dd_system_health FORCE INDEX (idx_health_hour) WHERE profile_id = ? AND "
              "bucket >= ? AND bucket < ?",
              hours);
  if (!readings) return readings.error();
  std::ranges::sort(*readings, {}, [](const sql::Row& row) {
    return std::pair(time_ns_of(row, 3), row.unsigned_integer(7));
  });
  for (const sql::Row& row : *readings) {
    model::ScriptSpan span;
    span.add(text_of(row, 2), {.time_ns = time_ns_of(row, 3),
                               .value = optional_text(row, 4),
                               .status = optional_text(row, 5),
                               .metadata = optional_text(row, 6)});
    use(time_ns_of(row, 0), text_of(row, 1), std::move(span));
  }
  return Done{};
}

Json e8_json_of(const std::optional<std::string>& text) {
  if (!text) return {};
  const auto value_e8 = e8_from_string(*text);
  return value_e8 ? Json::decimal(*value_e8, 8) : Json::raw(*text);
}

Json object_of(const std::optional<std::string>& text) {
  return text && model::is_json_object(*text) ? Json::raw(*text) : Json::object();
}

struct SpanOfHour {
  std::int64_t hour_ns = 0;
  model::SystemSpan span;
};

// By hour.
Result<std::vector<SpanOfHour>> hours_of_rows(Stores& stores, std::int32_t profile_id,
                                              std::span<const model::Stretch> stretches,
                                              Parts parts) {
  std::vector<SpanOfHour> hours;
  const auto use = [&hours](std::int64_t hour_ns, const std::string& script_name,
                            model::ScriptSpan script) {
    hours.push_back({hour_ns, {}});
    hours.back().span.scripts.emplace(script_name, std::move(script));
  };
  if (auto read = for_each_latency(stores, profile_id, stretches, use); !read) return read.error();
  if (parts == Parts::all) {
    if (auto read = for_each_reading(stores, profile_id, stretches, use); !read)
      return read.error();
  }
  std::ranges::stable_sort(hours, {}, &SpanOfHour::hour_ns);
  return hours;
}

Result<SystemHistory> read_history(Stores& stores, std::int32_t profile_id, const Range& hours,
                                   const std::optional<model::WindowType>& window, Parts parts) {
  const auto pieces =
      pieces_of_range(stores, profile_id, "system", hours, whole_windows(hours, window), window);
  if (!pieces) return pieces.error();
  const auto of_rows = hours_of_rows(stores, profile_id, bare_stretches(*pieces), parts);
  if (!of_rows) return of_rows.error();
  SystemHistory history;
  const auto add = [&](std::int64_t time_ns, bool is_in_range, const model::SystemSpan& span) {
    if (span.scripts.empty()) return;
    if (window) history.windows[model::window_containing(*window, time_ns)].merge(span);
    if (is_in_range) history.range.merge(span);
  };
  for (const auto& [piece, is_in_range] : *pieces) {
    if (piece.type) {
      const auto span = *model::span_in<model::SystemSpan>(model::sections_of(piece.state)->first);
      add(piece.stretch.from_ns, is_in_range, span);
      continue;
    }
    auto hour = std::ranges::lower_bound(*of_rows, piece.stretch.from_ns, {}, &SpanOfHour::hour_ns);
    for (; hour != of_rows->end() && hour->hour_ns < piece.stretch.to_ns; ++hour)
      add(hour->hour_ns, is_in_range, hour->span);
  }
  return history;
}

}  // namespace

Result<SystemHistory> system_history(Stores& stores, std::int32_t profile_id, const Range& hours,
                                     const std::optional<model::WindowType>& window, Parts parts) {
  return stores.in_snapshot([&] { return read_history(stores, profile_id, hours, window, parts); });
}

std::optional<StoredScript> stored_script(const model::ScriptSpan& span) {
  if (span.readings.empty()) return std::nullopt;
  StoredScript script;
  for (const auto& [metric_name, reading] : span.readings) {
    script.last_seen_ns = std::max(script.last_seen_ns, reading.time_ns);
    if (metric_name == "health") {
      script.status = reading.status.value_or("");
      script.metadata = object_of(reading.metadata);
      if (const auto json = model::JsonValue::parse(reading.metadata.value_or(""))) {
        script.expected_interval_s = json->int_or("expected_interval_s", -1);
      }
    } else if (Json* field = field_of(script, metric_name)) {
      *field = e8_json_of(reading.value);
    }
  }
  return script;
}

Result<std::map<std::string, StoredScript>> stored_scripts(Stores& stores, std::int32_t profile_id,
                                                           const Range& hours) {
  const auto history = system_history(stores, profile_id, hours, std::nullopt, Parts::all);
  if (!history) return history.error();
  std::map<std::string, StoredScript> scripts;
  for (const auto& [name, span] : history->range.scripts) {
    if (auto script = stored_script(span)) scripts.emplace(name, std::move(*script));
  }
  return scripts;
}

Result<Json> stored_errors(Stores& stores, std::int32_t profile_id, const std::string& script_name,
                           std::int64_t limit) {
  const auto rows = stores.query(
      "SELECT timestamp, status, metadata FROM dd_system_health WHERE profile_id = ? "
      "AND script_name = ? AND metric_name = 'error' ORDER BY timestamp DESC, id DESC LIMIT ?",
      {std::int64_t{profile_id}, script_name, limit});
  if (!rows) return rows.error();
  Json list = Json::array();
  for (const sql::Row& row : *rows) {
    Json item = Json::object();
    item.set("timestamp", time_json(row, 0)).set("severity", text_json(row, 1));
    const auto metadata = model::JsonValue::parse(text_of(row, 2));
    const auto said = [&](const char* name) {
      const auto* value = metadata ? metadata->find(name) : nullptr;
      return value == nullptr ? Json() : Json::raw(value->to_json());
    };
    item.set("code", said("code")).set("text", said("text"));
    item.set("metadata", metadata_json(row, 2));
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace ddt::api
