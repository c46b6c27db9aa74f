#include "sidecar/model/equity_span.hpp"

#include <algorithm>

#include "sidecar/model/equity_levels.hpp"

namespace ddt::model {

struct EquitySpan::Shifted {
  Point peak, low, close;
  std::int64_t first_low_e8;
  bool overflow;
};

EquitySpan EquitySpan::of(const EquityMinute& minute) {
  EquitySpan span;
  if (minute.readings == 0) return span;
  span.minutes_ = 1;
  span.has_level_ = true;
  span.peak_ = {minute.level_high_e8, minute.level_high_time_ns};
  span.low_ = {minute.level_low_e8, minute.level_low_time_ns};
  const int128 close = minute.close_e8 - minute.cash_flow_e8;
  span.close_ = {clamp_e8(close), minute.close_time_ns};
  span.overflow_ = span.close_.level_e8 != close;
  span.first_dips_ = span.low_.time_ns < span.peak_.time_ns;
  span.first_low_e8_ = span.low_.level_e8;
  if (span.peak_.time_ns < span.low_.time_ns) {
    span.drop(span.peak_, span.low_);
  } else {
    // From a level that the minute does not keep.
    span.mdd_e8_ = minute.mdd_e8;
    span.mdd_pct_e8_ = minute.mdd_pct_e8;
    if (minute.mdd_e8 > 0) {
      span.mdd_peak_ns_ = minute.open_time_ns;
      span.mdd_trough_ns_ = minute.close_time_ns;
    }
  }
  span.is_under_ = span.close_.level_e8 < span.peak_.level_e8;
  span.underwater_since_ns_ = span.is_under_ ? span.peak_.time_ns : span.close_.time_ns;
  if (span.is_under_)
    span.longest_underwater_ns_ = span_ns(span.peak_.time_ns, span.close_.time_ns);
  span.flow_e8_ = minute.cash_flow_e8;
  span.records_ = {span.peak_};
  span.has_cash_flow_ = minute.has_cash_flow;
  if (minute.has_cash_flow) span.reported_flow_e8_.add(minute.cash_flow_e8);
  span.margin_pct_sum_e8_.add(minute.margin_pct_sum_e8);
  span.open_e8_ = minute.open_e8;
  span.high_e8_ = minute.high_e8;
  span.low_e8_ = minute.low_e8;
  span.margin_pct_max_e8_ = minute.margin_pct_max_e8;
  span.margin_readings_ = minute.margin_readings;
  span.last_ = minute;
  return span;
}

EquitySpan EquitySpan::after(std::int64_t equity_e8, std::int64_t time_ns) {
  EquitySpan span;
  span.has_level_ = true;
  span.peak_ = span.close_ = {equity_e8, time_ns};
  span.underwater_since_ns_ = time_ns;
  return span;
}

EquitySpan::Shifted EquitySpan::seen_from_here(const EquitySpan& later) const {
  Shifted seen{.peak = later.peak_,
               .low = later.low_,
               .close = later.close_,
               .first_low_e8 = later.first_low_e8_,
               .overflow = false};
  const auto lower = [&](std::int64_t& level_e8) {
    const int128 level = level_e8 - flow_e8_;
    level_e8 = clamp_e8(level);
    seen.overflow = seen.overflow || level_e8 != level;
  };
  lower(seen.peak.level_e8);
  lower(seen.low.level_e8);
  lower(seen.close.level_e8);
  lower(seen.first_low_e8);
  return seen;
}

// ── drawdown ─────────────────────────────────────────────────────────────────────────────────────

void EquitySpan::drop(const Point& from, const Point& to) {
  const int128 drop_e8 = int128{from.level_e8} - to.level_e8;
  if (drop_e8 > mdd_e8_) {
    mdd_e8_ = clamp_e8(drop_e8);
    mdd_peak_ns_ = from.time_ns;
    mdd_trough_ns_ = to.time_ns;
  }
  mdd_pct_e8_ = std::max(mdd_pct_e8_, pct_of(drop_e8, from.level_e8));
}

// As DrawdownFold measures a single minute after cash flow; a longer part only without any.
std::int64_t EquitySpan::pct_inside(const EquitySpan& later, const Shifted& seen) const {
  if (flow_e8_ == 0 || later.mdd_e8_ == 0) return later.mdd_pct_e8_;
  if (later.minutes_ > 1) return 0;  // is_exact(): a greater one is known
  if (later.mdd_pct_e8_ == 0) return pct_of(later.mdd_e8_, seen.peak.level_e8);
  const int128 high = divide_rounded(int128{later.mdd_e8_} * kPctE8, later.mdd_pct_e8_);
  const int128 least = int128{later.low_.level_e8} + later.mdd_e8_;
  const int128 bounded = std::min(std::max(high, least), int128{later.peak_.level_e8});
  return pct_of(later.mdd_e8_, bounded - flow_e8_);
}

// Every drop d inside goes to a level of at least `low`: its percent is at most mdd ÷ (low + mdd).
std::int64_t EquitySpan::pct_bound(const EquitySpan& later, const Shifted& seen) const {
  if (later.mdd_e8_ == 0) return 0;
  if (seen.low.level_e8 <= 0) return kMaxE8;
  return pct_of(later.mdd_e8_, int128{seen.low.level_e8} + later.mdd_e8_);
}

bool EquitySpan::is_exact(const EquitySpan& later) const {
  if (later.minutes_ <= 1 || !has_level_) return true;
  const Shifted seen = seen_from_here(later);
  if (seen.peak.level_e8 <= peak_.level_e8) return true;  // every drop is from our peak
  if (seen.low.level_e8 < 0) return false;
  return flow_e8_ == 0 || pct_bound(later, seen) <= mdd_pct_e8_;
}

void EquitySpan::append_drawdown(const EquitySpan& later, const Shifted& seen) {
  if (seen.peak.level_e8 <= peak_.level_e8) {
    drop(peak_, seen.low);
    return;
  }
  // A low after a new high is no drop from our peak. In a longer part it does no harm: the drop from the
  // new high is greater, as amount and as percent.
  const bool is_minute_that_fell = later.minutes_ == 1 && later.peak_.time_ns < later.low_.time_ns;
  if (is_minute_that_fell) {
    drop(seen.peak, seen.low);
    return;
  }
  drop(peak_, seen.low);
  if (later.mdd_e8_ > mdd_e8_) {
    mdd_e8_ = later.mdd_e8_;
    mdd_peak_ns_ = later.mdd_peak_ns_;
    mdd_trough_ns_ = later.mdd_trough_ns_;
  }
  mdd_pct_e8_ = std::max(mdd_pct_e8_, pct_inside(later, seen));
}

// ── under water ──────────────────────────────────────────────────────────────────────────────────

// From the first time that the later part is back at our peak both tell the same story. What it was under its
// own lower peaks before is part of our own time under water.
void EquitySpan::follow_underwater(const EquitySpan& later, const Shifted& seen) {
  if (seen.peak.level_e8 < peak_.level_e8) {
    is_under_ = true;
    longest_underwater_ns_ =
        std::max(longest_underwater_ns_, span_ns(underwater_since_ns_, seen.close.time_ns));
    return;
  }
  const auto back = std::ranges::find_if(later.records_, [&](const Point& record) {
    return record.level_e8 - flow_e8_ >= peak_.level_e8;
  });
  const Point recovery = back == later.records_.end() ? later.peak_ : *back;
  const bool in_first_minute = back == later.records_.begin();
  const bool was_under =
      is_under_ || !in_first_minute || (later.first_dips_ && seen.first_low_e8 < peak_.level_e8);
  longest_underwater_ns_ = std::max(longest_underwater_ns_, later.longest_underwater_ns_);
  if (was_under) {
    longest_underwater_ns_ =
        std::max(longest_underwater_ns_, span_ns(underwater_since_ns_, recovery.time_ns));
  }
  is_under_ = later.is_under_;
  underwater_since_ns_ = later.underwater_since_ns_;
}

// ── joining ──────────────────────────────────────────────────────────────────────────────────────

void EquitySpan::append_reported(const EquitySpan& later) {
  if (minutes_ == 0) {
    open_e8_ = later.open_e8_;
    high_e8_ = later.high_e8_;
    low_e8_ = later.low_e8_;
    first_dips_ = later.first_dips_;
    first_low_e8_ = later.first_low_e8_;
  } else {
    high_e8_ = std::max(high_e8_, later.high_e8_);
    low_e8_ = std::min(low_e8_, later.low_e8_);
  }
  has_cash_flow_ = has_cash_flow_ || later.has_cash_flow_;
  reported_flow_e8_.merge(later.reported_flow_e8_);
  margin_pct_sum_e8_.merge(later.margin_pct_sum_e8_);
  margin_pct_max_e8_ = std::max(margin_pct_max_e8_, later.margin_pct_max_e8_);
  margin_readings_ += later.margin_readings_;
  last_ = later.last_;
}

void EquitySpan::append(const EquitySpan& later) {
  if (later.minutes_ == 0) return;
  if (!has_level_) {
    *this = later;
    return;
  }
  const Shifted seen = seen_from_here(later);
  follow_underwater(later, seen);
  append_drawdown(later, seen);
  append_reported(later);
  for (const Point& record : later.records_) {
    const std::int64_t level_e8 = clamp_e8(record.level_e8 - flow_e8_);
    const bool is_new = records_.empty() ? minutes_ == 0 : level_e8 > records_.back().level_e8;
    if (is_new) records_.push_back({level_e8, record.time_ns});
  }
  if (seen.peak.level_e8 > peak_.level_e8) peak_ = seen.peak;
  if (minutes_ == 0 || seen.low.level_e8 < low_.level_e8) low_ = seen.low;
  close_ = seen.close;
  minutes_ += later.minutes_;
  overflow_ = overflow_ || later.overflow_ || seen.overflow;
  flow_e8_ += later.flow_e8_;
}

std::optional<Drawdown> EquitySpan::drawdown() const {
  if (minutes_ == 0) return std::nullopt;
  return Drawdown{.max_drawdown_e8 = mdd_e8_,
                  .max_drawdown_pct_e8 = mdd_pct_e8_,
                  .peak_time_ns = mdd_peak_ns_,
                  .trough_time_ns = mdd_trough_ns_,
                  .drawdown_current_e8 = clamp_e8(int128{peak_.level_e8} - close_.level_e8),
                  .longest_underwater_ns = longest_underwater_ns_,
                  .unadjusted = !has_cash_flow_,
                  .overflow = overflow_};
}

// ── bytes ────────────────────────────────────────────────────────────────────────────────────────

void EquitySpan::encode(ByteWriter& writer) const {
  writer.varint(minutes_);
  if (minutes_ == 0) return;
  writer.boolean(overflow_);
  for (const Point& point : {peak_, low_, close_}) {
    writer.zigzag(point.level_e8);
    writer.zigzag(point.time_ns);
  }
  writer.boolean(first_dips_);
  writer.zigzag(first_low_e8_);
  for (const std::int64_t value : {mdd_e8_, mdd_pct_e8_, mdd_peak_ns_, mdd_trough_ns_,
                                   underwater_since_ns_, longest_underwater_ns_})
    writer.zigzag(value);
  writer.boolean(is_under_);
  writer.i128(flow_e8_);
  writer.varint(records_.size());
  Point before;
  before.time_ns = 0;
  for (const Point& record : records_) {  // as distances they are short
    writer.zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(record.level_e8) -
                                            static_cast<std::uint64_t>(before.level_e8)));
    writer.zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(record.time_ns) -
                                            static_cast<std::uint64_t>(before.time_ns)));
    before = record;
  }
  writer.boolean(has_cash_flow_);
  for (const CheckedSum* sum : {&reported_flow_e8_, &margin_pct_sum_e8_}) {
    writer.boolean(sum->overflow);
    writer.i128(sum->value);
  }
  for (const std::int64_t value : {open_e8_, high_e8_, low_e8_, margin_pct_max_e8_})
    writer.zigzag(value);
  writer.varint(margin_readings_);
  last_.encode(writer);
}

