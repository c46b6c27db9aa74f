// tests/model/exactly_once_steps.hpp — what the steps of exactly_once.hpp do, and what must hold after each.
#pragma once

#include <algorithm>

#include "tests/model/exactly_once.hpp"

namespace ddt::protocol_check {

// ── the drain ────────────────────────────────────────────────────────────────────────────────────────

inline model::LaneCounts Protocol::counts_of_lane(const World& world, LaneId lane,
                                                  const LaneSeen& seen) {
  const BotLane& bot = world.bots[lane];
  return sidecar::counts_of(
      {.dropped = {0, 0, bot.dropped}, .refused = 0, .ordinals = bot.ordinals}, seen);
}

inline std::set<std::uint64_t> Protocol::in_journal(const RedisStore& redis, LaneId lane) {
  std::set<std::uint64_t> records;
  for (const Entry& entry : redis.journal) {
    for (const model::Block& block : entry.blocks) {
      for (std::uint64_t p = block.from; block.lane == name_of(lane) && p < block.to; ++p)
        records.insert(p);
    }
  }
  return records;
}

inline bool Protocol::is_stored(const MysqlStore& mysql, LaneId lane, std::uint64_t record) {
  const auto found = mysql.stored.find(lane);
  return found != mysql.stored.end() && record < found->second.size() && found->second[record] > 0;
}

inline void Protocol::open_lanes(World& world) const {
  Sidecar& sidecar = world.sidecar;
  for (LaneId id = 0; id < world.bots.size(); ++id) {
    if (!world.bots[id].file_is_there || sidecar.lanes.contains(id)) continue;
    const StartPosition start = sidecar.starts[id];
    DrainLane lane;
    lane.next = lane.block_from = sidecar::start_of(start, world.bots[id].released);
    lane.acknowledged = start.acknowledged;
    lane.forgotten_to = start.forgotten_to;
    lane.committed = start.committed;
    lane.published = start.committed_published;
    sidecar.lanes[id] = lane;
    release(world, id);
  }
}

inline void Protocol::release(World& world, LaneId id) const {
  BotLane& bot = world.bots[id];
  const DrainLane& lane = world.sidecar.lanes[id];
  const bool is_fresh = world.sidecar.redis_word_is_fresh || mutant_ == Mutant::stale_word_believed;
  const bool redis_is_witness = world.sidecar.mysql_is_silent && is_fresh;
  const sidecar::LaneState state{
      .next = lane.next,
      .released = bot.released,
      .line_count = setup_.capacity,
      .committed = lane.committed,
      .acknowledged = lane.acknowledged,
      .forgotten_to = mutant_ == Mutant::forgotten_to_ignored ? 0 : lane.forgotten_to};
  std::uint64_t position = sidecar::release_position(state, redis_is_witness);
  if (mutant_ == Mutant::released_when_acknowledged)
    position = std::max(position, std::min(lane.acknowledged, lane.next));
  for (std::uint64_t p = bot.released; p < position; ++p) {
    const auto row = world.mysql.rows.find(name_of(id));
    const bool mysql_had_it = (row != world.mysql.rows.end() && row->second.position > p) ||
                              world.mysql_lost[id].contains(p);
    const bool redis_had_it = redis_is_witness && (in_journal(world.redis, id).contains(p) ||
                                                   world.redis_confirmed[id].contains(p));
    if (!mysql_had_it && !redis_had_it)
      throw Violation("a Record is given back that no store holds");
  }
  bot.released = static_cast<std::uint8_t>(std::max<std::uint64_t>(bot.released, position));
}

inline FillAnswer Protocol::answer(const World& world, const FillRequest& request) const {
  FillAnswer answer{
      .lane = request.lane, .from = request.from, .lost_to = request.from, .block = std::nullopt};
  const auto found = world.sidecar.lanes.find(request.lane.lane);
  if (found == world.sidecar.lanes.end()) {
    answer.lane_is_gone = true;
    return answer;
  }
  const BotLane& bot = world.bots[request.lane.lane];
  const std::uint64_t from = sidecar::fill_start(request, bot.released);
  const std::uint64_t to = std::max(from, request.to);
  RecordHead head{};
  const auto lost_at = [&](std::uint64_t record) {
    head.refused = bot.refused_before[record];
    head.ordinal = record + head.refused;
    return sidecar::lost_before(head, request);
  };
  if (from < to) {
    answer.lost_records = lost_at(from);
  } else {
    answer.lost_records = from < found->second.next
                              ? lost_at(from)
                              : found->second.published - request.published_before;
  }
  answer.lost_to = from;
  model::Block block;
  block.lane = request.lane;
  block.from = from;
  block.to = to;
  block.facts = to - from;
  if (from < to) block.ordinal_to = to + bot.refused_before[to - 1];
  block.counts = counts_of_lane(world, request.lane.lane, found->second.seen);
  answer.block = std::move(block);
  return answer;
}

inline void Protocol::drain_mail(World& world) const {
  Sidecar& sidecar = world.sidecar;
  for (const LanePosition& said : std::exchange(sidecar.acknowledged, {})) {
    const auto lane = sidecar.lanes.find(said.lane.lane);
    if (lane == sidecar.lanes.end()) {
      sidecar.starts[said.lane.lane].acknowledged = said.position;
      sidecar.starts[said.lane.lane].forgotten_to = said.forgotten_to;
      continue;
    }
    lane->second.acknowledged = said.position;
    lane->second.forgotten_to = said.forgotten_to;
  }
  for (const LaneCommit& commit : std::exchange(sidecar.committed, {})) {
    const auto lane = sidecar.lanes.find(commit.lane.lane);
    if (lane == sidecar.lanes.end()) {
      StartPosition& start = sidecar.starts[commit.lane.lane];
      start.committed = std::max(start.committed, commit.position);
      start.committed_published = commit.published;
      continue;
    }
    lane->second.committed = std::max(lane->second.committed, commit.position);
    lane->second.counts_committed = commit.counts;
    release(world, commit.lane.lane);
  }
  for (const auto& [id, lane] : sidecar.lanes) release(world, id);
  if (!sidecar.fill_requests.empty() && mutant_ != Mutant::unopened_is_gone) open_lanes(world);
  for (const FillRequest& request : std::exchange(sidecar.fill_requests, {}))
    sidecar.fill_answers.push_back(answer(world, request));
  for (const LaneId id : std::exchange(sidecar.retired, {})) {
    if (sidecar.lanes.erase(id) > 0) unlink(world, id);
  }
}

inline void Protocol::unlink(World& world, LaneId id) const {
  const auto row = world.mysql.rows.find(name_of(id));
  for (std::uint64_t p = 0; p < world.bots[id].published(); ++p) {
    const bool is_counted = row != world.mysql.rows.end() && row->second.position > p;
    if (!is_counted && !world.mysql_lost[id].contains(p))
      throw Violation("a Segment is unlinked that holds what MySQL has not");
  }
  world.bots[id].file_is_there = false;
}

inline void Protocol::drain_work(World& world, bool send) const {
  drain_mail(world);
  open_lanes(world);
  Sidecar& sidecar = world.sidecar;
  std::vector<model::Block> batch;
  for (auto& [id, lane] : sidecar.lanes) {
    const BotLane& bot = world.bots[id];
    for (; lane.next < bot.published(); ++lane.next) {
      const std::uint64_t refused = bot.refused_before[lane.next];
      lane.seen = {.ordinal = lane.next + refused + 1, .published = lane.next + 1};
      lane.published = lane.seen.published;
    }
    if (bot.owner_is_gone) lane.is_drained = true;
    const model::LaneCounts counts = counts_of_lane(world, id, lane.seen);
    const bool says_more = !sidecar::covers(lane.counts_sent, counts);
    if (!send || sidecar.batches.size() > 1 || (lane.block_from == lane.next && !says_more))
      continue;
    model::Block block;
    block.lane = name_of(id);
    block.from = lane.block_from;
    block.to = lane.next;
    block.ordinal_from = lane.block_ordinal;
    block.ordinal_to = lane.seen.ordinal;
    block.facts = block.to - block.from;
    block.counts = lane.counts_sent = counts;
    lane.block_from = lane.next;
    lane.block_ordinal = lane.seen.ordinal;
    batch.push_back(std::move(block));
  }
  if (!batch.empty()) sidecar.batches.push_back(std::move(batch));
  retire_if_done(world);
}

inline void Protocol::retire_if_done(World& world) const {
  for (auto& [id, lane] : world.sidecar.lanes) {
    const bool is_settled =
        lane.block_from == lane.next && lane.committed >= lane.next &&
        sidecar::covers(lane.counts_committed, counts_of_lane(world, id, lane.seen));
    const bool may_go = is_settled || mutant_ == Mutant::retired_unmarked;
    if (!lane.is_drained || !may_go || lane.retirement_asked) continue;
    lane.retirement_asked = true;
    world.sidecar.retirements.push_back(id);
  }
}

// ── the append ───────────────────────────────────────────────────────────────────────────────────────

inline void Protocol::remember_redis(World& world) const {
  if (world.faults_left == 0) return;
  world.redis_before.push_back(world.redis);
  if (world.redis_before.size() > setup_.history)
    world.redis_before.erase(world.redis_before.begin());
}

inline bool Protocol::land(World& world, const Late& append) {
  if (append.token != world.redis.fence || append.token == 0) return false;
  Entry entry = append.entry;
  entry.id = world.redis.last_id = ++world.clock;
  if (!entry.blocks.empty()) world.redis.journal.push_back(std::move(entry));
  for (const LanePosition& position : append.positions)
    world.redis.positions[position.lane] = position;
  return true;
}

inline void Protocol::confirmed(World& world) const {
  world.sidecar.redis_word_is_fresh = true;
  for (LaneId id = 0; id < world.bots.size(); ++id)
    world.redis_confirmed[id] = in_journal(world.redis, id);
}

inline void Protocol::append_connect(World& world) const {
  Sidecar& sidecar = world.sidecar;
  if (mutant_ != Mutant::fence_not_taken || world.redis.fence == 0) {
    int token = 1;
    while (token == world.redis.fence || (world.late_append && token == world.late_append->token) ||
           std::ranges::any_of(world.redis_before,
                               [&](const RedisStore& old) { return old.fence == token; }))
      ++token;
    world.redis.fence = token;
  }
  sidecar.token = world.redis.fence;
  const redis::Positions& positions = world.redis.positions;
  if (sidecar.pending) sidecar::erase_appended(*sidecar.pending, positions);
  const std::vector<LanePosition> held = sidecar.known.connected(positions);
  sidecar.acknowledged.insert(sidecar.acknowledged.end(), held.begin(), held.end());
  sidecar.acknowledged_for_rollup.insert(sidecar.acknowledged_for_rollup.end(), held.begin(),
                                         held.end());
  sidecar.last_id = world.redis.last_id;
  confirmed(world);
}

inline void Protocol::append_work(World& world, Outcome outcome) const {
  Sidecar& sidecar = world.sidecar;
  if (!sidecar.pending && !sidecar.batches.empty()) {
    sidecar.pending = std::move(sidecar.batches.front());
    sidecar.batches.pop_front();
  }
  const bool is_fenced = world.redis.fence != sidecar.token;
  if (outcome == Outcome::done && is_fenced) {
    sidecar.token = 0;
    return;
  }
  if (!sidecar.pending) return confirmed(world);
  if (outcome == Outcome::done) {
    for (const LaneId id : std::exchange(sidecar.forgotten, {})) {
      world.redis.positions.erase(name_of(id));
      sidecar.known.forget(name_of(id));
    }
  }
  if (sidecar.pending->empty()) {
    sidecar.pending.reset();
    return;
  }
  Late append{
      .token = sidecar.token, .entry = {.id = 0, .blocks = *sidecar.pending}, .positions = {}};
  for (const model::Block& block : *sidecar.pending)
    append.positions.push_back({block.lane, block.to, 0});
  sidecar.known.mark(append.positions);
  if (outcome == Outcome::done || outcome == Outcome::silent_done) {
    remember_redis(world);
    land(world, append);
  }
  if (outcome == Outcome::silent_late) world.late_append = append;
  if (outcome != Outcome::done) {
    sidecar.token = 0;
    return;
  }
  const std::uint64_t id = world.redis.last_id;
  sidecar.recent.put({.before = id_text(std::exchange(sidecar.last_id, id)),
                      .id = id_text(id),
                      .bytes = 1,
                      .blocks = append.entry.blocks});
  sidecar.known.appended(append.positions);
  for (const LanePosition& position : append.positions) {
    sidecar.acknowledged.push_back(position);
    sidecar.acknowledged_for_rollup.push_back(position);
  }
  sidecar.pending.reset();
  confirmed(world);
}

inline void Protocol::tell_committed(Sidecar& sidecar, const model::LaneName& name,
                                     const CommittedLane& row) {
  sidecar.committed.push_back(
      {.lane = name, .position = row.position, .published = row.published(), .counts = row.counts});
}

// ── the rollup ───────────────────────────────────────────────────────────────────────────────────────

inline void Protocol::rollup_connect(World& world) const {
  Sidecar& sidecar = world.sidecar;
  const CommittedLanes& rows = world.mysql.rows;
  if (sidecar::has_gone_back(rows, sidecar.last_commit) && mutant_ != Mutant::old_mysql_not_noticed)
    sidecar.resume_id = 0;
  std::erase_if(sidecar.last_commit,
                [&](const auto& entry) { return !rows.contains(entry.first); });
  for (auto& [name, row] : sidecar.last_commit) row = rows.at(name);
  CommittedLanes present;
  sidecar.positions.clear();
  for (const auto& [name, row] : rows) {
    if (!world.bots[name.lane].file_is_there) continue;
    present.emplace(name, row);
    sidecar.positions[name] = row.position;
    tell_committed(sidecar, name, row);
  }
  for (const auto& [name, row] : present) sidecar.last_commit[name] = row;
  sidecar.judge.reset(std::move(present));
  sidecar.read_id = sidecar.resume_id;
  sidecar.mysql_is_silent = false;
  sidecar.mysql_is_connected = true;
}

inline std::string Protocol::id_text(std::uint64_t id) { return std::to_string(id) + "-0"; }

inline bool Protocol::take_recent(Sidecar& sidecar, std::vector<model::Block>& blocks) const {
  const std::deque<RecentEntry>& known = sidecar.recent.entries();
  const bool passes_over = mutant_ == Mutant::journal_passed_over && !known.empty() &&
                           redis::compare_ids(known.front().id, id_text(sidecar.read_id)) > 0;
  const std::string from = passes_over ? known.front().before : id_text(sidecar.read_id);
  const std::vector<RecentEntry> recent = sidecar.recent.take_after(from, 10, 10);
  for (const RecentEntry& entry : recent) {
    blocks.insert(blocks.end(), entry.blocks.begin(), entry.blocks.end());
    sidecar.read_id = static_cast<std::uint64_t>(redis::id_time_ms(entry.id));
  }
  return !recent.empty();
}

inline void Protocol::begin_again(World& world) const { world.sidecar.mysql_is_connected = false; }

inline void Protocol::rollup_work(World& world, bool redis_is_there, Outcome outcome) const {
  Sidecar& sidecar = world.sidecar;
  Judged judged;
  for (FillAnswer& answer : std::exchange(sidecar.fill_answers, {}))
    sidecar.judge.add(std::move(answer), judged);
  if (!redis_is_there) {
    sidecar.at_end = false;
  } else {
    for (const LanePosition& said : std::exchange(sidecar.acknowledged_for_rollup, {}))
      sidecar.held[said.lane] = said;
    std::vector<model::Block> blocks;
    const bool is_recent = take_recent(sidecar, blocks);
    for (const Entry& entry : world.redis.journal) {
      if (is_recent || entry.id <= sidecar.read_id) continue;
      blocks.insert(blocks.end(), entry.blocks.begin(), entry.blocks.end());
    }
    const bool is_empty = blocks.empty();
    if (is_empty && world.redis.last_id < sidecar.read_id) {
      sidecar.read_id = sidecar.resume_id = 0;
      sidecar.at_end = false;
    } else {
      for (model::Block& block : blocks) {
        const auto row = world.mysql.rows.find(block.lane);
        if (!sidecar.judge.knows(block.lane) && row != world.mysql.rows.end()) {
          sidecar.positions[block.lane] = row->second.position;
          sidecar.judge.learn({*row});
          sidecar.last_commit.insert(*row);
          tell_committed(sidecar, block.lane, row->second);
        }
      }
      for (model::Block& block : blocks) {
        const std::uint64_t position = sidecar.judge.lane(block.lane).position;
        if (mutant_ == Mutant::half_covered_applied && block.from < position &&
            block.to > position && !sidecar.judge.has_waiting())
          block.from = position;  // its facts are what they were
        sidecar.judge.add(std::move(block), judged);
      }
      if (!is_recent && !world.redis.journal.empty())
        sidecar.read_id = std::max(sidecar.read_id, world.redis.journal.back().id);
      sidecar.at_end = is_empty;
      for (const auto& [id, lane] : sidecar.lanes) {
        const auto held = sidecar.held.find(name_of(id));
        if (is_empty && held != sidecar.held.end())
          sidecar.judge.at_journal_end(held->second, judged);
      }
    }
  }
  for (const FillRequest& request : judged.fill_requests) sidecar.fill_requests.push_back(request);
  if (!judged.blocks.empty() || !judged.lost.empty()) {
    commit(world, judged, outcome);
    if (!sidecar.mysql_is_connected) return;
  } else if (outcome != Outcome::done) {
    return begin_again(world);
  }
  if (sidecar.at_end) sidecar.mysql_is_silent = false;
  if (!sidecar.judge.has_waiting()) sidecar.resume_id = sidecar.read_id;
  if (sidecar.judge.has_waiting()) return;
  for (const LaneId id : std::exchange(sidecar.retirements, {})) {
    world.mysql.rows[name_of(id)];
    world.mysql.retired.insert(id);
    sidecar.forgotten.push_back(id);
    sidecar.held.erase(name_of(id));
    sidecar.retired.push_back(id);
  }
}

inline void Protocol::commit(World& world, const Judged& judged, Outcome outcome) const {
  Sidecar& sidecar = world.sidecar;
  std::set<model::LaneName> lanes;
  for (const model::Block& block : judged.blocks) lanes.insert(block.lane);
  for (const auto& [lane, records] : judged.lost) lanes.insert(lane);
  MysqlStore after = world.mysql;
  for (const model::LaneName& name : lanes) {
    const auto row = world.mysql.rows.find(name);
    const std::uint64_t position = row == world.mysql.rows.end() ? 0 : row->second.position;
    if (position != sidecar.positions[name] && mutant_ != Mutant::positions_not_compared)
      return begin_again(world);
    after.rows[name] = sidecar.judge.lane(name);
    if (row != world.mysql.rows.end()) after.rows[name].raise_counts(row->second.counts);
  }
  for (const model::Block& block : judged.blocks) {
    std::vector<std::uint8_t>& stored = after.stored[block.lane.lane];
    stored.resize(std::max<std::size_t>(stored.size(), block.to));
    for (std::uint64_t p = block.from; p < block.to; ++p) {
      if (++stored[p] > 1) throw Violation("a Record is stored twice");
    }
    if (block.facts != block.to - block.from) throw Violation("a Block is not what it covers");
  }
  for (const model::LaneName& name : lanes) {
    const auto row = world.mysql.rows.find(name);
    const CommittedLane before = row == world.mysql.rows.end() ? CommittedLane{} : row->second;
    const CommittedLane& now = after.rows[name];
    std::uint64_t lost = 0;
    for (std::uint64_t p = before.position; p < now.position; ++p) {
      if (is_stored(after, name.lane, p)) continue;
      ++lost;
      const BotLane& bot = world.bots[name.lane];
      if (bot.file_is_there && bot.released <= p)
        throw Violation("a Record is called lost that its Lane holds");
      if (!world.redis_lost[name.lane].contains(p))
        throw Violation("a Record is called lost that Redis never lost");
    }
    if (now.lost != before.lost + lost) throw Violation("lost Records are not counted exactly");
  }
  const auto apply = [&](MysqlStore store) {
    if (world.faults_left > 0) world.mysql_before.push_back(world.mysql);
    if (world.mysql_before.size() > setup_.history)
      world.mysql_before.erase(world.mysql_before.begin());
    world.mysql = std::move(store);
  };
  if (outcome == Outcome::silent_lost && mutant_ == Mutant::position_outside) {
    after.rows = world.mysql.rows;
    apply(std::move(after));
    return begin_again(world);
  }
  if (outcome == Outcome::silent_late)
    world.late_commit = std::move(after);
  else if (outcome != Outcome::silent_lost)
    apply(std::move(after));
  if (outcome != Outcome::done) return begin_again(world);
  sidecar.last_commit.clear();
  for (const model::LaneName& name : lanes) {
    const CommittedLane& row = sidecar.judge.lane(name);
    sidecar.positions[name] = row.position;
    sidecar.last_commit.emplace(name, row);
    tell_committed(sidecar, name, row);
  }
  sidecar.mysql_is_silent = false;
}

// ── what the stores do ───────────────────────────────────────────────────────────────────────────────

inline void Protocol::redis_comes_back(World& world, RedisStore store) const {
  for (LaneId id = 0; id < world.bots.size(); ++id) {
    const std::set<std::uint64_t> now = in_journal(store, id);
    for (const std::uint64_t p : in_journal(world.redis, id)) {
      if (!now.contains(p)) world.redis_lost[id].insert(p);
    }
  }
  world.redis = std::move(store);
  world.redis_before.clear();
}

inline void Protocol::mysql_comes_back(World& world) const {
  const MysqlStore old = world.mysql_before.back();
  for (const auto& [name, row] : world.mysql.rows) {
    const auto found = old.rows.find(name);
    const std::uint64_t position = found == old.rows.end() ? 0 : found->second.position;
    for (std::uint64_t p = position; p < row.position; ++p) world.mysql_lost[name.lane].insert(p);
    // Of a transaction nobody heard of, or one that was: counts go with it.
    world.mysql_lost[name.lane].insert(~std::uint64_t{0});
  }
  world.mysql = old;
  world.mysql_before.clear();
  world.late_commit.reset();
  world.sidecar.mysql_is_connected = false;
}

// ── all steps ────────────────────────────────────────────────────────────────────────────────────────

inline World Protocol::first() const {
  World world;
  for (const std::uint8_t attempts : setup_.attempts)
    world.bots.push_back({.attempts_left = attempts});
  world.faults_left = setup_.faults;
  return world;
}

inline void Protocol::start(World& world) const {
  world.runs = true;
  world.sidecar = Sidecar{};
  world.sidecar.recent = RecentEntries(setup_.recent);
  rollup_connect(world);
  append_connect(world);
  for (const auto& [name, held] : world.redis.positions) {
    world.sidecar.starts[name.lane].acknowledged = held.position;
    world.sidecar.starts[name.lane].forgotten_to = held.forgotten_to;
  }
  for (const auto& [name, row] : world.sidecar.judge.lanes()) {
    world.sidecar.starts[name.lane].committed = row.position;
    world.sidecar.starts[name.lane].committed_published = row.published();
  }
}

inline std::vector<Step> Protocol::steps(const World& world) const {
  std::vector<Step> steps;
  const auto step = [&](std::string name, auto change) {
    Step& next =
        steps.emplace_back(Step{.name = std::move(name), .is_fault = false, .world = world});
    change(next.world);
  };
  const auto fault = [&](std::string name, auto change) {
    if (world.faults_left == 0) return;
    if (!setup_.only.empty() && std::ranges::find(setup_.only, name) == setup_.only.end()) return;
    Step& next =
        steps.emplace_back(Step{.name = std::move(name), .is_fault = true, .world = world});
    --next.world.faults_left;
    change(next.world);
  };
  for (LaneId id = 0; id < world.bots.size(); ++id) {
    const BotLane& bot = world.bots[id];
    if (bot.attempts_left > 0) {
      step("bot says", [&](World& next) {
        BotLane& its = next.bots[id];
        --its.attempts_left;
        if (its.published() - its.released < setup_.capacity) {
          its.refused_before.push_back(its.dropped);
        } else {
          ++its.dropped;
          its.ordinals = static_cast<std::uint8_t>(its.published() + its.dropped);
        }
      });
    } else if (!bot.owner_is_gone) {
      step("bot ends", [&](World& next) { next.bots[id].owner_is_gone = true; });
    }
  }
  if (world.late_append) {
    step("late append lands", [&](World& next) {
      remember_redis(next);
      const bool has_landed = land(next, *next.late_append);
      if (has_landed && next.runs && next.sidecar.token != 0)
        throw Violation("an append lands from a connection that another has replaced");
      next.late_append.reset();
    });
  }
  if (world.late_commit) {
    step("late commit lands", [&](World& next) {
      if (world.faults_left > 0) next.mysql_before.push_back(next.mysql);
      if (next.mysql_before.size() > setup_.history)
        next.mysql_before.erase(next.mysql_before.begin());
      next.mysql = *next.late_commit;
      next.late_commit.reset();
    });
    step("late commit dies", [](World& next) { next.late_commit.reset(); });
  }
  // The stores.
  if (!world.redis.journal.empty() || world.redis.fence != 0) {
    fault("Redis is flushed", [&](World& next) { redis_comes_back(next, {}); });
    fault("Redis restarts", [&](World& next) {
      RedisStore store = next.redis;
      if (store.cut) {
        const auto later = std::ranges::upper_bound(store.journal, store.cut->id, {}, &Entry::id);
        store.last_id = std::max(store.last_id, store.cut->id);
        store.journal.insert(later, *store.cut);
        store.cut.reset();
      }
      redis_comes_back(next, std::move(store));
      next.sidecar.token = 0;
    });
  }
  if (!world.redis_before.empty()) {
    fault("Redis comes back old", [&](World& next) {
      redis_comes_back(next, world.redis_before.front());
      next.sidecar.token = 0;
    });
    const RedisStore& old = world.redis_before.back();
    if (old.journal.size() + 1 == world.redis.journal.size() && !world.redis.cut) {
      fault("Redis comes back with an append cut in two", [&](World& next) {
        RedisStore store = old;
        store.cut = world.redis.journal.back();
        redis_comes_back(next, std::move(store));
        next.sidecar.token = 0;
      });
    }
  }
  if (!world.mysql_before.empty())
    fault("MySQL comes back old", [&](World& next) { mysql_comes_back(next); });
  if (!world.runs) {
    step("sidecar starts", [&](World& next) { start(next); });
    return steps;
  }
  // The sidecar.
  const Sidecar& sidecar = world.sidecar;
  fault("sidecar is killed", [](World& next) {
    next.runs = false;
    next.sidecar = {};
  });
  if (sidecar.redis_word_is_fresh)
    step("half a second passes", [](World& next) {
      next.sidecar.redis_word_is_fresh = false;
      next.redis_confirmed.clear();
    });
  if (!sidecar.mysql_is_silent)
    fault("MySQL is silent", [](World& next) { next.sidecar.mysql_is_silent = true; });
  step("drain works", [&](World& next) { drain_work(next, true); });
  const bool is_idle =
      sidecar.batches.empty() && !sidecar.pending && sidecar.at_end && sidecar.mysql_is_connected &&
      sidecar.committed.empty() &&
      (world.redis.journal.empty() || sidecar.read_id >= world.redis.journal.back().id);
  for (const auto& [id, lane] : sidecar.lanes) {
    if (!is_idle || sidecar::covers(lane.counts_committed, lane.counts_sent) ||
        mutant_ == Mutant::counts_said_once)
      continue;
    step("a minute passes",
         [lane_id = id](World& next) { next.sidecar.lanes[lane_id].counts_sent = {}; });
  }
  if (sidecar.token == 0) {
    step("append connects", [&](World& next) { append_connect(next); });
  } else {
    step("append works", [&](World& next) { append_work(next, Outcome::done); });
    if (sidecar.pending || !sidecar.batches.empty()) {
      fault("append: silence, done", [&](World& next) { append_work(next, Outcome::silent_done); });
      fault("append: silence, not done",
            [&](World& next) { append_work(next, Outcome::silent_lost); });
      if (!world.late_append)
        fault("append: silence, done later",
              [&](World& next) { append_work(next, Outcome::silent_late); });
    }
  }
  if (!sidecar.mysql_is_connected) {
    step("rollup connects", [&](World& next) { rollup_connect(next); });
  } else {
    if (!world.late_commit) {
      step("rollup works", [&](World& next) { rollup_work(next, true, Outcome::done); });
      fault("commit: silence, done",
            [&](World& next) { rollup_work(next, true, Outcome::silent_done); });
      fault("commit: silence, not done",
            [&](World& next) { rollup_work(next, true, Outcome::silent_lost); });
      fault("commit: silence, done later",
            [&](World& next) { rollup_work(next, true, Outcome::silent_late); });
      fault("rollup works without Redis",
            [&](World& next) { rollup_work(next, false, Outcome::done); });
    }
  }
  return steps;
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────────

inline bool Protocol::is_at_rest(const World& world) const {
  const Sidecar& sidecar = world.sidecar;
  const bool bots_are_gone =
      std::ranges::all_of(world.bots, [](const BotLane& bot) { return !bot.file_is_there; });
  const std::uint64_t last = world.redis.journal.empty() ? 0 : world.redis.journal.back().id;
  return bots_are_gone && world.runs && !world.late_append && !world.late_commit &&
         sidecar.lanes.empty() && sidecar.batches.empty() && !sidecar.pending &&
         sidecar.mysql_is_connected && sidecar.at_end && sidecar.read_id >= last &&
         world.redis.last_id >= sidecar.read_id && !sidecar.judge.has_waiting() &&
         sidecar.fill_requests.empty() && sidecar.fill_answers.empty() &&
         sidecar.retirements.empty() && sidecar.token == world.redis.fence && sidecar.token != 0;
}

inline void Protocol::check_at_rest(const World& world) const {
  for (LaneId id = 0; id < world.bots.size(); ++id) {
    const BotLane& bot = world.bots[id];
    const auto found = world.mysql.rows.find(name_of(id));
    const CommittedLane row = found == world.mysql.rows.end() ? CommittedLane{} : found->second;
    const auto fault_set = [&](const auto& sets) {
      const auto its = sets.find(id);
      return its == sets.end() ? std::set<std::uint64_t>{} : its->second;
    };
    const std::set<std::uint64_t> redis_lost = fault_set(world.redis_lost);
    const bool mysql_was_restored = !fault_set(world.mysql_lost).empty();
    std::uint64_t stored = 0;
    for (std::uint64_t p = 0; p < bot.published(); ++p) {
      if (is_stored(world.mysql, id, p))
        ++stored;
      else if (!redis_lost.contains(p))
        throw Violation("at rest: a Record is missing that Redis never lost");
    }
    if (row.stored_facts != stored) throw Violation("at rest: stored is not what is stored");
    if (row.counts.produced !=
        row.stored_facts + row.counts.dropped_facts + row.rejected + row.lost)
      throw Violation("at rest: produced is not stored + dropped + rejected + lost");
    // A MySQL that was restored knows what its backup and the journal know, and no more.
    if (!mysql_was_restored && row.counts.produced != bot.published() + bot.dropped)
      throw Violation("at rest: produced is not what the bot said");
  }
}

// ── a World in bytes ─────────────────────────────────────────────────────────────────────────────────

namespace detail {

struct Bytes {
  std::string text;
  void put(std::uint64_t value) {  // shorter than 8 bytes each, and unambiguous
    while (value >= 0x80) {
      text.push_back(static_cast<char>(value | 0x80));
      value >>= 7U;
    }
    text.push_back(static_cast<char>(value));
  }
  template <typename... Values>
  void put_all(Values... values) {
    (put(static_cast<std::uint64_t>(values)), ...);
  }
  void put(const model::LaneCounts& counts) { put_all(counts.dropped_facts, counts.produced); }
  void put(const model::Block& b) {
    put_all(b.lane.lane, b.from, b.to, b.ordinal_from, b.ordinal_to, b.facts);
    put(b.counts);
  }
  void put(const LanePosition& p) { put_all(p.lane.lane, p.position, p.forgotten_to); }
  void put(const CommittedLane& c) {
    put_all(c.position, c.ordinal, c.stored_facts, c.rejected, c.lost);
    put(c.counts);
  }
  void put(const model::LaneName& name) { put(name.lane); }
  void put(const FillRequest& r) { put_all(r.lane.lane, r.from, r.to, r.published_before); }
  void put(const FillAnswer& a) {
    put_all(a.lane.lane, a.from, a.lost_to, a.lost_records, a.lane_is_gone, a.block.has_value());
    if (a.block) put(*a.block);
  }
  void put(const LaneCommit& c) {
    put_all(c.lane.lane, c.position, c.published);
    put(c.counts);
  }
  void put(const Entry& entry) {
    put(entry.id);
    put(entry.blocks);
  }
  void put(const RecentEntry& entry) {
    put_all(redis::id_time_ms(entry.before), redis::id_time_ms(entry.id));
    put(entry.blocks);
  }
  void put(const RedisStore& redis) {
    put(redis.journal);
    put(redis.positions);
    put_all(redis.last_id, redis.fence, redis.cut.has_value());
    if (redis.cut) put(*redis.cut);
  }
  void put(const MysqlStore& mysql) {
    put(mysql.rows);
    put(mysql.stored);
    put(mysql.retired);
  }
  void put(const StartPosition& s) {
    put_all(s.acknowledged, s.committed, s.forgotten_to, s.committed_published);
  }
  void put(const DrainLane& l) {
    put_all(l.next, l.block_from, l.block_ordinal, l.published, l.seen.ordinal, l.seen.published,
            l.acknowledged, l.forgotten_to, l.committed, l.is_drained, l.retirement_asked);
    put(l.counts_sent);
    put(l.counts_committed);
  }
  void put(const BotLane& b) {
    put_all(b.attempts_left, b.released, b.dropped, b.ordinals, b.owner_is_gone, b.file_is_there);
    put(b.refused_before);
  }
  template <typename First, typename Second>
  void put(const std::pair<First, Second>& both) {
    put(both.first);
    put(both.second);
  }
  template <typename Range>
  requires requires(const Range& range) {
    range.begin();
    range.size();
  }
  void put(const Range& range) {
    put(static_cast<std::uint64_t>(range.size()));
    for (const auto& value : range) {
      if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(value)>>) {
        put(static_cast<std::uint64_t>(value));
      } else {
        put(value);
      }
    }
  }
};

}  // namespace detail

inline std::string Protocol::key_of(const World& world) {
  detail::Bytes bytes;
  bytes.put(world.bots);
  bytes.put(world.redis);
  bytes.put(world.redis_before);
  bytes.put(world.mysql);
  bytes.put(world.mysql_before);
  bytes.put_all(world.late_append.has_value(), world.late_commit.has_value(), world.runs,
                world.clock, world.faults_left);
  if (world.late_append) {
    bytes.put_all(world.late_append->token);
    bytes.put(world.late_append->entry);
    bytes.put(world.late_append->positions);
  }
  if (world.late_commit) bytes.put(*world.late_commit);
  bytes.put(world.redis_confirmed);
  bytes.put(world.redis_lost);
  bytes.put(world.mysql_lost);
  const Sidecar& s = world.sidecar;
  bytes.put(s.starts);
  bytes.put(s.lanes);
  bytes.put_all(s.mysql_is_silent, s.redis_word_is_fresh, s.token, s.pending.has_value(),
                s.mysql_is_connected, s.at_end, s.read_id, s.resume_id, s.last_id);
  bytes.put(s.recent.entries());
  bytes.put(s.batches);
  if (s.pending) bytes.put(*s.pending);
  bytes.put(s.acknowledged);
  bytes.put(s.acknowledged_for_rollup);
  bytes.put(s.committed);
  bytes.put(s.fill_requests);
  bytes.put(s.fill_answers);
  bytes.put(s.retirements);
  bytes.put(s.retired);
  bytes.put(s.forgotten);
  bytes.put(s.known.lanes());
  bytes.put(s.judge.lanes());
  bytes.put(s.judge.waiting());
  bytes.put(s.judge.filling());
  bytes.put(s.positions);
  bytes.put(s.held);
  bytes.put(s.last_commit);
  return std::move(bytes.text);
}

}  // namespace ddt::protocol_check
