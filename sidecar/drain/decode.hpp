// sidecar/drain/decode.hpp — a Record as it was copied out of a Lane → an Event, or the reason why not.
//
// Everything a bot wrote is its word only: kinds, lengths, numbers, times and texts are checked here, once,
// and nothing behind this door has to be suspicious again.
#pragma once

#include <cstdint>
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

}  // namespace ddt::sidecar
