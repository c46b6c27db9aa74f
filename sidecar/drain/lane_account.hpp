// sidecar/drain/lane_account.hpp — what a Lane says about itself, believed as far as it agrees with itself.
//
// The words of an honest writer cannot disagree, whenever they are read and wherever it was killed; those of a bot
// that scribbles do, at the latest at its next Record:
//   A1  Counts never go back, and none is beyond kCountMax.
//   A2  A Record's ordinal − refused is the number of Records before it: one more than at the Record before. The
//       first one read here had at most one Record in every line before it, and at least one in every 32.
//   A3  A Record's refused is not below that of the Record before, not beyond what the counters say when they are
//       read after it, and not below what they said before the Lane was last seen empty.
//   A4  Once the Lane is empty, everything that the ordinals word tells was read or refused.
// So what goes into the ledger is what was read here plus refusals that agree with it: a Lane that is quarantined
// keeps the account of the last time that it was believed, and adds up.
//
// Threads   The drain's. Pure but for the counters of the Lane that it is given.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>

#include "shm/lane.hpp"
#include "sidecar/model/block.hpp"

namespace ddt::sidecar {

class LaneAccount {
 public:
  static constexpr std::uint64_t kCountMax = 1'000'000'000'000'000;  // 30 years, a million a second
  static constexpr std::size_t kMarksMax = 1'024;  // Blocks that may have to be read again
  static constexpr std::uint64_t kPositionMax = std::uint64_t{1} << 60U;

  // nullptr where it agrees; else why the Lane cannot be believed any more, and the account is as it was.
  using Objection = const char*;

  LaneAccount() = default;
  // `published`: Records before the first one read here, as MySQL knows it; an estimate until one was read.
  explicit LaneAccount(std::uint64_t published) noexcept : published_(published) {}

  Objection look(const LaneCounters& counters) noexcept;  // read just now
  Objection add(const RecordHead& head, std::uint64_t position, const LaneReader& lane) noexcept {
    const bool is_next = has_read_ && head.refused <= head.ordinal &&
                         head.ordinal - head.refused == published_ &&
                         head.refused >= refused_before_ && head.refused <= refused_sum();
    if (!is_next) [[unlikely]] {
      if (const Objection objection = look_closer(head, position, lane)) return objection;
    }
    refused_before_ = head.refused;
    ordinal_ = head.ordinal + 1;
    published_ = head.ordinal - head.refused + 1;
    return nullptr;
  }
  Objection dry() noexcept;  // found empty after the last look

  std::uint64_t ordinal() const noexcept { return ordinal_; }      // of the next Record
  std::uint64_t published() const noexcept { return published_; }  // Records before the next one
  // What was refused, and what was produced: read or refused.
  model::LaneCounts counts() const noexcept;

  // Records published before a position that a Block ended at; nullopt where it is not known (any more).
  void mark(std::uint64_t position);
  std::optional<std::uint64_t> published_before(std::uint64_t position) const noexcept;
  bool has_read() const noexcept { return has_read_; }

 private:
  Objection look_closer(const RecordHead& head, std::uint64_t position,
                        const LaneReader& lane) noexcept;

  struct Mark {
    std::uint64_t position, published;
  };

  std::uint64_t refused_sum() const noexcept {
    return counters_.dropped[0] + counters_.dropped[1] + counters_.dropped[2] + counters_.refused;
  }

  LaneCounters counters_{};
  std::uint64_t ordinal_ = 0, published_ = 0;
  std::uint64_t refused_before_ = 0;  // what the next Record says at least
  bool has_read_ = false;
  std::deque<Mark> marks_;  // in order of positions
};

}  // namespace ddt::sidecar
