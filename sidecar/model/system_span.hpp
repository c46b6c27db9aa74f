// sidecar/model/system_span.hpp — what scripts measured and said in a span of hours, as a state that joins: the
// latencies of all endpoints, and the last reading of each state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "sidecar/model/bytes.hpp"
#include "sidecar/model/summary.hpp"

namespace ddt::model {

// A row of dd_system_health with a bucket, as text.
struct ScriptReading {
  std::int64_t time_ns = kNoTime;
  std::optional<std::string> value, status, metadata;
  bool operator==(const ScriptReading&) const = default;
};

struct ScriptSpan {
  std::optional<LatencySummary> calls;
  std::map<std::string, ScriptReading, std::less<>> readings;  // by metric_name; the latest stays

  void add(const LatencySummary& of_endpoint);
  void add(const std::string& metric_name, const ScriptReading& reading);
  bool operator==(const ScriptSpan&) const = default;
};

struct SystemSpan {
  std::map<std::string, ScriptSpan, std::less<>> scripts;

  void merge(const SystemSpan& other);
  void encode(ByteWriter& writer) const;
  static std::optional<SystemSpan> decode(ByteReader& reader);
  bool operator==(const SystemSpan&) const = default;
};

}  // namespace ddt::model
