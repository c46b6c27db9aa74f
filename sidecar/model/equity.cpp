#include "sidecar/model/equity.hpp"

#include <algorithm>
#include <limits>

#include "sidecar/model/equity_levels.hpp"

namespace ddt::model {
namespace {

// The greatest percent inside a minute when all its levels are `flow` lower than it thinks. The level it
// was measured from is not kept: mdd/mdd_pct gives it back.
std::int64_t shifted_pct(const EquityMinute& minute, int128 flow_e8) noexcept {
  if (flow_e8 == 0 || minute.mdd_e8 == 0) return minute.mdd_pct_e8;
  if (minute.level_high_time_ns < minute.level_low_time_ns || minute.mdd_pct_e8 == 0) {
    return pct_of(minute.mdd_e8, minute.level_high_e8 - flow_e8);
  }
  const int128 high = divide_rounded(int128{minute.mdd_e8} * kPctE8, minute.mdd_pct_e8);
  const int128 least = int128{minute.level_low_e8} + minute.mdd_e8;
  const int128 bounded = std::min(std::max(high, least), int128{minute.level_high_e8});
  return pct_of(minute.mdd_e8, bounded - flow_e8);
}

EquityMinute minute_of(const EquityReading& reading) {
  EquityMinute minute;
  minute.readings = 1;
  minute.open_e8 = minute.high_e8 = minute.low_e8 = reading.account_equity_e8;
  minute.close_e8 = reading.account_equity_e8;
  minute.open_time_ns = minute.high_time_ns = minute.low_time_ns = reading.time_ns;
  minute.close_time_ns = minute.level_high_time_ns = minute.level_low_time_ns = reading.time_ns;
  minute.has_cash_flow = !is_null(reading.cash_flow_e8);
  minute.cash_flow_e8 = minute.has_cash_flow ? reading.cash_flow_e8 : 0;
  minute.level_high_e8 = clamp_e8(reading.account_equity_e8 - minute.cash_flow_e8);
  minute.level_low_e8 = minute.level_high_e8;
  minute.unrealized_pnl_e8 = reading.unrealized_pnl_e8;
  minute.realized_pnl_e8 = reading.realized_pnl_e8;
  minute.margin_used_e8 = reading.margin_used_e8;
  minute.margin_available_e8 = reading.margin_available_e8;
  minute.open_positions_count = reading.open_positions_count;
  minute.metadata = reading.metadata;
  const auto margin = margin_utilization_pct_e8(reading.margin_used_e8, reading.account_equity_e8);
  if (margin) {
    minute.margin_pct_sum_e8 = minute.margin_pct_max_e8 = *margin;
    minute.margin_readings = 1;
  }
  return minute;
}

struct Extreme {
  std::int64_t value_e8, time_ns;
};

Extreme higher(const Extreme& a, const Extreme& b) {
  if (a.value_e8 != b.value_e8) return a.value_e8 > b.value_e8 ? a : b;
  return a.time_ns <= b.time_ns ? a : b;
}

Extreme lower(const Extreme& a, const Extreme& b) {
  if (a.value_e8 != b.value_e8) return a.value_e8 < b.value_e8 ? a : b;
  return a.time_ns <= b.time_ns ? a : b;
}

// Levels and drawdown of first and second together, into `merged`.
void merge_levels(const EquityMinute& first, const EquityMinute& second, EquityMinute& merged) {
  const int128 flow = first.cash_flow_e8;
  const Extreme first_high{first.level_high_e8, first.level_high_time_ns};
  const Extreme first_low{first.level_low_e8, first.level_low_time_ns};
  const Extreme second_high{clamp_e8(second.level_high_e8 - flow), second.level_high_time_ns};
  const Extreme second_low{clamp_e8(second.level_low_e8 - flow), second.level_low_time_ns};
  const Extreme high = higher(first_high, second_high);
  const Extreme low = lower(first_low, second_low);
  merged.level_high_e8 = high.value_e8;
  merged.level_high_time_ns = high.time_ns;
  merged.level_low_e8 = low.value_e8;
  merged.level_low_time_ns = low.time_ns;
  merged.mdd_e8 = std::max(first.mdd_e8, second.mdd_e8);
  merged.mdd_pct_e8 = std::max(first.mdd_pct_e8, shifted_pct(second, flow));
  const auto fall = [&merged](const Extreme& from, const Extreme& to) {
    const int128 drop = int128{from.value_e8} - to.value_e8;
    merged.mdd_e8 = std::max(merged.mdd_e8, clamp_e8(drop));
    merged.mdd_pct_e8 = std::max(merged.mdd_pct_e8, pct_of(drop, from.value_e8));
  };
  const bool disjoint = first.close_time_ns <= second.open_time_ns;
  if (disjoint || first_high.time_ns < second_low.time_ns) fall(first_high, second_low);
  if (!disjoint && second_high.time_ns < first_low.time_ns) fall(second_high, first_low);
}

}  // namespace

EquityReading reading_of(const EquityEvent& event) {
  return {.time_ns = event.origin.event_time_ns,
          .account_equity_e8 = event.account_equity_e8,
          .unrealized_pnl_e8 = event.unrealized_pnl_e8,
          .realized_pnl_e8 = event.realized_pnl_e8,
          .margin_used_e8 = event.margin_used_e8,
          .margin_available_e8 = event.margin_available_e8,
          .cash_flow_e8 = event.cash_flow_e8,
          .open_positions_count = event.open_positions_count,
          .metadata = event.origin.metadata};
}

std::optional<std::int64_t> margin_utilization_pct_e8(std::int64_t margin_used_e8,
                                                      std::int64_t account_equity_e8) noexcept {
  if (is_null(margin_used_e8) || account_equity_e8 <= 0) return std::nullopt;
  const int128 pct = divide_rounded(margin_used_e8 * kPctE8, account_equity_e8);
  if (pct > kMaxE8 || pct < -int128{kMaxE8}) return std::nullopt;
  return static_cast<std::int64_t>(pct);
}

std::optional<int128> total_pnl_e8(std::int64_t realized_e8, std::int64_t unrealized_e8) noexcept {
  if (is_null(realized_e8) || is_null(unrealized_e8)) return std::nullopt;
  return int128{realized_e8} + unrealized_e8;
}

void EquityMinute::add(const EquityReading& reading) { *this = merge(*this, minute_of(reading)); }

EquityMinute merge(const EquityMinute& a, const EquityMinute& b) {
  if (a.readings == 0) return b;
  if (b.readings == 0) return a;
  const bool a_first = a.open_time_ns <= b.open_time_ns;
  const EquityMinute& first = a_first ? a : b;
  const EquityMinute& second = a_first ? b : a;
  // The last reading's figures, metadata too, come from whichever closes last.
  EquityMinute merged = first.close_time_ns > second.close_time_ns ? first : second;
  merged.readings = first.readings + second.readings;
  merged.open_e8 = first.open_e8;
  merged.open_time_ns = first.open_time_ns;
  const Extreme high =
      higher({first.high_e8, first.high_time_ns}, {second.high_e8, second.high_time_ns});
  const Extreme low = lower({first.low_e8, first.low_time_ns}, {second.low_e8, second.low_time_ns});
  merged.high_e8 = high.value_e8;
  merged.high_time_ns = high.time_ns;
  merged.low_e8 = low.value_e8;
  merged.low_time_ns = low.time_ns;
  merge_levels(first, second, merged);
  merged.cash_flow_e8 = first.cash_flow_e8 + second.cash_flow_e8;
  merged.has_cash_flow = first.has_cash_flow || second.has_cash_flow;
  merged.margin_pct_sum_e8 = first.margin_pct_sum_e8 + second.margin_pct_sum_e8;
  // kNullE8 is the least int64, so it loses to any reading.
  merged.margin_pct_max_e8 = std::max(first.margin_pct_max_e8, second.margin_pct_max_e8);
  merged.margin_readings = first.margin_readings + second.margin_readings;
  return merged;
}

void EquityMinute::derive_levels() noexcept {
  const auto level_at = [this](std::int64_t value_e8, std::int64_t time_ns) {
    const bool after_flow = readings <= 1 || time_ns == close_time_ns;
    return clamp_e8(after_flow ? value_e8 - cash_flow_e8 : int128{value_e8});
  };
  const Extreme a{level_at(high_e8, high_time_ns), high_time_ns};
  const Extreme b{level_at(low_e8, low_time_ns), low_time_ns};
  const Extreme close{level_at(close_e8, close_time_ns), close_time_ns};
  const Extreme high = higher(higher(a, b), close);
  const Extreme low = lower(lower(a, b), close);
  level_high_e8 = high.value_e8;
  level_high_time_ns = high.time_ns;
  level_low_e8 = low.value_e8;
  level_low_time_ns = low.time_ns;
}

void EquityMinute::encode(ByteWriter& writer) const {
  writer.varint(readings);
  if (readings == 0) return;
  for (const std::int64_t value : {open_e8, high_e8, low_e8, close_e8, level_high_e8, level_low_e8,
                                   mdd_e8, mdd_pct_e8, open_time_ns}) {
    writer.zigzag(value);
  }
  // Times lie within the minute: as distances they are short.
  for (const std::int64_t time :
       {high_time_ns, low_time_ns, close_time_ns, level_high_time_ns, level_low_time_ns}) {
    writer.varint(static_cast<std::uint64_t>(time) - static_cast<std::uint64_t>(open_time_ns));
  }
  writer.boolean(has_cash_flow);
  writer.i128(cash_flow_e8);
  for (const std::int64_t value :
       {unrealized_pnl_e8, realized_pnl_e8, margin_used_e8, margin_available_e8}) {
    writer.zigzag(value);
  }
  writer.zigzag(open_positions_count);
  writer.text(metadata);
  writer.i128(margin_pct_sum_e8);
  writer.zigzag(margin_pct_max_e8);
  writer.varint(margin_readings);
}

namespace {

// What every merge relies on. Sums are bounded so that no number of merges can leave 128 bits.
bool holds(const EquityMinute& minute) {
  const auto within = [](int128 value) {
    constexpr int128 kLimit = int128{1} << 110;
    return value >= -kLimit && value <= kLimit;
  };
  const auto inside = [&minute](std::int64_t time_ns) {
    return time_ns >= minute.open_time_ns && time_ns <= minute.close_time_ns;
  };
  return minute.low_e8 <= minute.high_e8 && minute.open_e8 >= minute.low_e8 &&
         minute.open_e8 <= minute.high_e8 && minute.close_e8 >= minute.low_e8 &&
         minute.close_e8 <= minute.high_e8 && is_valid_number(minute.low_e8) &&
         minute.level_low_e8 <= minute.level_high_e8 && minute.mdd_e8 >= 0 &&
         minute.mdd_pct_e8 >= 0 && minute.open_time_ns != kNoTime && inside(minute.high_time_ns) &&
         inside(minute.low_time_ns) && inside(minute.level_high_time_ns) &&
         inside(minute.level_low_time_ns) && within(minute.cash_flow_e8) &&
         within(minute.margin_pct_sum_e8) && minute.margin_readings <= minute.readings;
}

}  // namespace

std::optional<EquityMinute> EquityMinute::decode(ByteReader& reader) {
  EquityMinute minute;
  minute.readings = reader.u32();
  if (!reader.ok()) return std::nullopt;
  if (minute.readings == 0) return minute;
  for (std::int64_t* value :
       {&minute.open_e8, &minute.high_e8, &minute.low_e8, &minute.close_e8, &minute.level_high_e8,
        &minute.level_low_e8, &minute.mdd_e8, &minute.mdd_pct_e8, &minute.open_time_ns}) {
    *value = reader.zigzag();
  }
  for (std::int64_t* time : {&minute.high_time_ns, &minute.low_time_ns, &minute.close_time_ns,
                             &minute.level_high_time_ns, &minute.level_low_time_ns}) {
    *time = static_cast<std::int64_t>(static_cast<std::uint64_t>(minute.open_time_ns) +
                                      reader.varint());
  }
  minute.has_cash_flow = reader.boolean();
  minute.cash_flow_e8 = reader.i128();
  for (std::int64_t* value : {&minute.unrealized_pnl_e8, &minute.realized_pnl_e8,
                              &minute.margin_used_e8, &minute.margin_available_e8}) {
    *value = reader.zigzag();
  }
  minute.open_positions_count = reader.i32();
  minute.metadata = reader.text();
  minute.margin_pct_sum_e8 = reader.i128();
  minute.margin_pct_max_e8 = reader.zigzag();
  minute.margin_readings = reader.u32();
  if (!reader.ok() || !holds(minute)) return std::nullopt;
  return minute;
}

DrawdownFold::DrawdownFold(std::int64_t opening_equity_e8, std::int64_t time_ns) noexcept
    : has_level_(true),
      peak_e8_(opening_equity_e8),
      peak_time_ns_(time_ns),
      level_e8_(opening_equity_e8),
      underwater_since_ns_(time_ns) {}

std::int64_t DrawdownFold::level_of(int128 equity_e8) noexcept {
  const int128 level = equity_e8 - flow_e8_;
  const std::int64_t clamped = clamp_e8(level);
  result_.overflow = result_.overflow || clamped != level;
  return clamped;
}

void DrawdownFold::drop(const Point& from, const Point& to) noexcept {
  const int128 drop_e8 = int128{from.level_e8} - to.level_e8;
  if (drop_e8 > result_.max_drawdown_e8) {
    result_.max_drawdown_e8 = clamp_e8(drop_e8);
    result_.peak_time_ns = from.time_ns;
    result_.trough_time_ns = to.time_ns;
  }
  result_.max_drawdown_pct_e8 =
      std::max(result_.max_drawdown_pct_e8, pct_of(drop_e8, from.level_e8));
}

// A drawdown inside a minute that makes a new high, from a level the minute does not keep.
void DrawdownFold::drop_inside(const EquityMinute& minute) noexcept {
  if (minute.mdd_e8 > result_.max_drawdown_e8) {
    result_.max_drawdown_e8 = minute.mdd_e8;
    result_.peak_time_ns = minute.open_time_ns;
    result_.trough_time_ns = minute.close_time_ns;
  }
  result_.max_drawdown_pct_e8 =
      std::max(result_.max_drawdown_pct_e8, shifted_pct(minute, flow_e8_));
}

void DrawdownFold::follow_underwater(const Point& high, const Point& low,
                                     const Point& close) noexcept {
  const bool recovers = !has_level_ || high.level_e8 >= peak_e8_;
  if (recovers) {
    const bool was_under =
        has_level_ && (is_under_ || (low.level_e8 < peak_e8_ && low.time_ns < high.time_ns));
    if (was_under) {
      result_.longest_underwater_ns =
          std::max(result_.longest_underwater_ns, span_ns(underwater_since_ns_, high.time_ns));
    }
    is_under_ = close.level_e8 < high.level_e8;
    underwater_since_ns_ = is_under_ ? high.time_ns : close.time_ns;
  } else {
    is_under_ = true;
  }
  if (is_under_) {
    result_.longest_underwater_ns =
        std::max(result_.longest_underwater_ns, span_ns(underwater_since_ns_, close.time_ns));
  }
}

void DrawdownFold::add(const EquityMinute& minute) noexcept {
  if (minute.readings == 0) return;
  const Point high{level_of(minute.level_high_e8), minute.level_high_time_ns};
  const Point low{level_of(minute.level_low_e8), minute.level_low_time_ns};
  const Point close{level_of(minute.close_e8 - minute.cash_flow_e8), minute.close_time_ns};
  follow_underwater(high, low, close);
  const bool new_high = !has_level_ || high.level_e8 > peak_e8_;
  if (!new_high) {
    drop({peak_e8_, peak_time_ns_}, low);
  } else if (high.time_ns < low.time_ns) {
    drop(high, low);
  } else {
    if (has_level_) drop({peak_e8_, peak_time_ns_}, low);
    drop_inside(minute);
  }
  if (new_high) {
    peak_e8_ = high.level_e8;
    peak_time_ns_ = high.time_ns;
  }
  has_level_ = has_minute_ = true;
  level_e8_ = close.level_e8;
  flow_e8_ += minute.cash_flow_e8;
  result_.unadjusted = result_.unadjusted && !minute.has_cash_flow;
}

std::optional<Drawdown> DrawdownFold::result() const noexcept {
  if (!has_minute_) return std::nullopt;
  Drawdown result = result_;
  result.drawdown_current_e8 = clamp_e8(int128{peak_e8_} - level_e8_);
  return result;
}

}  // namespace ddt::model
