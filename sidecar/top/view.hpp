// sidecar/top/view.hpp — two looks and the sidecar's word → the rows people see. Pure.
//
// Units     Rates are Records a second between the last two looks. Lags are lines that the bot had
//           published and that were not yet drained, journaled, committed when the sidecar last spoke:
//           measured against our newest look before that, so that they are never overstated by what was
//           published since. A sidecar silent for kSilenceMaxNs is measured against now.
// Unknown   nullopt, shown as "–": no second look, nobody to ask, or a Lane that does not say.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/top/sample.hpp"

namespace ddt::top {

inline constexpr std::int64_t kSilenceMaxNs = 3'000'000'000;

enum class Owner : std::uint8_t { alive, gone, unknown };

// One Lane; or a Segment without Lanes, or one that cannot be read.
struct Row {
  std::string segment;  // file name
  std::string problem;  // of the Segment; "" = none
  Owner owner = Owner::unknown;
  std::uint32_t owner_uid = 0, owner_pid = 0;
  std::int32_t profile_id = 0;
  std::string script_name, owner_user;
  std::optional<std::uint32_t> lane;  // nullopt: none was claimed
  std::uint32_t line_count = 0;
  std::uint64_t position = 0, released = 0, held_lines = 0;
  std::optional<std::uint64_t> produced;
  std::optional<double> records_per_s;
  std::array<std::uint64_t, kRecordClasses> dropped{};
  std::uint64_t refused = 0, metadata_left_off = 0, reentrant = 0;
  std::optional<std::uint64_t> drained, acknowledged, committed;    // positions
  std::optional<std::uint64_t> drain_lag, journal_lag, commit_lag;  // lines
  std::string quarantine_reason;  // the sidecar's word, or what it would find ("seen here: …")

  std::uint64_t dropped_total() const noexcept { return dropped[0] + dropped[1] + dropped[2]; }
};

// Lines of a Lane that a class may fill (shm/lane.hpp).
constexpr std::uint64_t limit_of(RecordClass record_class, std::uint64_t line_count) noexcept {
  switch (record_class) {
    case RecordClass::sample:
      return line_count / 2;
    case RecordClass::state:
      return line_count - line_count / 4;
    default:
      return line_count;
  }
}

struct View {
  std::int64_t wall_ns = 0;
  std::string directory, problem;
  std::vector<Row> rows;  // by Segment name and Lane
  std::size_t segments = 0, segments_left_off = 0, lanes = 0, alive = 0, gone = 0;
  std::size_t unreadable = 0, quarantined = 0;
  std::optional<double> records_per_s;
  std::array<std::uint64_t, kRecordClasses> dropped{};
  std::uint64_t refused = 0, held_lines = 0;
  bool asks_sidecar = true;
  SidecarSample sidecar;
  std::optional<double> sidecar_silent_s;  // since it last spoke
};

class Model {
 public:
  Model(std::string directory, bool asks_sidecar)
      : directory_(std::move(directory)), asks_sidecar_(asks_sidecar) {}

  void add(DirectorySample sample);
  void hear(SidecarSample sample) { sidecar_ = std::move(sample); }
  View view() const;

 private:
  const LaneSample* find(const DirectorySample& look, const std::string& segment,
                         std::uint32_t lane) const;
  Row row_of(const SegmentSample& segment, const LaneSample& lane) const;
  void add_sidecar_word(const SegmentSample& segment, Row& row) const;

  std::string directory_;
  bool asks_sidecar_;
  std::deque<DirectorySample> looks_;  // the newest last
  SidecarSample sidecar_;
};

enum class SortKey : std::uint8_t {
  profile,
  script,
  segment,
  lane,
  owner,
  rate,
  held,
  samples,
  states,
  facts,
  refused,
  drain,
  journal,
  commit
};
// By the key, equal ones by Segment and Lane. Unknown sorts below everything known. Texts and ids come
// smallest first, what can be too much comes largest first; `is_reversed` turns that round.
void sort_rows(std::vector<Row>& rows, SortKey key, bool is_reversed);

}  // namespace ddt::top
