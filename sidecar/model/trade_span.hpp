// sidecar/model/trade_span.hpp — trades and signals of a span of time as states that join: hour to day to range.
//
// Order     append() takes the span that follows; rows go in by (exit time, segment, lane, position).
// Equality  A span made of parts equals the span made of all its rows, streaks included.
// Formats   encode() writes what decode() reads; decode() of any bytes gives a state that holds its
//           invariants, or nullopt (docs/formats/window_state.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/model/bytes.hpp"
#include "sidecar/model/trades.hpp"

namespace ddt::model {

// Runs of wins and losses; a flat trade ends both, one without pnl is passed over.
struct StreakSpan {
  std::uint64_t trades = 0;          // with pnl
  std::int64_t first = 0, last = 0;  // the runs at both ends: > 0 wins, < 0 losses, 0 a flat trade
  std::uint64_t win_max = 0, loss_max = 0;

  void add(int sign_of_pnl);
  void append(const StreakSpan& later);
  bool operator==(const StreakSpan&) const = default;
};

struct TradeSpan {
  TradeSummary summary;
  StreakSpan streaks;
  std::int64_t last_exit_ns = kNoTime;

  void add(const TradeRow& row);
  void append(const TradeSpan& later);
  // win_streak_max, loss_streak_max, current_streak; null with no_trades when there are none.
  std::vector<Figure> streak_figures() const;

  void encode(ByteWriter& writer) const;
  static std::optional<TradeSpan> decode(ByteReader& reader);
  bool operator==(const TradeSpan&) const = default;
};

// By exit_reason, "" included.
struct ExitReason {
  std::uint64_t closes = 0, without_pnl = 0;
  CheckedSum pnl_e24;
  bool operator==(const ExitReason&) const = default;
};

// All trades of an account.
struct AccountTrades {
  TradeSpan trades;
  std::map<std::string, ExitReason, std::less<>> reasons;

  void add(const TradeRow& row);
  void append(const AccountTrades& later);
  void encode(ByteWriter& writer) const;
  static std::optional<AccountTrades> decode(ByteReader& reader);
};

// Signals, one per signal_id. An id whose Records lie in several spans must be known by name in each of them.
struct SignalSpan {
  std::uint64_t inside = 0;  // ids all of whose Records lie in this span, and signals without an id
  std::set<std::string> shared;  // ids of which that is not known, or not so

  void add(std::string_view signal_id);  // "" = none
  void merge(const SignalSpan& other);
  std::uint64_t count() const noexcept { return inside + shared.size(); }
  // Those of `shared` that are not in `elsewhere` lie inside.
  void settle(const std::set<std::string>& elsewhere);

  void encode(ByteWriter& writer) const;
  static std::optional<SignalSpan> decode(ByteReader& reader);
  bool operator==(const SignalSpan&) const = default;
};

// All signals, those that were not traded by their reason, and how long their orders took to be answered.
struct SignalSpans {
  SignalSpan all;
  std::map<std::string, SignalSpan, std::less<>> suppressed;
  LatencySummary placements;

  void merge(const SignalSpans& other);
  void settle(const std::set<std::string>& elsewhere);
  void encode(ByteWriter& writer) const;
  static std::optional<SignalSpans> decode(ByteReader& reader);
};

}  // namespace ddt::model
