// sidecar/recent_entries.hpp — what was appended to the journal just now, for the rollup: it need not read it back.
//
//   append ──entry, once Redis has it──▶ RecentEntries ──▶ rollup
//
// Order     Each entry knows the id of the one before it in the journal. It is given out only to whoever has read
//           exactly up to there, so that nothing is passed over; whoever is elsewhere reads the journal, and what it
//           has read by then is dropped here.
// Room      Bounded: beyond it the oldest go, and the rollup finds them in the journal.
// Threads   One at a time: Exchange has the lock. Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/model/block.hpp"
#include "sidecar/redis/journal.hpp"

namespace ddt::sidecar {

struct RecentEntry {
  std::string before;     // the id of the entry before it; kJournalStart: it is the first
  std::string id;         // in the journal
  std::size_t bytes = 0;  // there
  std::vector<model::Block> blocks;
};

class RecentEntries {
 public:
  explicit RecentEntries(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void put(RecentEntry entry) {
    bytes_ += entry.bytes;
    entries_.push_back(std::move(entry));
    while (bytes_ > bytes_max_) drop_first();
  }

  // Those that follow `id` in the journal; none when that is not known here. At most so many, but for the first one.
  std::vector<RecentEntry> take_after(std::string_view id, std::size_t count_max,
                                      std::size_t bytes_max) {
    while (!entries_.empty() && redis::compare_ids(entries_.front().id, id) <= 0) drop_first();
    std::vector<RecentEntry> taken;
    std::string last(id);
    std::size_t bytes = 0;
    while (!entries_.empty() && entries_.front().before == last && taken.size() < count_max &&
           (taken.empty() || bytes + entries_.front().bytes <= bytes_max)) {
      bytes += entries_.front().bytes;
      last = entries_.front().id;
      taken.push_back(std::move(entries_.front()));
      bytes_ -= taken.back().bytes;
      entries_.pop_front();
    }
    return taken;
  }

  const std::deque<RecentEntry>& entries() const noexcept { return entries_; }

 private:
  void drop_first() {
    bytes_ -= entries_.front().bytes;
    entries_.pop_front();
  }

  std::size_t bytes_max_;
  std::deque<RecentEntry> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace ddt::sidecar
