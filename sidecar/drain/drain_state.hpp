// sidecar/drain/drain_state.hpp — what the drain knows of a Segment and of a Lane. For its own files only.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "sidecar/drain/drain.hpp"
#include "sidecar/drain/lane_account.hpp"
#include "sidecar/drain/lane_rules.hpp"

namespace ddt::sidecar {

struct Drain::Lane {
  Lane(const LaneReader& lane_reader, std::uint64_t given_back, model::Block header,
       const StartPosition& start)
      : reader(lane_reader),
        released(given_back),
        name(header.lane),
        builder(std::move(header)),
        account(start.committed_published),
        acknowledged(start.acknowledged),
        forgotten_to(start.forgotten_to),
        committed(start.committed),
        // It begins behind what anybody has said: the gap is only seen once a Block says where we are.
        must_say_where(reader.next() > std::max(start.acknowledged, start.committed)) {}

  LaneReader reader;
  std::uint64_t released;  // as we stored it: the word itself lies where the bot can write
  model::LaneName name;
  BlockBuilder builder;
  LaneAccount account;
  std::uint64_t acknowledged, forgotten_to, committed;
  bool must_say_where;
  std::uint64_t undecodable = 0;
  model::LaneCounts counts_sent, counts_committed;
  std::int64_t counts_sent_at_ns = 0;
  std::string quarantine_reason;
  std::size_t watch = 0;

  bool is_quarantined() const { return !quarantine_reason.empty(); }
  std::uint64_t held() const { return reader.next() - released; }  // lines
  // Nothing that was read of this Lane is left outside MySQL. What a quarantined one still held is given up.
  bool is_settled() const {
    return builder.is_empty() && !must_say_where && committed >= reader.next() &&
           covers(counts_committed, account.counts());
  }
};

struct Drain::Segment {
  explicit Segment(SegmentReader segment_reader) : reader(std::move(segment_reader)) {}
  SegmentReader reader;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::size_t turn = 0;  // the Lane to be read first
  bool owner_is_gone = false;
  bool is_drained = false;  // once more to the end, after the owner was seen gone
  bool retirement_asked = false;
  std::int64_t last_event_ns = 0;
  std::string quarantine_reason;

  bool is_quarantined() const { return !quarantine_reason.empty(); }
  model::Block header(std::uint32_t lane) {
    model::Block block;
    std::memcpy(block.lane.segment_id.data(), reader.id(), block.lane.segment_id.size());
    block.lane.lane = lane;
    block.segment_name = reader.name();
    block.owner_uid = reader.owner_uid();
    block.profile_id = reader.profile_id();
    block.script_name = reader.script_name();
    return block;
  }
};

}  // namespace ddt::sidecar
