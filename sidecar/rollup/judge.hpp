// sidecar/rollup/judge.hpp — which Blocks may be counted now: the exactly-once rule, without any I/O.
//
//   Block [from, to) of a Lane whose committed position is P:
//     to <= P            covered: skipped (its refusal counts are absolute and still raised)
//     from == P          continues: applied, P := to
//     from > P           Redis lost something: waits, and [P, from) is asked for again (a fill)
//     from < P < to      half covered: [P, to) is asked for again, the Block is not used
//   Fill answer [P, lost_to) lost, [lost_to, to) read again: applied when it begins at P; else what still waits
//   is judged again.
//
// Pure: positions in, decisions out. A transaction that fails is judged again from what MySQL says then.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "sidecar/exchange.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/rollup/positions.hpp"

namespace ddt::sidecar {

// What one transaction does. `lanes` hold the rows as they will be, `blocks` what is counted, in order.
struct Judged {
  std::vector<model::Block> blocks;
  std::vector<std::pair<model::LaneName, std::uint64_t>> lost;  // Lane, Records
  std::vector<FillRequest> fill_requests;
};

// MySQL says less of a Lane than the last transaction that it confirmed: it has been restored, or has lost its
// last moments. What is missing may be older than what this process remembers: the whole journal is read again.
bool has_gone_back(const CommittedLanes& rows, const CommittedLanes& last_commit);

class Judge {
 public:
  // Forgets everything and begins from what MySQL has committed.
  void reset(CommittedLanes lanes);
  // Rows of Lanes that were not known: the journal goes back to before a Lane was retired.
  void learn(const CommittedLanes& lanes) { lanes_.insert(lanes.begin(), lanes.end()); }
  bool knows(const model::LaneName& name) const { return lanes_.contains(name); }

  void add(model::Block block, Judged& out);
  void add(FillAnswer answer, Judged& out);
  // Redis holds this, or has forgotten it, and the journal has been read to its end: what is missing is asked
  // for.
  void at_journal_end(const LanePosition& acknowledged, Judged& out);

  // Set a Block's Records aside: they count as rejected instead of stored.
  void count_rejected(const model::Block& block, std::uint64_t samples_and_states,
                      std::uint64_t facts);

  const CommittedLane& lane(const model::LaneName& name) { return lanes_[name]; }
  const CommittedLanes& lanes() const noexcept { return lanes_; }
  bool has_waiting() const noexcept { return !waiting_.empty(); }
  const auto& waiting() const noexcept { return waiting_; }  // by Lane, in order of `from`
  const auto& filling() const noexcept { return filling_; }
  void forget(const model::LaneName& name) { lanes_.erase(name); }

 private:
  void apply(model::Block block, Judged& out);
  void apply_waiting(const model::LaneName& name, Judged& out);
  void request_fill(const model::LaneName& name, std::uint64_t to, Judged& out);

  CommittedLanes lanes_;
  std::map<model::LaneName, std::deque<model::Block>> waiting_;  // by Lane, in order of `from`
  std::map<model::LaneName, std::uint64_t> filling_;  // Lane → `to` of the fill under way
};

}  // namespace ddt::sidecar
