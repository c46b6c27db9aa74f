// sidecar/exchange.hpp — what the sidecar's threads tell each other about Lanes, besides Blocks.
//
//   append ──acknowledged──▶ drain      Redis holds everything before this position
//   append ──entry────────▶ rollup     as it is in the journal now (recent_entries.hpp)
//   rollup ──committed─────▶ drain      MySQL holds it: the Lane's space may go
//   rollup ──fill request──▶ drain      Redis lost something: read it again
//   drain  ──fill answer───▶ rollup
//   drain  ──retirement────▶ rollup     the owner is gone and all of it is committed: mark the tombstone
//   rollup ──retired───────▶ drain      marked: the file may go
//
// Threads   Any. One mutex, held for moves of vectors only; nothing waits inside.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/model/block.hpp"
#include "sidecar/recent_entries.hpp"
#include "sidecar/redis/journal.hpp"
#include "sidecar/rollup/positions.hpp"

namespace ddt::sidecar {

using redis::LanePosition;

struct LaneCommit {
  model::LaneName lane;
  std::uint64_t position = 0;
  std::uint64_t published = 0;  // Records before it
  model::LaneCounts counts;
};

struct FillRequest {
  model::LaneName lane;
  std::uint64_t from = 0, to = 0;
  std::uint64_t published_before = 0;  // Records published before `from`, as committed
};

struct FillAnswer {
  model::LaneName lane;
  std::uint64_t from = 0;     // of the request
  std::uint64_t lost_to = 0;  // [from, lost_to) is gone; equal to from: nothing is
  std::uint64_t lost_records = 0;
  bool lane_is_gone = false;  // nobody can read it: what the next Block's ordinals tell is lost
  std::optional<model::Block> block = std::nullopt;  // [lost_to, request.to)
};

struct Retirement {
  std::string segment_name;
  CommittedLanes lanes;  // who they were; the first one at least, if none was ever claimed
};

// A script whose Segment is retired: offline, unless somebody speaks for it later.
struct Ended {
  std::int32_t profile_id = 0;
  std::string script_name, segment_name;
  std::int64_t last_seen_ns = 0;  // event time of its last Record
};

// What the drain knows about a Lane, for the ledger and for people who look.
struct LaneView {
  model::LaneName lane;
  std::string segment_name, script_name;
  std::int32_t profile_id = 0;
  std::uint64_t produced = 0;   // ordinals seen
  std::uint64_t published = 0;  // Records read so far
  model::LaneCounts counts;
  std::uint64_t occupied_lines = 0;
  std::uint64_t drained = 0, acknowledged = 0, committed = 0;  // positions
  std::string quarantine_reason;                               // "" = not quarantined
};
using LaneViews = std::vector<LaneView>;

// How long Redis's word that it holds something is good for.
inline constexpr std::int64_t kRedisWordMaxNs = 500'000'000;

// Some seconds of a busy sidecar; more, where MySQL is behind, is in the journal.
inline constexpr std::size_t kRecentBytesMax = 16U << 20;

// Where to begin after a start: what Redis acknowledged and MySQL committed.
struct StartPosition {
  std::uint64_t acknowledged = 0, committed = 0;
  std::uint64_t forgotten_to = 0;  // see redis::LanePosition
  std::uint64_t committed_published = 0;
};

template <typename T>
class Mailbox {
 public:
  void put(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
  }
  void put_all(std::vector<T> values) {
    const std::lock_guard lock(mutex_);
    values_.insert(values_.end(), std::make_move_iterator(values.begin()),
                   std::make_move_iterator(values.end()));
  }
  std::vector<T> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(values_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<T> values_;
};

// Wakes the rollup before its interval is over.
class Doorbell {
 public:
  void ring() {
    {
      const std::lock_guard lock(mutex_);
      rung_ = true;
    }
    bell_.notify_one();
  }
  void wait_for(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    bell_.wait_for(lock, timeout, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable bell_;
  bool rung_ = false;
};

struct Exchange {
  Mailbox<LanePosition> acknowledged;  // for the drain; a later one replaces, it may go back
  Mailbox<LanePosition> acknowledged_for_rollup;
  Mailbox<model::LaneName> forgotten;  // retired Lanes, for the append
  Mailbox<LaneCommit> committed;
  Mailbox<FillRequest> fill_requests;
  Mailbox<FillAnswer> fill_answers;
  Mailbox<Retirement> retirements;
  Mailbox<Retirement> retired;
  Mailbox<Ended> ended;  // for the append
  Doorbell rollup_bell;  // a Lane is a quarter full, or something waits for the rollup

  // CLOCK_MONOTONIC of the last time MySQL was known to hold everything it was given.
  std::atomic<std::int64_t> mysql_committed_at_ns{0};
  // CLOCK_MONOTONIC of the last time Redis was known to have forgotten nothing but what its positions say.
  std::atomic<std::int64_t> redis_confirmed_at_ns{0};

  void put_recent(RecentEntry entry) {
    const std::lock_guard lock(recent_mutex_);
    recent_.put(std::move(entry));
  }
  std::vector<RecentEntry> take_recent_after(std::string_view id, std::size_t count_max,
                                             std::size_t bytes_max) {
    const std::lock_guard lock(recent_mutex_);
    return recent_.take_after(id, count_max, bytes_max);
  }

  // refused_segments: file name → why it is not read.
  void set_views(LaneViews views, std::map<std::string, std::string> refused_segments) {
    auto shared = std::make_shared<const LaneViews>(std::move(views));
    const std::lock_guard lock(views_mutex_);
    views_.swap(shared);
    refused_segments_ = std::move(refused_segments);
  }
  // Never null. Shared: thousands of Lanes are not copied for each thread that looks at them.
  std::shared_ptr<const LaneViews> views() const {
    const std::lock_guard lock(views_mutex_);
    return views_;
  }
  std::map<std::string, std::string> refused_segments() const {
    const std::lock_guard lock(views_mutex_);
    return refused_segments_;
  }

 private:
  std::mutex recent_mutex_;
  RecentEntries recent_{kRecentBytesMax};
  mutable std::mutex views_mutex_;
  std::shared_ptr<const LaneViews> views_ = std::make_shared<const LaneViews>();
  std::map<std::string, std::string> refused_segments_;
};

}  // namespace ddt::sidecar
