// sidecar/model/equity.hpp — equity per minute, and drawdown folded over minutes in time order.
//
// Level     Account equity with cash flow taken out: equity − Σ cash_flow since the start (of the
// minute in
//           an EquityMinute, of the range in a DrawdownFold), the reading's own flow included.
// Order     Everything here depends on time order. Readings and minutes may come late: what
// overlaps is
//           joined by times as far as they tell the order, never by inventing a drawdown.
// Percent   0–100 as e8, each (high − low)/high·100 rounded half away from zero; rounding keeps
// order, so
//           the greatest rounded one is the greatest rounded. Only while the high is > 0.
// Source    docs: METRICS section 1. "Highest before" is the running maximum, as in a drawdown
// curve.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shm/base/decimal.hpp"
#include "sidecar/model/bytes.hpp"
#include "sidecar/model/event.hpp"

namespace ddt::model {

struct EquityReading {
  std::int64_t time_ns = 0;
  std::int64_t account_equity_e8 = 0;
  std::int64_t unrealized_pnl_e8 = kNullE8, realized_pnl_e8 = kNullE8;
  std::int64_t margin_used_e8 = kNullE8, margin_available_e8 = kNullE8;
  std::int64_t cash_flow_e8 = kNullE8;
  std::int32_t open_positions_count = -1;  // -1 = not said
  std::string metadata;                    // a JSON object, or ""
};
EquityReading reading_of(const EquityEvent& event);

// margin_used ÷ equity·100 as e8, half away from zero; may pass 100. nullopt when margin_used is
// not said or equity <= 0 or the figure does not fit an int64.
std::optional<std::int64_t> margin_utilization_pct_e8(std::int64_t margin_used_e8,
                                                      std::int64_t account_equity_e8) noexcept;
// realised + unrealised, as the bot reports them; nullopt when either is not said.
std::optional<int128> total_pnl_e8(std::int64_t realized_e8, std::int64_t unrealized_e8) noexcept;

// Equity of one profile within one minute; any span with readings > 0 works. readings == 0 is empty
// and merges as nothing.
struct EquityMinute {
  std::uint32_t readings = 0;

  // Account equity as reported, first, greatest, least, last; the earliest time where there are
  // several.
  std::int64_t open_e8 = 0, high_e8 = 0, low_e8 = 0, close_e8 = 0;
  std::int64_t open_time_ns = kNoTime, high_time_ns = kNoTime;
  std::int64_t low_time_ns = kNoTime, close_time_ns = kNoTime;

  // The same extremes as levels. Equal to high and low unless cash flow was reported in this
  // minute. A row that does not hold them is completed by derive_levels().
  std::int64_t level_high_e8 = 0, level_low_e8 = 0;
  std::int64_t level_high_time_ns = kNoTime, level_low_time_ns = kNoTime;

  // Drawdown of levels inside the minute: greatest high − later low, and greatest percent.
  std::int64_t mdd_e8 = 0, mdd_pct_e8 = 0;

  int128 cash_flow_e8 = 0;
  bool has_cash_flow = false;  // some reading said it, 0 included

  // Of the last reading. Its metadata as well, "" when it had none.
  std::int64_t unrealized_pnl_e8 = kNullE8, realized_pnl_e8 = kNullE8;
  std::int64_t margin_used_e8 = kNullE8, margin_available_e8 = kNullE8;
  std::int32_t open_positions_count = -1;
  std::string metadata;

  // Margin utilisation in percent, over the readings that have it (equity > 0).
  int128 margin_pct_sum_e8 = 0;
  std::int64_t margin_pct_max_e8 = kNullE8;
  std::uint32_t margin_readings = 0;

  // One more reading. In time order exact; an earlier one is merged as a minute of its own.
  void add(const EquityReading& reading);

  // Levels from open, high, low, close and the minute's cash flow, for rows that hold no levels.
  // Exact without cash flow and for a single reading; else the closing level is right and the
  // extremes are those as reported, shifted by the whole flow where they come last.
  void derive_levels() noexcept;

  void encode(ByteWriter& writer) const;
  static std::optional<EquityMinute> decode(ByteReader& reader);
  bool operator==(const EquityMinute&) const = default;
};

// Both spans as one: whichever opens first comes first, a when they open together. Exact and
// associative when one ends before (or when) the other begins. When they overlap, a drawdown across
// is counted only from a high to a low whose times say that the low came later.
EquityMinute merge(const EquityMinute& a, const EquityMinute& b);

struct Drawdown {
  std::int64_t max_drawdown_e8 = 0;      // >= 0
  std::int64_t max_drawdown_pct_e8 = 0;  // >= 0
  std::int64_t peak_time_ns = kNoTime,
               trough_time_ns = kNoTime;   // of max_drawdown; kNoTime if it is 0
  std::int64_t drawdown_current_e8 = 0;    // highest level − last level
  std::int64_t longest_underwater_ns = 0;  // from a peak to its recovery, or to the last reading
  bool unadjusted = true;                  // no reading said its cash flow
  bool overflow = false;                   // a level left the int64 range: figures are lower bounds
};

// Folds minutes in time order into the drawdown of a range.
//
//   DrawdownFold fold(last equity before the range, its time);   // so a loss in the first reading
//   counts for (minute : in time order) fold.add(minute); fold.result() // nullopt without a minute
//
// Times     Exact to the minute: a drawdown inside one minute has the times of its extremes when
// the high
//           came first, else those of the minute's first and last reading.
// Percent   Inside a minute that follows cash flow, makes a new high and holds several readings,
// the level
//           its percent was measured from is recomputed as mdd/mdd_pct.
class DrawdownFold {
 public:
  DrawdownFold() = default;
  DrawdownFold(std::int64_t opening_equity_e8, std::int64_t time_ns) noexcept;

  void add(const EquityMinute& minute) noexcept;

  // The drawdown so far; nullopt before the first minute.
  std::optional<Drawdown> result() const noexcept;

  std::int64_t level_e8() const noexcept { return level_e8_; }  // closing level of the last minute
  std::int64_t peak_e8() const noexcept { return peak_e8_; }

 private:
  struct Point {
    std::int64_t level_e8, time_ns;
  };
  void drop(const Point& from, const Point& to) noexcept;
  void drop_inside(const EquityMinute& minute) noexcept;
  void follow_underwater(const Point& high, const Point& low, const Point& close) noexcept;
  std::int64_t level_of(int128 equity_e8) noexcept;

  bool has_level_ = false, has_minute_ = false;
  std::int64_t peak_e8_ = 0, peak_time_ns_ = kNoTime;
  std::int64_t level_e8_ = 0;
  bool is_under_ = false;                       // below the peak since …
  std::int64_t underwater_since_ns_ = kNoTime;  // … the last time at it
  int128 flow_e8_ = 0;                          // Σ cash flow of the minutes before
  Drawdown result_;
};

}  // namespace ddt::model
