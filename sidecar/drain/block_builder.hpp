// sidecar/drain/block_builder.hpp — folds the Events of one Lane into a Block.
//
// Pure: the same Events give the same Block, so a span drained again is the span journaled before.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "sidecar/drain/decode.hpp"
#include "sidecar/drain/sample_slots.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::sidecar {

class BlockBuilder {
 public:
  // Every Block of this Lane begins with these: segment, lane and owner.
  explicit BlockBuilder(model::Block header) : header_(std::move(header)) {
    reset(header_.from, header_.ordinal_from);
  }

  void add(model::Event fact_or_state);
  // False where this Block has not met a sample of these indices in this minute or hour: then its texts are needed.
  bool try_add(const Sample& sample);
  void add(const Sample& sample, std::string script_name, std::string name);
  void add_rejected(std::uint64_t position, std::string reason, std::string payload);

  // The Records added so far end before `position` and `ordinal`; `counts` as read from the Lane just now.
  // Gives the Block and begins the next one where it ends.
  model::Block take(std::uint64_t position, std::uint64_t ordinal, const model::LaneCounts& counts);

  bool is_empty() const noexcept { return records_ == 0; }
  std::uint64_t records() const noexcept { return records_; }
  // About how much memory the Block takes: what bounds the queue behind us.
  std::size_t bytes_estimate() const noexcept { return bytes_; }
  // Throws away what was added and begins again at a position.
  void reset(std::uint64_t position, std::uint64_t ordinal);

 private:
  void count_sample() noexcept;
  void count(const Sample& sample, model::LatencySummary& summary);
  void count(const Sample& sample, model::MetricSummary& summary);
  void add_state(model::Event event);
  void add_hour_state(const model::Event& event);
  void add_equity(const model::EquityEvent& event);

  model::Block header_, block_;
  std::uint64_t records_ = 0;
  std::size_t bytes_ = 0;
  std::size_t facts_before_ = 0;  // of the Block before: about as many will come
  // (kind, profile, script or symbol): newest reading. Later in the Lane wins where times are equal.
  std::map<std::tuple<std::size_t, std::int32_t, std::string>, model::Event> latest_;
  std::map<std::tuple<std::size_t, std::int32_t, std::string, std::int64_t>, model::Event> hours_;
  std::map<std::pair<std::int32_t, std::int64_t>, model::EquityMinuteOf> equity_;
  std::map<std::tuple<std::int32_t, std::string, std::string, std::int64_t>, model::LatencySummary>
      latency_;
  std::map<std::tuple<std::int32_t, std::string, std::string, std::int64_t>, model::MetricSummary>
      metrics_;
  SampleSlots<model::LatencySummary, model::kNsPerMinute> latency_slots_;
  SampleSlots<model::MetricSummary, model::kNsPerHour> metric_slots_;
};

}  // namespace ddt::sidecar
