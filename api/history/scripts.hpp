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
#include "sidecar/model/system_span.hpp"
#include "sidecar/model/window.hpp"

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

// What scripts measured and said in a range of whole hours (snap it first), and the same per Window.
struct SystemHistory {
  model::SystemSpan range;
  std::map<model::Window, model::SystemSpan> windows;  // those in which some script said something
};
enum class Parts : std::uint8_t { all, calls };  // calls: readings may be left out
Result<SystemHistory> system_history(Stores& stores, std::int32_t profile_id, const Range& hours,
                                     const std::optional<model::WindowType>& window, Parts parts);

// nullopt when the script gave no reading.
std::optional<StoredScript> stored_script(const model::ScriptSpan& span);

// By script, those that gave readings, from hours that begin in the range (snap it to hours first).
Result<std::map<std::string, StoredScript>> stored_scripts(Stores& stores, std::int32_t profile_id,
                                                           const Range& hours);

// Newest first: {timestamp, severity, code, text, metadata}.
Result<Json> stored_errors(Stores& stores, std::int32_t profile_id, const std::string& script_name,
                           std::int64_t limit);

}  // namespace ddt::api
