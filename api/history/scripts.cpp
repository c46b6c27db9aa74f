#include "api/history/scripts.hpp"

#include <algorithm>

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

Result<sql::Rows> state_rows(Stores& stores, std::int32_t profile_id, const Range& hours) {
  return stores.query(
      "SELECT script_name, metric_name, metric_value, status, timestamp, metadata, bucket "
      "FROM dd_system_health WHERE profile_id = ? AND bucket >= ? AND bucket < ? "
      "ORDER BY timestamp, id",
      {std::int64_t{profile_id}, time_value(hours.from_ns), time_value(hours.to_ns)});
}

// Rows come in order of time: a later reading replaces an earlier one.
void apply(const sql::Row& row, std::map<std::string, StoredScript>& scripts) {
  StoredScript& script = scripts[text_of(row, 0)];
  const std::string metric_name = text_of(row, 1);
  script.last_seen_ns = std::max(script.last_seen_ns, time_ns_of(row, 4));
  if (metric_name == "health") {
    script.status = text_of(row, 3);
    script.metadata = metadata_json(row, 5);
    if (const auto json = model::JsonValue::parse(text_of(row, 5))) {
      script.expected_interval_s = json->int_or("expected_interval_s", -1);
    }
  } else if (Json* field = field_of(script, metric_name)) {
    *field = e8_json_of(row, 2);
  }
}

}  // namespace

Result<std::map<std::string, StoredScript>> stored_scripts(Stores& stores, std::int32_t profile_id,
                                                           const Range& hours) {
  const auto rows = state_rows(stores, profile_id, hours);
  if (!rows) return rows.error();
  std::map<std::string, StoredScript> scripts;
  for (const sql::Row& row : *rows) apply(row, scripts);
  return scripts;
}

Result<std::map<std::int64_t, std::map<std::string, StoredScript>>> stored_scripts_by_window(
    Stores& stores, std::int32_t profile_id, const Range& hours, model::WindowType type) {
  const auto rows = state_rows(stores, profile_id, hours);
  if (!rows) return rows.error();
  std::map<std::int64_t, std::map<std::string, StoredScript>> windows;
  for (const sql::Row& row : *rows) {
    apply(row, windows[model::window_containing(type, time_ns_of(row, 6)).start_ns]);
  }
  return windows;
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
