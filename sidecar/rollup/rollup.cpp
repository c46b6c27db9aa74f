#include "sidecar/rollup/rollup.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <span>

#include "shm/base/clock.hpp"
#include "shm/segment.hpp"
#include "sidecar/model/codec.hpp"
#include "sidecar/rollup/write_facts.hpp"
#include "sidecar/rollup/write_states.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::int64_t kTrimIntervalNs = 5'000'000'000;
constexpr std::int64_t kTidyIntervalNs = 600'000'000'000;
constexpr std::int64_t kPingIntervalNs = 500'000'000;

std::vector<model::LaneName> lanes_of(const Judged& judged) {
  std::set<model::LaneName> lanes;
  for (const model::Block& block : judged.blocks) lanes.insert(block.lane);
  for (const auto& [lane, records] : judged.lost) lanes.insert(lane);
  return {lanes.begin(), lanes.end()};
}

}  // namespace

Rollup::Rollup(RollupConfig config, Exchange& exchange)
    : config_(std::move(config)),
      keys_(config_.sidecar_id),
      exchange_(exchange),
      trim_plan_(config_.journal_keep_ms, config_.journal_keep_bytes) {}

// ── connections ──────────────────────────────────────────────────────────────────────────────────────

Status Rollup::connect_mysql() {
  mysql_.reset();
  auto mysql = sql::Connection::connect(config_.mysql);
  if (!mysql) return mysql.error();
  auto lanes = read_positions(*mysql, segments_present());
  if (!lanes) return lanes.error();
  if (auto looked = look_for_lost_commits(*mysql); !looked) return looked;
  mysql_.emplace(std::move(*mysql));
  reading_ids_.clear();
  committed_.clear();
  for (const auto& [name, lane] : *lanes) committed_[name] = lane.position;
  for (const auto& [name, lane] : *lanes) last_commit_[name] = lane;
  tell_drain(*lanes);  // what was committed without an answer, too
  judge_.reset(std::move(*lanes));
  read_id_ = resume_id_;
  read_entries_.clear();
  exchange_.mysql_committed_at_ns.store(monotonic_ns(), std::memory_order_relaxed);
  return Done{};
}

// A MySQL that has forgotten what it confirmed is healed from the whole journal: it lacks the last transaction, and
// whatever else. Only the last one need be looked at.
Status Rollup::look_for_lost_commits(sql::Connection& mysql) {
  if (last_commit_.empty()) return Done{};
  std::vector<model::LaneName> names;
  for (const auto& [name, lane] : last_commit_) names.push_back(name);
  const auto rows = find_positions(mysql, names);
  if (!rows) return rows.error();
  if (has_gone_back(*rows, last_commit_)) {
    spdlog::warn("rollup: MySQL is older than what it has confirmed; reading the journal again");
    resume_id_ = std::string(redis::kJournalStart);
    trim_plan_.clear();
  }
  last_commit_ = *rows;
  return Done{};
}

// A Block that is already covered is skipped without a word: the drain learns of it from the rows.
void Rollup::tell_drain(const CommittedLanes& rows) {
  std::vector<LaneCommit> commits;
  for (const auto& [name, lane] : rows) {
    commits.push_back({.lane = name,
                       .position = lane.position,
                       .published = lane.published(),
                       .counts = lane.counts});
  }
  exchange_.committed.put_all(std::move(commits));
}

std::vector<model::SegmentId> Rollup::segments_present() const {
  std::vector<model::SegmentId> segments;
  if (const auto names = segment_names(config_.directory)) {
    for (const std::string& name : *names) {
      if (const auto id = segment_id_of(name)) segments.push_back(*id);
    }
  }
  return segments;
}

bool Rollup::connect_all(std::int64_t now_ns) {
  if (!backoff_.may_try(now_ns)) return false;
  if (!mysql_ || !mysql_->is_open()) {
    if (auto connected = connect_mysql(); !connected) {
      spdlog::warn("rollup: {}", connected.error().message);
      backoff_.failed(now_ns);
      return false;
    }
  }
  check_mysql_alive(now_ns);
  if (!journal_ || !journal_->is_open()) {
    journal_.reset();
    auto journal = redis::JournalReader::connect(config_.redis, keys_);
    if (!journal) {
      spdlog::warn("rollup: {}", journal.error().message);
      backoff_.failed(now_ns);
      return false;
    }
    journal_.emplace(std::move(*journal));
  }
  return true;
}

