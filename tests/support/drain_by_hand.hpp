// tests/support/drain_by_hand.hpp — a sidecar without Redis and MySQL: the real drain, whose Blocks count
// as committed the moment they are made. Its ledger is added up from Blocks and Lane counts alone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "shm/base/clock.hpp"
#include "sidecar/drain/drain.hpp"

namespace ddt::test {

struct HandLedger {
  std::uint64_t produced = 0, stored = 0, dropped_samples = 0, dropped_states = 0,
                dropped_facts = 0, refused = 0, rejected = 0;
  std::uint64_t dropped() const { return dropped_samples + dropped_states + dropped_facts; }
  std::int64_t residual() const {
    return static_cast<std::int64_t>(produced - stored - dropped() - refused - rejected);
  }
};

class DrainByHand {
 public:
  explicit DrainByHand(const std::string& directory, std::int64_t scan_interval_ns = 0)
      : drain_(config_of(directory, scan_interval_ns), {}, batches_, exchange_) {}

  // Reads what is there, commits it, retires what has ended and is committed.
  std::size_t work() {
    const std::size_t records = read();
    commit();
    return records;
  }
  // In two halves: what is read but not committed is not given back to its bot.
  std::size_t read() {
    exchange_.mysql_committed_at_ns = monotonic_ns();
    const std::size_t records = drain_.work(monotonic_ns());
    drain_.flush(monotonic_ns());
    return records;
  }
  void commit() {
    while (auto batch = batches_.pop()) {
      for (const model::Block& block : batch->blocks) take(block);
      batches_.done(*batch);
    }
    for (sidecar::Retirement& retirement : exchange_.retirements.take()) {
      ++retired_;
      exchange_.retired.put(std::move(retirement));
    }
    exchange_.ended.take();
  }

  // Of what is committed.
  HandLedger ledger() const {
    HandLedger sum = ended_;
    for (const auto& [name, lane] : lanes_) add(sum, lane);
    return sum;
  }
  // Of the Lanes as they are this moment, committed or not, read to their ends.
  HandLedger ledger_now() {
    read();
    HandLedger sum;
    const auto views = exchange_.views();
    for (const sidecar::LaneView& view : *views) {
      Lane lane{.to = 0, .stored = view.published, .rejected = 0, .counts = view.counts};
      lane.counts.produced = view.produced;
      add(sum, lane);
    }
    return sum;
  }
  std::uint64_t stored_of(const std::string& segment_name) const {
    const auto found = stored_.find(segment_name);
    return found == stored_.end() ? 0 : found->second;
  }
  std::size_t retired() const { return retired_; }
  std::uint64_t holes() const { return holes_; }  // Blocks that did not continue where theirs ended
  std::size_t quarantined() const { return drain_.counters().quarantined_lanes; }
  std::size_t refused_segments() const { return drain_.counters().refused_segments; }
  // Shown every Block that is committed.
  void show_blocks_to(std::function<void(const model::Block&)> onlooker) {
    onlooker_ = std::move(onlooker);
  }
  // Forgets what it remembers for its questions, so that only the drain's memory is left.
  void forget() {
    ended_ = ledger();
    lanes_.clear();
    stored_.clear();
  }

 private:
  struct Lane {
    std::uint64_t to = 0, stored = 0, rejected = 0;
    model::LaneCounts counts;
  };
  static sidecar::DrainConfig config_of(const std::string& directory, std::int64_t scan_ns) {
    sidecar::DrainConfig config;
    config.directory = directory;
    config.scan_interval_ns = scan_ns;
    config.round_interval_ns = 0;
    return config;
  }
  void take(const model::Block& block) {
    if (onlooker_) onlooker_(block);
    Lane& lane = lanes_[block.lane];
    if (block.from != lane.to) ++holes_;
    lane.to = block.to;
    const std::uint64_t records = block.samples + block.states + block.facts;
    lane.stored += records;
    stored_[block.segment_name] += records;
    lane.rejected += block.rejected.size();
    lane.counts = block.counts;
    exchange_.committed.put({.lane = block.lane, .position = block.to, .counts = block.counts});
  }
  static void add(HandLedger& sum, const Lane& lane) {
    sum.produced += lane.counts.produced;
    sum.stored += lane.stored;
    sum.dropped_samples += lane.counts.dropped_samples;
    sum.dropped_states += lane.counts.dropped_states;
    sum.dropped_facts += lane.counts.dropped_facts;
    sum.refused += lane.counts.refused;
    sum.rejected += lane.rejected;
  }

  sidecar::BatchQueue batches_{std::size_t{64} << 20U};
  sidecar::Exchange exchange_;
  sidecar::Drain drain_;
  std::map<model::LaneName, Lane> lanes_;
  std::map<std::string, std::uint64_t> stored_;  // by Segment
  HandLedger ended_;
  std::size_t retired_ = 0;
  std::uint64_t holes_ = 0;
  std::function<void(const model::Block&)> onlooker_;
};

}  // namespace ddt::test
