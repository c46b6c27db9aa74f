#include <algorithm>
#include <tuple>

#include "sidecar/model/ratio.hpp"
#include "sidecar/model/summary.hpp"

namespace ddt::model {
namespace {

// METRICS section 1, kind G: greatest (event time, segment, lane, position, value) wins.
auto rank_of_last(const MetricSummary& m) {
  return std::tie(m.last_time_ns, m.last_name, m.last_e8, m.kind);
}

}  // namespace

void MetricSummary::add(MetricKind reading_kind, std::int64_t value_e8, std::int64_t time_ns,
                        const RecordName& name) {
  min_e8 = n == 0 ? value_e8 : std::min(min_e8, value_e8);
  max_e8 = n == 0 ? value_e8 : std::max(max_e8, value_e8);
  if (n == 0 || rank_of_last(*this) < std::tie(time_ns, name, value_e8, reading_kind)) {
    kind = reading_kind;
    last_e8 = value_e8;
    last_time_ns = time_ns;
    last_name = name;
  }
  ++n;
  sum_e8 += value_e8;
  if (reading_kind == MetricKind::distribution) distribution.add(value_e8);
}

void MetricSummary::merge(const MetricSummary& other) {
  if (other.n == 0) return;
  min_e8 = n == 0 ? other.min_e8 : std::min(min_e8, other.min_e8);
  max_e8 = n == 0 ? other.max_e8 : std::max(max_e8, other.max_e8);
  if (n == 0 || rank_of_last(*this) < rank_of_last(other)) {
    kind = other.kind;
    last_e8 = other.last_e8;
    last_time_ns = other.last_time_ns;
    last_name = other.last_name;
  }
  n += other.n;
  sum_e8 += other.sum_e8;
  distribution.merge(other.distribution);
}

std::optional<int128> MetricSummary::avg_e8() const noexcept {
  if (n == 0) return std::nullopt;
  return divide_rounded(sum_e8, static_cast<int128>(n));
}

void MetricSummary::encode(ByteWriter& writer) const {
  writer.varint(n);
  if (n == 0) return;
  writer.u8(static_cast<std::uint8_t>(kind));
  writer.i128(sum_e8);
  writer.zigzag(min_e8);
  writer.zigzag(max_e8);
  writer.zigzag(last_e8);
  writer.zigzag(last_time_ns);
  for (const std::uint8_t byte : last_name.segment_id) writer.u8(byte);
  writer.varint(last_name.lane);
  writer.varint(last_name.position);
  distribution.encode(writer);
}

std::optional<MetricSummary> MetricSummary::decode(ByteReader& reader) {
  MetricSummary summary;
  summary.n = reader.varint();
  if (!reader.ok()) return std::nullopt;
  if (summary.n == 0) return summary;
  const std::uint8_t kind = reader.u8();
  summary.kind = static_cast<MetricKind>(kind);
  summary.sum_e8 = reader.i128();
  summary.min_e8 = reader.zigzag();
  summary.max_e8 = reader.zigzag();
  summary.last_e8 = reader.zigzag();
  summary.last_time_ns = reader.zigzag();
  for (std::uint8_t& byte : summary.last_name.segment_id) byte = reader.u8();
  summary.last_name.lane = reader.u32();
  summary.last_name.position = reader.varint();
  auto distribution = QuantileSketch::decode(reader);
  if (!distribution || !reader.ok() || kind < 1 || kind > 3) return std::nullopt;
  summary.distribution = std::move(*distribution);
  const bool in_order = summary.min_e8 <= summary.max_e8 && summary.last_e8 >= summary.min_e8 &&
                        summary.last_e8 <= summary.max_e8 && summary.distribution.n() <= summary.n;
  if (!in_order) return std::nullopt;
  return summary;
}

}  // namespace ddt::model
