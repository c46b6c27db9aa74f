// sidecar/drain/decode.hpp — a Record as it was copied out of a Lane → an Event, or the reason why not.
//
// Everything a bot wrote is its word only: kinds, lengths, numbers, times and texts are checked here, once,
// and nothing behind this door has to be suspicious again.
//
// Samples come thousands to the fact and need none of their texts until their Summary does: decode_sample leaves
// names as the indices that the Record has (sidecar/drain/sample_slots.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "shm/lane.hpp"
#include "shm/segment.hpp"
#include "sidecar/model/event.hpp"

namespace ddt::sidecar {

// What was mended on the way in: the Record is kept, the loss is counted.
struct DecodeCounts {
  std::uint64_t metadata_not_json = 0;
  std::uint64_t texts_not_utf8 = 0;
  std::uint64_t other_words = 0;  // not in the vocabulary, kept verbatim
};

struct Undecodable {
  std::string reason;
};

std::variant<model::Event, Undecodable> decode(const RecordCopy& record, SegmentReader& segment,
                                               DecodeCounts& counts);

// A latency or a metric, its names not looked up.
struct Sample {
  RecordKind kind;
  model::MetricKind metric_kind;  // of a metric
  std::uint16_t script, name;     // indices into the Segment's name table
  std::int32_t profile_id;
  std::int32_t outcome;  // of a latency: HTTP status, 0 = timeout
  std::uint64_t position;
  std::int64_t event_time_ns;
  std::int64_t value;  // ns of a latency, e8 of a metric
};
[[nodiscard]] std::optional<Undecodable> decode_sample(const RecordCopy& record,
                                                       const SegmentReader& segment,
                                                       Sample& sample);

}  // namespace ddt::sidecar