// While there is nothing to commit, an answering MySQL still holds everything it was given.
void Rollup::check_mysql_alive(std::int64_t now_ns) {
  if (now_ns < next_ping_ns_) return;
  next_ping_ns_ = now_ns + kPingIntervalNs;
  if (at_end_ && mysql_->query("SELECT 1")) {
    exchange_.mysql_committed_at_ns.store(now_ns, std::memory_order_relaxed);
  }
}

void Rollup::begin_again(std::int64_t now_ns, const Error& error) {
  ++counters_.retries;
  spdlog::warn("rollup: {}", error.message);
  if (mysql_ && mysql_->is_open()) {
    if (!mysql_->rollback()) mysql_.reset();
  }
  mysql_
      .reset();  // positions are read anew with the connection: what MySQL says then is what holds
  backoff_.failed(now_ns);
}

// ── one transaction ──────────────────────────────────────────────────────────────────────────────────

std::size_t Rollup::work(std::int64_t now_ns) {
  page_was_full_ = false;
  for (Retirement& retirement : exchange_.retirements.take())
    retirements_.push_back(std::move(retirement));
  if (!connect_all(now_ns)) return 0;
  Judged judged;
  for (FillAnswer& answer : exchange_.fill_answers.take()) judge_.add(std::move(answer), judged);
  auto page = read_page();
  const bool is_read = static_cast<bool>(page);
  if (!page) {  // what the answers brought is committed all the same
    spdlog::warn("rollup: {}", page.error().message);
    backoff_.failed(now_ns);
    at_end_ = false;
  } else if (auto done = judge_page(std::move(*page), judged); !done) {
    begin_again(now_ns, done.error());
    return 0;
  }
  for (const FillRequest& request : judged.fill_requests) {
    ++counters_.fills;
    exchange_.fill_requests.put(request);
  }
  if (!judged.blocks.empty() || !judged.lost.empty()) {
    if (auto done = commit(judged); !done) {
      row_by_row_ = !done.error().is_retryable && !row_by_row_;
      begin_again(now_ns, done.error());
      return 0;
    }
    row_by_row_ = false;
    told_the_others(judged);
    exchange_.mysql_committed_at_ns.store(monotonic_ns(), std::memory_order_relaxed);
  }
  if (is_read) backoff_.succeeded();
  if (!judge_.has_waiting()) {
    resume_id_ = read_id_;
    for (const auto& [id, bytes] : read_entries_)
      trim_plan_.committed(id, bytes, wall_ns() / 1'000'000);
    read_entries_.clear();
  }
  if (auto retired = retire(); !retired) {
    begin_again(now_ns, retired.error());
    return judged.blocks.size();
  }
  if (auto tidied = tidy(now_ns); !tidied) begin_again(now_ns, tidied.error());
  trim(now_ns);
  return judged.blocks.size();
}

std::size_t Rollup::entries_wanted() const { return row_by_row_ ? 1 : config_.entries_max; }

Result<Rollup::Page> Rollup::read_page() {
  // Taken before the journal is read: what is acknowledged by now must be found in it.
  for (const LanePosition& position : exchange_.acknowledged_for_rollup.take()) {
    acknowledged_[position.lane] = position;
  }
  Page page{.entries =
                exchange_.take_recent_after(read_id_, entries_wanted(), config_.entry_bytes_max)};
  if (!page.entries.empty()) return page;
  return read_journal();
}

Result<Rollup::Page> Rollup::read_journal() {
  auto read = journal_->read_after(read_id_, entries_wanted(), config_.entry_bytes_max);
  if (!read) return read.error();
  Page page{.entries = {}, .has_gone_back = read->has_gone_back};
  for (redis::RawEntry& entry : read->entries) {
    auto decoded = model::decode_entry(entry.bytes);
    if (!decoded) {  // what it covered is missed by the next Block and filled from the Lane
      ++counters_.undecodable_entries;
      spdlog::error("rollup: journal entry {} cannot be decoded", entry.id);
    }
    page.entries.push_back({.before = {},
                            .id = std::move(entry.id),
                            .bytes = entry.bytes.size(),
                            .blocks = std::move(decoded).value_or(std::vector<model::Block>())});
  }
  return page;
}

