// tests/model/exactly_once.hpp — bots, one sidecar, Redis and MySQL as values, and every step they can take.
//
// Real code: Judge, has_gone_back, Acknowledged, erase_appended, RecentEntries, and the drain's lane_rules. Simulated around them, step
// by step as drain.cpp, append.cpp and rollup.cpp go: Lanes (one Record is one line), the threads with their mailboxes,
// the fenced append, the transaction, both stores with what they forget.
//
// A step is one thread's work() with one outcome of what it asks a store, a bot's word, or a fault. Faults are counted
// and bounded; everything else may happen at any time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "sidecar/append/acknowledged.hpp"
#include "sidecar/drain/lane_rules.hpp"
#include "sidecar/recent_entries.hpp"
#include "sidecar/rollup/judge.hpp"

namespace ddt::protocol_check {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Mutant : std::uint8_t {
  none,
  forgotten_to_ignored,        // released on Redis's word that it has again what it lost in between
  stale_word_believed,         // Redis's word is taken however old it is
  position_outside,            // the positions are moved in a transaction of their own
  fence_not_taken,             // a reconnect goes on with the fence that is there
  half_covered_applied,        // a Block that begins before the position is applied
  positions_not_compared,      // the transaction does not look at what it locks
  released_when_acknowledged,  // a Lane is given back when Redis has it
  retired_unmarked,            // unlinked before all of it is committed
  unopened_is_gone,       // a Lane that the drain has not opened yet is taken for one that is gone
  counts_said_once,       // counts that Redis lost are not said again
  journal_passed_over,    // recent entries are taken wherever the rollup is
  old_mysql_not_noticed,  // after a restore the journal is read on from where it was
};

using sidecar::Acknowledged;
using sidecar::CommittedLane;
using sidecar::CommittedLanes;
using sidecar::FillAnswer;
using sidecar::FillRequest;
using sidecar::Judge;
using sidecar::Judged;
using sidecar::LaneCommit;
using sidecar::LanePosition;
using sidecar::LaneSeen;
using sidecar::RecentEntries;
using sidecar::RecentEntry;
using sidecar::StartPosition;

using LaneId = std::uint32_t;
inline model::LaneName name_of(LaneId lane) { return {.segment_id = {1}, .lane = lane}; }

// Shared memory of one bot with one Lane.
struct BotLane {
  std::uint8_t attempts_left = 0;
  std::uint8_t released = 0, dropped = 0, ordinals = 0;
  std::vector<std::uint8_t> refused_before{};  // by Record
  bool owner_is_gone = false, file_is_there = true;
  std::uint64_t published() const { return refused_before.size(); }
};

struct Entry {
  std::uint64_t id = 0;
  std::vector<model::Block> blocks;
};

struct RedisStore {
  std::vector<Entry> journal;
  redis::Positions positions;
  std::uint64_t last_id = 0;
  int fence = 0;  // 0: none
  std::optional<Entry>
      cut;  // in the append-only file, its append's end cut off: there after the next restart
};

struct MysqlStore {
  CommittedLanes rows;
  std::map<LaneId, std::vector<std::uint8_t>> stored;  // times each Record was stored
  std::set<LaneId> retired;
};

struct DrainLane {
  std::uint64_t next = 0, block_from = 0, block_ordinal = 0, published = 0;
  LaneSeen seen;
  std::uint64_t acknowledged = 0, forgotten_to = 0, committed = 0;
  model::LaneCounts counts_sent, counts_committed;
  bool is_drained = false, retirement_asked = false;
};

struct Sidecar {
  // drain
  std::map<LaneId, StartPosition> starts;
  std::map<LaneId, DrainLane> lanes;
  bool mysql_is_silent = false, redis_word_is_fresh = false;
  std::deque<std::vector<model::Block>> batches;
  // mailboxes
  std::vector<LanePosition> acknowledged, acknowledged_for_rollup;
  std::vector<LaneCommit> committed;
  std::vector<FillRequest> fill_requests;
  std::vector<FillAnswer> fill_answers;
  std::vector<LaneId> retirements, retired, forgotten;
  // append
  int token = 0;              // 0: not connected
  std::uint64_t last_id = 0;  // of the journal, as this connection knows it
  RecentEntries recent{0};    // each entry counts as one byte
  std::optional<std::vector<model::Block>> pending;
  Acknowledged known;
  // rollup
  bool mysql_is_connected = false, at_end = false;
  Judge judge;
  std::map<model::LaneName, std::uint64_t> positions;
  redis::Positions held;
  CommittedLanes last_commit;
  std::uint64_t read_id = 0, resume_id = 0;
};

struct Late {
  int token = 0;
  Entry entry;
  std::vector<LanePosition> positions;
};

struct World {
  std::vector<BotLane> bots;
  RedisStore redis;
  std::vector<RedisStore> redis_before;  // what it may come back to
  MysqlStore mysql;
  std::vector<MysqlStore> mysql_before;
  std::optional<Late> late_append;  // on its way to Redis from a connection that was given up
  std::optional<MysqlStore>
      late_commit;  // a transaction nobody waits for any more: its locks are held
  bool runs = false;
  Sidecar sidecar;
  std::uint64_t clock = 0;  // Redis's ids never go back
  std::uint8_t faults_left = 0;
  // What only the properties look at.
  std::map<LaneId, std::set<std::uint64_t>>
      redis_confirmed;  // in Redis when it last said it forgot nothing
  std::map<LaneId, std::set<std::uint64_t>> redis_lost, mysql_lost;
};

struct Setup {
  std::vector<std::uint8_t> attempts{2};  // by bot
  std::uint8_t capacity = 4;              // lines of a Lane
  std::uint8_t faults = 2;
  std::size_t history = 1;          // how many steps a store may come back by
  std::size_t recent = 2;           // entries that the rollup may find in memory
  std::vector<std::string> only{};  // of the faults; empty: all
};

struct Step {
  std::string name;
  bool is_fault = false;
  World world;
};

class Protocol {
 public:
  Protocol(Setup setup, Mutant mutant) : setup_(std::move(setup)), mutant_(mutant) {}

