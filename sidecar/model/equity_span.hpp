// sidecar/model/equity_span.hpp — equity of a span of time as a state that joins: what DrawdownFold would say of its
// minutes, without them.
//
// Levels    As in equity.hpp: equity with cash flow taken out since the span's own start.
// Order     append() takes the span that follows.
// Equality  A span that was put together equals the fold over its minutes, wherever is_exact() said yes before. It
//           says no in two cases, where the percentage needs the levels themselves: after a cash flow, when the later
//           part could hold a greater percentage than is known; and when levels below 0 follow a new high. Then the
//           later part is to be appended in smaller pieces; a single minute is always exact.
// Records   New highs, each with its time: when the part before was under water, they say when that ended.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sidecar/model/bytes.hpp"
#include "sidecar/model/equity.hpp"
#include "sidecar/model/ratio.hpp"

namespace ddt::model {

class EquitySpan {
 public:
  static constexpr std::size_t kRecordsMax = 4'096;  // a longer state is not stored; its parts are

  EquitySpan() = default;  // nothing yet, no level before it
  static EquitySpan of(const EquityMinute& minute);
  // Nothing yet, after a reading: a loss in the first minute counts.
  static EquitySpan after(std::int64_t equity_e8, std::int64_t time_ns);

  bool is_exact(const EquitySpan& later) const;
  void append(const EquitySpan& later);

  bool is_empty() const noexcept { return minutes_ == 0; }
  std::optional<Drawdown> drawdown() const;  // nullopt while empty

  // Of the readings as reported, when not empty.
  const EquityMinute& last() const noexcept { return last_; }
  std::int64_t open_e8() const noexcept { return open_e8_; }
  std::int64_t high_e8() const noexcept { return high_e8_; }
  std::int64_t low_e8() const noexcept { return low_e8_; }
  const CheckedSum& cash_flow_e8() const noexcept { return reported_flow_e8_; }
  bool has_cash_flow() const noexcept { return has_cash_flow_; }
  const CheckedSum& margin_pct_sum_e8() const noexcept { return margin_pct_sum_e8_; }
  std::int64_t margin_pct_max_e8() const noexcept { return margin_pct_max_e8_; }
  std::uint64_t margin_readings() const noexcept { return margin_readings_; }

  bool is_storable() const noexcept { return records_.size() <= kRecordsMax; }
  void encode(ByteWriter& writer) const;
  static std::optional<EquitySpan> decode(ByteReader& reader);

 private:
  struct Point {
    std::int64_t level_e8 = 0, time_ns = kNoTime;
  };
  struct Shifted;  // the later part's levels, as seen from here

  Shifted seen_from_here(const EquitySpan& later) const;
  void follow_underwater(const EquitySpan& later, const Shifted& seen);
  void drop(const Point& from, const Point& to);
  void append_drawdown(const EquitySpan& later, const Shifted& seen);
  void append_reported(const EquitySpan& later);
  // Greatest percent inside the later part, its levels lowered by our flow; the bound of it for a longer one.
  std::int64_t pct_inside(const EquitySpan& later, const Shifted& seen) const;
  std::int64_t pct_bound(const EquitySpan& later, const Shifted& seen) const;

  std::uint64_t minutes_ = 0;
  bool has_level_ = false;
  bool overflow_ = false;  // a level left the int64 range
  Point peak_, low_, close_;
  // Of the first minute: its low, when that came before its high.
  bool first_dips_ = false;
  std::int64_t first_low_e8_ = 0;

  std::int64_t mdd_e8_ = 0, mdd_pct_e8_ = 0;
  std::int64_t mdd_peak_ns_ = kNoTime, mdd_trough_ns_ = kNoTime;
  bool is_under_ = false;
  std::int64_t underwater_since_ns_ = kNoTime, longest_underwater_ns_ = 0;
  int128 flow_e8_ = 0;
  std::vector<Point> records_;  // strictly rising, the first minute's high first

  bool has_cash_flow_ = false;
  CheckedSum reported_flow_e8_, margin_pct_sum_e8_;
  std::int64_t open_e8_ = 0, high_e8_ = 0, low_e8_ = 0;
  std::int64_t margin_pct_max_e8_ = kNullE8;
  std::uint64_t margin_readings_ = 0;
  EquityMinute last_;
};

}  // namespace ddt::model
