#include "sidecar/model/trade_span.hpp"

#include <algorithm>

namespace ddt::model {
namespace {

std::uint64_t length_of(std::int64_t run) {
  return static_cast<std::uint64_t>(run < 0 ? -run : run);
}

}  // namespace

// ── streaks ──────────────────────────────────────────────────────────────────────────────────────

void StreakSpan::add(int sign_of_pnl) {
  StreakSpan one{.trades = 1, .first = sign_of_pnl, .last = sign_of_pnl};
  one.win_max = sign_of_pnl > 0 ? 1 : 0;
  one.loss_max = sign_of_pnl < 0 ? 1 : 0;
  append(one);
}

void StreakSpan::append(const StreakSpan& later) {
  if (later.trades == 0) return;
  if (trades == 0) {
    *this = later;
    return;
  }
  const bool joins = (last > 0 && later.first > 0) || (last < 0 && later.first < 0);
  const std::int64_t joined = last + later.first;
  const bool is_one_run = length_of(first) == trades;
  const bool later_is_one_run = length_of(later.last) == later.trades;
  win_max = std::max(win_max, later.win_max);
  loss_max = std::max(loss_max, later.loss_max);
  if (joins) {
    std::uint64_t& longest = joined > 0 ? win_max : loss_max;
    longest = std::max(longest, length_of(joined));
    if (is_one_run) first = joined;
  }
  last = joins && later_is_one_run ? joined : later.last;
  trades += later.trades;
}

// ── trades ───────────────────────────────────────────────────────────────────────────────────────

void TradeSpan::add(const TradeRow& row) {
  summary.add(row);
  if (const auto pnl = counted_pnl_unrounded(row)) streaks.add(*pnl > 0 ? 1 : *pnl < 0 ? -1 : 0);
  last_exit_ns = std::max(last_exit_ns, row.exit_time_ns);
}

void TradeSpan::append(const TradeSpan& later) {
  summary.merge(later.summary);
  streaks.append(later.streaks);
  last_exit_ns = std::max(last_exit_ns, later.last_exit_ns);
}

std::vector<Figure> TradeSpan::streak_figures() const {
  return model::streak_figures(
      summary.trades,
      {.win_max = streaks.win_max, .loss_max = streaks.loss_max, .current = streaks.last});
}

void TradeSpan::encode(ByteWriter& writer) const {
  summary.encode(writer);
  writer.varint(streaks.trades);
  writer.zigzag(streaks.first);
  writer.zigzag(streaks.last);
  writer.varint(streaks.win_max);
  writer.varint(streaks.loss_max);
  writer.zigzag(last_exit_ns);
}

std::optional<TradeSpan> TradeSpan::decode(ByteReader& reader) {
  auto summary = TradeSummary::decode(reader);
  if (!summary) return std::nullopt;
  TradeSpan span{.summary = std::move(*summary), .streaks = {}, .last_exit_ns = kNoTime};
  StreakSpan& streaks = span.streaks;
  streaks.trades = reader.varint();
  streaks.first = reader.zigzag();
  streaks.last = reader.zigzag();
  streaks.win_max = reader.varint();
  streaks.loss_max = reader.varint();
  span.last_exit_ns = reader.zigzag();
  const bool holds = streaks.trades <= span.summary.trades && streaks.first != kNoTime &&
                     streaks.last != kNoTime && length_of(streaks.first) <= streaks.trades &&
                     length_of(streaks.last) <= streaks.trades &&
                     streaks.win_max <= streaks.trades && streaks.loss_max <= streaks.trades;
  if (!reader.ok() || !holds) return std::nullopt;
  return span;
}

void AccountTrades::add(const TradeRow& row) {
  trades.add(row);
  ExitReason& reason = reasons[row.exit_reason];
  ++reason.closes;
  if (const auto pnl = counted_pnl_unrounded(row)) {
    reason.pnl_e24.add(*pnl);
  } else {
    ++reason.without_pnl;
  }
}

void AccountTrades::append(const AccountTrades& later) {
  trades.append(later.trades);
  for (const auto& [name, reason] : later.reasons) {
    ExitReason& own = reasons[name];
    own.closes += reason.closes;
    own.without_pnl += reason.without_pnl;
    own.pnl_e24.merge(reason.pnl_e24);
  }
}

void AccountTrades::encode(ByteWriter& writer) const {
  trades.encode(writer);
  writer.varint(reasons.size());
  for (const auto& [name, reason] : reasons) {
    writer.text(name);
    writer.varint(reason.closes);
    writer.varint(reason.without_pnl);
    writer.boolean(reason.pnl_e24.overflow);
    writer.i128(reason.pnl_e24.value);
  }
}

std::optional<AccountTrades> AccountTrades::decode(ByteReader& reader) {
  auto trades = TradeSpan::decode(reader);
  if (!trades) return std::nullopt;
  AccountTrades account{.trades = std::move(*trades), .reasons = {}};
  const std::size_t count = reader.count(5);
  for (std::size_t i = 0; i < count; ++i) {
    ExitReason& reason = account.reasons[reader.text()];
    reason.closes = reader.varint();
    reason.without_pnl = reader.varint();
    reason.pnl_e24.overflow = reader.boolean();
    reason.pnl_e24.value = reader.i128();
    if (reason.closes > account.trades.summary.trades || reason.without_pnl > reason.closes)
      return std::nullopt;
  }
  if (!reader.ok()) return std::nullopt;
  return account;
}

// ── signals ──────────────────────────────────────────────────────────────────────────────────────

void SignalSpan::add(std::string_view signal_id) {
  if (signal_id.empty()) {
    ++inside;
  } else {
    shared.emplace(signal_id);
  }
}

void SignalSpan::merge(const SignalSpan& other) {
  inside += other.inside;
  shared.insert(other.shared.begin(), other.shared.end());
}

void SignalSpan::settle(const std::set<std::string>& elsewhere) {
  inside += std::erase_if(shared, [&](const std::string& id) { return !elsewhere.contains(id); });
}

void SignalSpan::encode(ByteWriter& writer) const {
  writer.varint(inside);
  writer.varint(shared.size());
  for (const std::string& id : shared) writer.text(id);
}

std::optional<SignalSpan> SignalSpan::decode(ByteReader& reader) {
  SignalSpan span;
  span.inside = reader.varint();
  const std::size_t count = reader.count(1);
  for (std::size_t i = 0; i < count; ++i) span.shared.insert(reader.text());
  if (!reader.ok() || span.inside > kSamplesMax || span.shared.size() != count) return std::nullopt;
  return span;
}

void SignalSpans::merge(const SignalSpans& other) {
  all.merge(other.all);
  for (const auto& [reason, span] : other.suppressed) suppressed[reason].merge(span);
  placements.merge(other.placements);
}

void SignalSpans::settle(const std::set<std::string>& elsewhere) {
  all.settle(elsewhere);
  for (auto& [reason, span] : suppressed) span.settle(elsewhere);
}

void SignalSpans::encode(ByteWriter& writer) const {
  all.encode(writer);
  writer.varint(suppressed.size());
  for (const auto& [reason, span] : suppressed) {
    writer.text(reason);
    span.encode(writer);
  }
  placements.encode(writer);
}

std::optional<SignalSpans> SignalSpans::decode(ByteReader& reader) {
  SignalSpans spans;
  auto all = SignalSpan::decode(reader);
  if (!all) return std::nullopt;
  spans.all = std::move(*all);
  const std::size_t count = reader.count(3);
  for (std::size_t i = 0; i < count; ++i) {
    std::string reason = reader.text();
    auto span = SignalSpan::decode(reader);
    if (!span) return std::nullopt;
    spans.suppressed.emplace(std::move(reason), std::move(*span));
  }
  auto placements = LatencySummary::decode(reader);
  if (!placements || !reader.ok()) return std::nullopt;
  spans.placements = std::move(*placements);
  return spans;
}

}  // namespace ddt::model