  World first() const;
  std::vector<Step> steps(const World& world) const;  // throws Violation
  // Nothing is left to do, and then the ledger must hold.
  bool is_at_rest(const World& world) const;
  void check_at_rest(const World& world) const;
  static std::string key_of(const World& world);

 private:
  enum class Outcome : std::uint8_t { done, refused, silent_done, silent_lost, silent_late };

  void start(World& world) const;
  void drain_work(World& world, bool send) const;
  void drain_mail(World& world) const;
  void open_lanes(World& world) const;
  void release(World& world, LaneId lane) const;
  FillAnswer answer(const World& world, const FillRequest& request) const;
  void retire_if_done(World& world) const;
  void unlink(World& world, LaneId lane) const;
  void append_connect(World& world) const;
  void append_work(World& world, Outcome outcome) const;
  static bool land(World& world, const Late& append);
  void confirmed(World& world) const;
  void rollup_connect(World& world) const;
  void rollup_work(World& world, bool redis_is_there, Outcome outcome) const;
  void commit(World& world, const Judged& judged, Outcome outcome) const;
  bool take_recent(Sidecar& sidecar, std::vector<model::Block>& blocks) const;
  static std::string id_text(std::uint64_t id);
  void begin_again(World& world) const;
  static void tell_committed(Sidecar& sidecar, const model::LaneName& name,
                             const CommittedLane& row);
  void remember_redis(World& world) const;
  void redis_comes_back(World& world, RedisStore store) const;
  void mysql_comes_back(World& world) const;

  static model::LaneCounts counts_of_lane(const World& world, LaneId lane, const LaneSeen& seen);
  static std::set<std::uint64_t> in_journal(const RedisStore& redis, LaneId lane);
  static bool is_stored(const MysqlStore& mysql, LaneId lane, std::uint64_t record);

  Setup setup_;
  Mutant mutant_;
};

}  // namespace ddt::protocol_check