std::optional<EquitySpan> EquitySpan::decode(ByteReader& reader) {
  EquitySpan span;
  span.minutes_ = reader.varint();
  if (!reader.ok()) return std::nullopt;
  if (span.minutes_ == 0) return span;
  span.has_level_ = true;
  span.overflow_ = reader.boolean();
  for (Point* point : {&span.peak_, &span.low_, &span.close_}) {
    point->level_e8 = reader.zigzag();
    point->time_ns = reader.zigzag();
  }
  span.first_dips_ = reader.boolean();
  span.first_low_e8_ = reader.zigzag();
  for (std::int64_t* value :
       {&span.mdd_e8_, &span.mdd_pct_e8_, &span.mdd_peak_ns_, &span.mdd_trough_ns_,
        &span.underwater_since_ns_, &span.longest_underwater_ns_})
    *value = reader.zigzag();
  span.is_under_ = reader.boolean();
  span.flow_e8_ = reader.i128();
  const std::size_t records = reader.count(2);
  Point record;
  record.time_ns = 0;
  for (std::size_t i = 0; i < records; ++i) {
    record.level_e8 = static_cast<std::int64_t>(static_cast<std::uint64_t>(record.level_e8) +
                                                static_cast<std::uint64_t>(reader.zigzag()));
    record.time_ns = static_cast<std::int64_t>(static_cast<std::uint64_t>(record.time_ns) +
                                               static_cast<std::uint64_t>(reader.zigzag()));
    span.records_.push_back(record);
  }
  span.has_cash_flow_ = reader.boolean();
  for (CheckedSum* sum : {&span.reported_flow_e8_, &span.margin_pct_sum_e8_}) {
    sum->overflow = reader.boolean();
    sum->value = reader.i128();
  }
  for (std::int64_t* value :
       {&span.open_e8_, &span.high_e8_, &span.low_e8_, &span.margin_pct_max_e8_})
    *value = reader.zigzag();
  span.margin_readings_ = reader.varint();
  auto last = EquityMinute::decode(reader);
  constexpr int128 kFlowMax = int128{1} << 100;  // sums of flows stay within 128 bits
  const bool holds = reader.ok() && last && last->readings > 0 && !span.records_.empty() &&
                     span.mdd_e8_ >= 0 && span.mdd_pct_e8_ >= 0 && span.flow_e8_ < kFlowMax &&
                     span.flow_e8_ > -kFlowMax && span.margin_readings_ <= (std::uint64_t{1} << 48);
  if (!holds) return std::nullopt;
  span.last_ = std::move(*last);
  return span;
}

}  // namespace ddt::model
