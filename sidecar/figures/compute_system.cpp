// METRICS section 5: per script the calls' latencies, the last readings and its own metrics.
#include <map>

#include "sidecar/figures/compute.hpp"
#include "sidecar/figures/read_facts.hpp"
#include "sidecar/model/system_span.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::string_view kLatency = "latency:", kMetric = "metric:";
constexpr const char* kReadings[] = {"rate_limit_remaining", "rate_limit_limit", "error_count",
                                     "warning_count",        "cpu_usage_pct",    "memory_usage_mb"};
constexpr std::size_t kOwnNameBytesMax = 94;  // with the longest suffix it fits the column

struct ScriptFigures {
  model::LatencySummary calls;
  std::map<std::string, model::MetricSummary, std::less<>> metrics;  // by "metric:<name>"
  std::map<std::string, std::int64_t, std::less<>> readings;         // the last ones
  model::ScriptSpan span;
};
using Scripts = std::map<std::string, ScriptFigures, std::less<>>;

void add_metric(FigureRows& rows, std::string_view full_name, const model::MetricSummary& metric,
                std::string_view labels) {
  const std::string name(fit(full_name, kOwnNameBytesMax));
  switch (metric.kind) {
    case model::MetricKind::counter:
      rows.value(name, metric.sum_e8, labels);
      return;
    case model::MetricKind::gauge:
      rows.value(name, metric.last_e8, labels);
      rows.value(name + "_min", metric.min_e8, labels);
      rows.value(name + "_max", metric.max_e8, labels);
      rows.value_or(name + "_avg", metric.avg_e8(), "no_samples", labels);
      return;
    case model::MetricKind::distribution:
      rows.count(name + "_count", metric.distribution.n(), labels);
      rows.value_or(name + "_avg", metric.avg_e8(), "no_samples", labels);
      rows.value(name + "_max", metric.max_e8, labels);
      for (const auto& [suffix, permille] :
           {std::pair{"_p50", 500U}, {"_p95", 950U}, {"_p99", 990U}}) {
        const auto value = metric.distribution.quantile(permille);
        rows.value_or(name + suffix, value ? std::optional<int128>(*value) : std::nullopt,
                      "no_samples", labels);
      }
      return;
  }
}

void add_script(FigureRows& rows, const std::string& script_name, const ScriptFigures& script) {
  const std::string labels = "script=" + script_name;
  rows.value_or("api_latency_avg_ms", script.calls.avg_ms_e8(), "no_samples", labels);
  rows.value_or("api_latency_p50_ms", script.calls.quantile_ms_e8(500), "no_samples", labels);
  rows.value_or("api_latency_p95_ms", script.calls.quantile_ms_e8(950), "no_samples", labels);
  rows.value_or("api_latency_p99_ms", script.calls.quantile_ms_e8(990), "no_samples", labels);
  rows.value_or("api_latency_max_ms", script.calls.max_ms_e8(), "no_samples", labels);
  rows.count("api_calls", script.calls.n(), labels);
  rows.count("api_errors", script.calls.errors(), labels);
  for (const char* name : kReadings) {
    const auto reading = script.readings.find(std::string_view(name));
    if (reading == script.readings.end() || is_null(reading->second)) {
      rows.null(name, "not_reported", labels);
    } else {
      rows.value(name, reading->second, labels);
    }
  }
  for (const auto& [name, metric] : script.metrics) add_metric(rows, name, metric, labels);
}

Status merge_state(Scripts& scripts, std::string_view script_name, std::string_view name,
                   const std::optional<model::LatencySummary>& calls,
                   const std::optional<model::MetricSummary>& metric) {
  ScriptFigures& script = scripts[std::string(script_name)];
  if (calls) {
    script.calls.merge(*calls);
    script.span.add(*calls);
  }
  if (metric) script.metrics[std::string(name)].merge(*metric);
  return Done{};
}

Status read_states(sql::Connection& mysql, std::int32_t profile_id, std::span<const TimeSpan> spans,
                   const std::map<model::Window, Scripts*>& slots) {
  const auto use = [&](std::string_view script_name, std::string_view name, std::int64_t hour_ns,
                       std::string_view state) -> Status {
    std::optional<model::LatencySummary> calls;
    std::optional<model::MetricSummary> metric;
    model::ByteReader reader(state);
    if (name.starts_with(kLatency)) calls = model::LatencySummary::decode(reader);
    if (name.starts_with(kMetric)) metric = model::MetricSummary::decode(reader);
    if (!calls && !metric)
      return Error{.message = "mysql: dd_window_state: undecodable state of " + std::string(name)};
    for (const model::WindowType type : model::kWindowTypes) {
      const auto slot = slots.find(model::window_containing(type, hour_ns));
      if (slot == slots.end()) continue;
      if (auto merged = merge_state(*slot->second, script_name, name, calls, metric); !merged)
        return merged;
    }
    return Done{};
  };
  return for_each_hour_state(mysql, profile_id, spans, use);
}

}  // namespace

Result<ComputedWindows> compute_system(sql::Connection& mysql,
                                       std::span<const StaleWindow> windows) {
  const std::int32_t profile_id = windows.front().key.profile_id;
  const std::vector<TimeSpan> spans = joined_spans(windows_of(windows));
  std::vector<Scripts> scripts(windows.size());
  std::map<model::Window, Scripts*> slots;
  for (std::size_t i = 0; i < windows.size(); ++i) slots[windows[i].key.window] = &scripts[i];
  if (auto read = read_states(mysql, profile_id, spans, slots); !read) return read.error();
  const auto readings = read_readings(mysql, profile_id, spans);
  if (!readings) return readings.error();
  for (const ReadingRow& reading : *readings) {  // in order of time: the last one stays
    for (const model::WindowType type : model::kWindowTypes) {
      const auto slot = slots.find(model::window_containing(type, reading.time_ns));
      if (slot == slots.end()) continue;
      ScriptFigures& script = (*slot->second)[reading.script_name];
      script.readings[reading.metric_name] = reading.value_e8;
      script.span.add(reading.metric_name, {.time_ns = reading.time_ns,
                                            .value = reading.value,
                                            .status = reading.status,
                                            .metadata = reading.metadata});
    }
  }
  ComputedWindows computed;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    FigureRows rows;
    model::SystemSpan system;
    for (auto& [script_name, script] : scripts[i]) {
      add_script(rows, script_name, script);
      system.scripts.emplace(script_name, std::move(script.span));
    }
    computed.rows.push_back(std::move(rows).take());
    computed.states.push_back(
        has_state(windows[i].key.window)
            ? model::state_of_sections(windows[i].revision, model::section_of(system), {})
            : std::string());
  }
  return computed;
}

}  // namespace ddt::sidecar
