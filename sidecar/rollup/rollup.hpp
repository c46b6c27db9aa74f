// sidecar/rollup/rollup.hpp — the journal → MySQL, each Record exactly once.
//
//   read entries → judge Blocks (judge.hpp) → one transaction: lock positions, write facts, states and
//   Summaries, mark stale Windows, move positions → tell the drain → trim the journal behind the commit
//
// Threads   One; its connections are its own. work() commits at most one transaction.
// Errors    The world failed: roll back, begin again from what MySQL says. A row that can never be stored:
//           the same Blocks again, row by row, the bad ones to dd_rejected in the same transaction.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sidecar/append/append.hpp"
#include "sidecar/exchange.hpp"
#include "sidecar/redis/journal.hpp"
#include "sidecar/rollup/judge.hpp"
#include "sidecar/rollup/write_facts.hpp"
#include "sidecar/rollup/write_states.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

struct RollupConfig {
  redis::ConnectOptions redis;
  sql::ConnectOptions mysql;
  std::string sidecar_id;
  std::string directory;  // whose Segments' positions are read at the start
  std::int64_t journal_keep_ms =
      600'000;  // a database that forgets its last seconds is healed from it
  std::uint64_t journal_keep_bytes = 256U << 20;
  std::size_t entries_max = 256;  // per transaction
  std::size_t entry_bytes_max = 16U << 20;
};

struct RollupCounters {
  std::uint64_t transactions = 0, blocks = 0, facts = 0, retries = 0, rejected = 0, lost = 0,
                fills = 0, undecodable_entries = 0;
};

class Rollup {
 public:
  Rollup(RollupConfig config, Exchange& exchange);

  // Connects to MySQL and reads the committed positions. Errors: retryable, try again.
  Status connect_mysql();
  const CommittedLanes& committed() const noexcept { return judge_.lanes(); }

  // Reads, judges, commits. Returns Blocks committed; 0: at the end of the journal, or nothing can be done.
  std::size_t work(std::int64_t now_ns);

  // The journal held more than the last work() took of it.
  bool has_more() const noexcept { return page_was_full_; }
  // Everything read is committed and nothing waits for a fill.
  bool is_settled() const noexcept { return at_end_ && !judge_.has_waiting(); }
  // Age of the journal entry that was read last, while there is more to read.
  double lag_s(std::int64_t wall_now_ns) const noexcept;
  const RollupCounters& counters() const noexcept { return counters_; }
  sql::Connection* mysql() noexcept { return mysql_ ? &*mysql_ : nullptr; }
  redis::JournalReader* journal() noexcept { return journal_ ? &*journal_ : nullptr; }

 private:
  bool connect_all(std::int64_t now_ns);
  std::size_t entries_wanted() const;
  struct Page {
    std::vector<RecentEntry> entries;
    bool has_gone_back = false;
  };
  Result<Page> read_page();
  Result<Page> read_journal();
  Status judge_page(Page page, Judged& judged);
  Status learn_lanes_of(const std::vector<model::Block>& blocks);
  Status commit(const Judged& judged);
  Status write(const Judged& judged);
  Status write_row_by_row(const Judged& judged, std::vector<RejectedRecord>& rejected,
                          DirtyHours& dirty);
  Status write_rejected_of(const Judged& judged, std::vector<RejectedRecord> rejected);
  Result<bool> positions_still_hold(const std::vector<model::LaneName>& lanes);
  void begin_again(std::int64_t now_ns, const Error& error);
  void told_the_others(const Judged& judged);
  Status look_for_lost_commits(sql::Connection& mysql);
  void tell_drain(const CommittedLanes& rows);
  Status retire();
  void forget_retired();
  void trim(std::int64_t now_ns);
  Status tidy(std::int64_t now_ns);
  std::vector<model::SegmentId> segments_present() const;
  void check_mysql_alive(std::int64_t now_ns);

  const RollupConfig config_;
  const redis::SidecarKeys keys_;
  Exchange& exchange_;
  std::optional<sql::Connection> mysql_;
  std::optional<redis::JournalReader> journal_;
  Judge judge_;
  std::map<model::LaneName, std::uint64_t> committed_;  // what the rows must say when we lock them
  CommittedLanes
      last_commit_;  // the rows as MySQL confirmed them last: it may have been restored since
  ReadingIds reading_ids_;
  redis::Positions acknowledged_;
  std::string read_id_{redis::kJournalStart}, resume_id_{redis::kJournalStart};
  std::deque<std::pair<std::string, std::uint64_t>>
      read_entries_;  // id, bytes: not yet wholly committed
  redis::TrimPlan trim_plan_;
  std::vector<Retirement> retirements_;
  std::set<model::LaneName> retired_;  // marked, and perhaps still shown by the drain
  bool at_end_ = false, row_by_row_ = false, page_was_full_ = false;
  Backoff backoff_;
  RollupCounters counters_;
  std::int64_t next_trim_ns_ = 0, next_tidy_ns_ = 0, next_ping_ns_ = 0;
};

}  // namespace ddt::sidecar