Status Rollup::judge_page(Page page, Judged& judged) {
  if (page.has_gone_back) {
    spdlog::warn("rollup: the journal is older than what was read; reading it again");
    read_id_ = resume_id_ = std::string(redis::kJournalStart);
    read_entries_.clear();
    trim_plan_.clear();
    at_end_ = false;
    page_was_full_ = true;
    return Done{};
  }
  std::vector<model::Block> blocks;
  std::size_t bytes = 0;
  for (RecentEntry& entry : page.entries) {
    read_entries_.emplace_back(entry.id, entry.bytes);
    read_id_ = std::move(entry.id);
    bytes += entry.bytes;
    std::ranges::move(entry.blocks, std::back_inserter(blocks));
  }
  if (auto learned = learn_lanes_of(blocks); !learned) return learned;
  for (model::Block& block : blocks) judge_.add(std::move(block), judged);
  at_end_ = page.entries.empty();
  // Of bytes half is full: the entry that would have been too much may be as large as the rest.
  page_was_full_ = page.entries.size() >= entries_wanted() || bytes >= config_.entry_bytes_max / 2;
  if (!at_end_) return Done{};
  // Only Lanes that are there: an old position of a retired one is nothing to fill.
  const auto views = exchange_.views();
  for (const LaneView& view : *views) {
    const auto acknowledged = acknowledged_.find(view.lane);
    if (acknowledged != acknowledged_.end()) {
      judge_.at_journal_end(acknowledged->second, judged);
    }
  }
  return Done{};
}

Status Rollup::learn_lanes_of(const std::vector<model::Block>& blocks) {
  std::set<model::LaneName> unknown;
  for (const model::Block& block : blocks) {
    if (!judge_.knows(block.lane)) unknown.insert(block.lane);
  }
  if (unknown.empty()) return Done{};
  const std::vector<model::LaneName> names(unknown.begin(), unknown.end());
  const auto rows = find_positions(*mysql_, names);
  if (!rows) return rows.error();
  for (const auto& [name, lane] : *rows) committed_[name] = lane.position;
  last_commit_.insert(rows->begin(), rows->end());
  tell_drain(*rows);
  judge_.learn(*rows);
  return Done{};
}

Status Rollup::commit(const Judged& judged) {
  if (auto begun = mysql_->begin(); !begun) return begun;
  const std::vector<model::LaneName> lanes = lanes_of(judged);
  const auto holds = positions_still_hold(lanes);
  if (!holds) return holds.error();
  if (!*holds)
    return Error{.message = "positions in MySQL are not what was committed: beginning again",
                 .is_retryable = true};
  if (auto written = write(judged); !written) return written;
  CommittedLanes rows;
  for (const model::LaneName& name : lanes) rows.emplace(name, judge_.lane(name));
  if (auto moved = write_positions(*mysql_, config_.sidecar_id, rows); !moved) return moved;
  return mysql_->commit();
}

Result<bool> Rollup::positions_still_hold(const std::vector<model::LaneName>& lanes) {
  auto rows = lock_positions(*mysql_, lanes);
  if (!rows) return rows.error();
  return std::ranges::all_of(lanes, [&](const model::LaneName& name) {
    const auto row = rows->find(name);
    const auto ours = committed_.find(name);
    return (row == rows->end() ? 0 : row->second.position) ==
           (ours == committed_.end() ? 0 : ours->second);
  });
}

Status Rollup::write(const Judged& judged) {
  DirtyHours dirty;
  std::vector<RejectedRecord> rejected;
  const std::span<const model::Block> blocks = judged.blocks;
  if (row_by_row_) {
    if (auto done = write_row_by_row(judged, rejected, dirty); !done) return done;
  } else {
    const std::vector<Fact> facts = facts_of(blocks);
    if (auto done = write_facts(*mysql_, facts, dirty); !done) return done;
    if (auto done = write_equity_minutes(*mysql_, blocks, dirty); !done) return done;
    if (auto done = write_hour_states(*mysql_, blocks, reading_ids_, dirty); !done) return done;
    if (auto done = write_samples(*mysql_, blocks, dirty); !done) return done;
  }
  if (auto done = write_dirty(*mysql_, dirty); !done) return done;
  return write_rejected_of(judged, std::move(rejected));
}

