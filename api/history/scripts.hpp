// api/history/scripts.hpp — dd_system_health: the last states of scripts, and their errors.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/http/json.hpp"
#include "api/parameters.hpp"
#include "api/stores.hpp"

namespace ddt::api {

// Last readings of one script; each null when never said.
struct StoredScript {
  std::string status;  // of the last health reading; "" when there is none
  Json error_count, warning_count, cpu_usage_pct, memory_usage_mb;
  Json rate_limit_remaining, rate_limit_limit;
  Json metadata = Json::object();
  std::int64_t expected_interval_s = -1;
  std::int64_t last_seen_ns = model::kNoTime;
};

// By script, from hours that begin in the range (snap it to hours first).
Result<std::map<std::string, StoredScript>> stored_scripts(Stores& stores, std::int32_t profile_id,
                                                           const Range& hours);

// The same per Window, by its start.
Result<std::map<std::int64_t, std::map<std::string, StoredScript>>> stored_scripts_by_window(
    Stores& stores, std::int32_t profile_id, const Range& hours, model::WindowType type);

// Newest first: {timestamp, severity, code, text, metadata}.
Result<Json> stored_errors(Stores& stores, std::int32_t profile_id, const std::string& script_name,
                           std::int64_t limit);

}  // namespace ddt::api
