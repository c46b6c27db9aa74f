#include "sidecar/model/system_span.hpp"

namespace ddt::model {
namespace {

void encode_optional(const std::optional<std::string>& text, ByteWriter& writer) {
  writer.boolean(text.has_value());
  if (text) writer.text(*text);
}

std::optional<std::string> decode_optional(ByteReader& reader) {
  if (!reader.boolean()) return std::nullopt;
  return reader.text();
}

}  // namespace

void ScriptSpan::add(const LatencySummary& of_endpoint) {
  if (!calls) calls.emplace();
  calls->merge(of_endpoint);
}

void ScriptSpan::add(const std::string& metric_name, const ScriptReading& reading) {
  ScriptReading& last = readings[metric_name];
  if (reading.time_ns >= last.time_ns) last = reading;
}

void SystemSpan::merge(const SystemSpan& other) {
  for (const auto& [name, script] : other.scripts) {
    ScriptSpan& own = scripts[name];
    if (script.calls) own.add(*script.calls);
    for (const auto& [metric_name, reading] : script.readings) own.add(metric_name, reading);
  }
}

void SystemSpan::encode(ByteWriter& writer) const {
  writer.varint(scripts.size());
  for (const auto& [name, script] : scripts) {
    writer.text(name);
    writer.boolean(script.calls.has_value());
    if (script.calls) script.calls->encode(writer);
    writer.varint(script.readings.size());
    for (const auto& [metric_name, reading] : script.readings) {
      writer.text(metric_name);
      writer.zigzag(reading.time_ns);
      encode_optional(reading.value, writer);
      encode_optional(reading.status, writer);
      encode_optional(reading.metadata, writer);
    }
  }
}

std::optional<SystemSpan> SystemSpan::decode(ByteReader& reader) {
  SystemSpan span;
  const std::size_t scripts = reader.count(3);
  for (std::size_t i = 0; i < scripts; ++i) {
    ScriptSpan& script = span.scripts[reader.text()];
    if (reader.boolean()) {
      auto calls = LatencySummary::decode(reader);
      if (!calls) return std::nullopt;
      script.calls = std::move(*calls);
    }
    const std::size_t readings = reader.count(5);
    for (std::size_t j = 0; j < readings; ++j) {
      ScriptReading& reading = script.readings[reader.text()];
      reading.time_ns = reader.zigzag();
      reading.value = decode_optional(reader);
      reading.status = decode_optional(reader);
      reading.metadata = decode_optional(reader);
    }
  }
  if (!reader.ok()) return std::nullopt;
  return span;
}

}  // namespace ddt::model