// A row failed that is no matter of the moment: the same again one by one, so that it costs nobody else.
Status Rollup::write_row_by_row(const Judged& judged, std::vector<RejectedRecord>& rejected,
                                DirtyHours& dirty) {
  const auto can_never = [&](const Status& status) {
    return !status && !status.error().is_retryable && mysql_->is_open();
  };
  for (const model::Block& block : judged.blocks) {
    const std::span<const model::Block> one(&block, 1);
    for (const Fact& fact : facts_of(one)) {
      const Status done = write_facts(*mysql_, std::span(&fact, 1), dirty);
      if (can_never(done)) {
        std::string bytes;
        model::ByteWriter writer(bytes);
        model::encode(*fact.event, writer);
        rejected.push_back({block.lane, model::origin_of(*fact.event).position,
                            done.error().message, std::move(bytes)});
        judge_.count_rejected(block, 0, 1);
      } else if (!done) {
        return done;
      }
    }
    Status folded = write_equity_minutes(*mysql_, one, dirty);
    ReadingIds none;  // what is seen now may be rolled back
    if (folded) folded = write_hour_states(*mysql_, one, none, dirty);
    if (folded) folded = write_samples(*mysql_, one, dirty);
    if (can_never(folded)) {
      rejected.push_back(
          {block.lane, block.from, folded.error().message, model::encode_entry(one)});
      judge_.count_rejected(block, block.samples + block.states, 0);
    } else if (!folded) {
      return folded;
    }
  }
  return Done{};
}

Status Rollup::write_rejected_of(const Judged& judged, std::vector<RejectedRecord> rejected) {
  for (const model::Block& block : judged.blocks) {
    for (const model::Rejected& record : block.rejected) {
      rejected.push_back({block.lane, record.position, record.reason, record.payload});
    }
  }
  counters_.rejected += rejected.size();
  return write_rejected(*mysql_, rejected);
}

// ── after the commit ─────────────────────────────────────────────────────────────────────────────────

void Rollup::told_the_others(const Judged& judged) {
  ++counters_.transactions;
  for (const auto& [lane, records] : judged.lost) counters_.lost += records;
  for (const model::Block& block : judged.blocks) {
    ++counters_.blocks;
    counters_.facts += block.facts;
  }
  last_commit_.clear();
  for (const model::LaneName& name : lanes_of(judged)) {
    const CommittedLane& lane = judge_.lane(name);
    committed_[name] = lane.position;
    last_commit_.emplace(name, lane);
  }
  tell_drain(last_commit_);
}

// A retired Lane is known until the drain no longer shows it: the ledger needs both sides of it.
void Rollup::forget_retired() {
  if (retired_.empty()) return;
  std::set<model::LaneName> shown;
  const auto views = exchange_.views();
  for (const LaneView& view : *views) shown.insert(view.lane);
  std::erase_if(retired_, [&](const model::LaneName& name) {
    if (shown.contains(name)) return false;
    committed_.erase(name);
    judge_.forget(name);
    return true;
  });
}

Status Rollup::retire() {
  forget_retired();
  if (retirements_.empty() || judge_.has_waiting()) return Done{};
  for (const Retirement& retirement : retirements_) {
    if (auto marked = mark_retired(*mysql_, config_.sidecar_id, retirement.lanes); !marked) {
      return marked;
    }
  }
  for (Retirement& retirement : std::exchange(retirements_, {})) {
    for (const auto& [name, lane] : retirement.lanes) {
      exchange_.forgotten.put(name);
      acknowledged_.erase(name);
      retired_.insert(name);
    }
    exchange_.retired.put(std::move(retirement));
  }
  return Done{};
}

Status Rollup::tidy(std::int64_t now_ns) {
  if (!at_end_ || now_ns < next_tidy_ns_) return Done{};
  next_tidy_ns_ = now_ns + kTidyIntervalNs;
  return tidy_positions(*mysql_, config_.sidecar_id, segments_present());
}

double Rollup::lag_s(std::int64_t wall_now_ns) const noexcept {
  if (at_end_) return 0;
  const std::int64_t read_ms = redis::id_time_ms(read_id_);
  return read_ms <= 0 ? 0 : static_cast<double>(wall_now_ns / 1'000'000 - read_ms) / 1e3;
}

void Rollup::trim(std::int64_t now_ns) {
  if (now_ns < next_trim_ns_) return;
  next_trim_ns_ = now_ns + kTrimIntervalNs;
  if (const auto id = trim_plan_.due(wall_ns() / 1'000'000)) {
    if (auto trimmed = journal_->trim_before(*id); !trimmed)
      spdlog::warn("rollup: {}", trimmed.error().message);
  }
}

}  // namespace ddt::sidecar
