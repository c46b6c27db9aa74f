// Spans that were put together say what the fold over their parts says: random histories, cut anywhere.
#include <gtest/gtest.h>

#include <vector>

#include "sidecar/model/equity_span.hpp"
#include "sidecar/model/order_span.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/model/trade_span.hpp"
#include "sidecar/model/window_cover.hpp"
#include "tests/support/dice.hpp"

namespace ddt::model {
namespace {

using test::Dice;

constexpr std::int64_t kMinuteNs = 60'000'000'000;

std::vector<EquityMinute> random_minutes(Dice& dice, std::size_t count, std::int64_t equity_e8) {
  std::vector<EquityMinute> minutes;
  const std::int64_t step = dice.once_in(2) ? 3 : 300;
  for (std::size_t i = 0; i < count; ++i) {
    if (dice.once_in(6)) continue;  // silence
    EquityMinute minute;
    const auto start_ns = static_cast<std::int64_t>(i) * kMinuteNs;
    std::int64_t time_ns = start_ns;
    for (std::int64_t n = dice.between(1, 4); n > 0; --n) {
      time_ns += dice.between(0, 9) * 1'000'000'000;
      EquityReading reading{.time_ns = time_ns, .metadata = {}};
      if (dice.once_in(40)) {
        reading.cash_flow_e8 = dice.between(-50, 80) * kE8;
        equity_e8 += reading.cash_flow_e8;
      }
      equity_e8 += dice.between(-step, step) * kE8;
      reading.account_equity_e8 = equity_e8;
      minute.add(reading);
    }
    minutes.push_back(minute);
  }
  return minutes;
}

std::string text_of(const std::optional<Drawdown>& drawdown) {
  if (!drawdown) return "none";
  return std::to_string(drawdown->max_drawdown_e8) + " " +
         std::to_string(drawdown->max_drawdown_pct_e8) + "% " +
         std::to_string(drawdown->peak_time_ns) + " to " +
         std::to_string(drawdown->trough_time_ns) + " now " +
         std::to_string(drawdown->drawdown_current_e8) + " under " +
         std::to_string(drawdown->longest_underwater_ns) +
         (drawdown->unadjusted ? " unadjusted" : "");
}

// Appends the minutes as one state where that is exact, else in halves; counts the states.
void append_in_pieces(EquitySpan& span, std::span<const EquityMinute> minutes, int& states) {
  EquitySpan part;
  bool is_state = true;
  for (const EquityMinute& minute : minutes) {
    const auto one = EquitySpan::of(minute);
    is_state = is_state && part.is_exact(one);
    part.append(one);
  }
  std::string bytes = section_of(part);
  const auto stored = span_in<EquitySpan>(bytes);
  ASSERT_TRUE(stored);
  ASSERT_EQ(section_of(*stored), bytes);
  if (is_state && span.is_exact(*stored)) {
    span.append(*stored);
    states += minutes.size() > 1 ? 1 : 0;
    return;
  }
  ASSERT_GT(minutes.size(), 1U) << "a single minute is always exact";
  const std::size_t half = minutes.size() / 2;
  append_in_pieces(span, minutes.first(half), states);
  append_in_pieces(span, minutes.subspan(half), states);
}

TEST(EquitySpan, SaysWhatTheFoldOverItsMinutesSays) {
  int states = 0;
  for (std::uint32_t seed = 1; seed <= 3'000; ++seed) {
    Dice dice(seed);
    const std::int64_t begin_e8 = (dice.once_in(4) ? dice.between(-20, 60) : 1'000) * kE8;
    const auto minutes =
        random_minutes(dice, static_cast<std::size_t>(dice.between(1, 60)), begin_e8);
    const bool is_opened = dice.once_in(2);
    const std::int64_t opening_e8 = begin_e8 + dice.between(-100, 100) * kE8;
    DrawdownFold fold = is_opened ? DrawdownFold(opening_e8, -kMinuteNs) : DrawdownFold();
    EquitySpan span = is_opened ? EquitySpan::after(opening_e8, -kMinuteNs) : EquitySpan();
    for (const EquityMinute& minute : minutes) fold.add(minute);
    const std::span<const EquityMinute> all(minutes);
    for (std::size_t at = 0; at < all.size();) {
      const auto length =
          std::min<std::size_t>(static_cast<std::size_t>(dice.between(1, 20)), all.size() - at);
      append_in_pieces(span, all.subspan(at, length), states);
      at += length;
    }
    ASSERT_EQ(text_of(span.drawdown()), text_of(fold.result())) << "seed " << seed;
    if (!minutes.empty()) {
      ASSERT_EQ(span.last(), minutes.back());
    }
  }
  EXPECT_GT(states, 5'000) << "the states were hardly ever used";
}

TEST(StreakSpan, SaysWhatTheRowsSay) {
  for (std::uint32_t seed = 1; seed <= 500; ++seed) {
    Dice dice(seed);
    std::vector<TradeRow> rows;
    TradeSpan whole, part;
    const std::int64_t luck = dice.between(1, 6);
    for (std::int64_t i = dice.between(0, 40); i > 0; --i) {
      TradeRow row;
      row.exit_time_ns = static_cast<std::int64_t>(rows.size());
      if (!dice.once_in(8))
        row.stored_pnl_e8 = (dice.once_in(9) ? 0 : dice.between(0, 6) < luck ? 1 : -1) * kE8;
      rows.push_back(row);
      part.add(row);
      if (!dice.once_in(4)) continue;
      const std::string bytes = section_of(part);
      const auto stored = span_in<TradeSpan>(bytes);
      ASSERT_TRUE(stored);
      whole.append(*stored);
      part = {};
    }
    whole.append(part);
    TradeSummary summary;
    for (const TradeRow& row : rows) summary.add(row);
    EXPECT_EQ(whole.summary, summary);
    EXPECT_EQ(whole.streak_figures(), streak_figures(rows)) << "seed " << seed;
  }
}

TEST(SignalSpan, CountsAnIdOnceThatLiesInTwoSpans) {
  SignalSpan first, second;
  for (const char* id : {"a", "b", ""}) first.add(id);
  for (const char* id : {"b", "c", "c", ""}) second.add(id);
  first.settle({"b"});
  second.settle({"b"});
  EXPECT_EQ(first.inside, 2U);
  EXPECT_EQ(first.count(), 3U);
  first.merge(second);
  EXPECT_EQ(first.count(), 5U) << "a, b, c, and two without an id";
}

TEST(OrderSpans, CountAChainWhereItBeganAndWhereItEnded) {
  OrderClosure closure;
  const auto row = [](const char* id, const char* status, std::int64_t time_ns) {
    return OrderRow{.order_id = id,
                    .parent_order_id = {},
                    .status = status,
                    .order_type = "limit",
                    .side = "buy",
                    .event_time_ns = time_ns};
  };
  closure.add(row("o1", "new", 5), "listener");
  closure.add(row("o1", "filled", 15), "monitor");
  closure.add(row("o1", "pending", 25), "monitor");  // after its end
  OrderSpans spans[3], whole;
  for (const KnownChain& chain : closure.chains()) {
    for (std::int64_t i = 0; i < 3; ++i) spans[i].add(chain, i * 10, i * 10 + 10);
    whole.add(chain, 0, 30);
  }
  EXPECT_EQ(spans[0].of("").figures.total_orders, 1U);
  EXPECT_EQ(spans[0].of("").figures.filled_orders, 0U);
  EXPECT_EQ(spans[1].of("").figures.filled_orders, 1U);
  EXPECT_EQ(spans[2].of("").figures.illegal_transitions, 1U);
  EXPECT_EQ(spans[1].of("listener").figures.filled_orders, 1U) << "it placed the order";
  OrderSpans joined;
  for (const OrderSpans& span : spans) {
    const auto stored = span_in<OrderSpans>(section_of(span));
    ASSERT_TRUE(stored);
    joined.merge(*stored);
  }
  EXPECT_EQ(section_of(joined), section_of(whole));
}

// ── covers ───────────────────────────────────────────────────────────────────────────────────────

std::int64_t at(const char* text) { return *parse_time(text); }

TEST(Cover, TakesTheLongestWindowsAndLeavesTheEdgesToRows) {
  std::vector<std::string> asked;
  const auto read = [&](WindowType type,
                        const Stretch& stretch) -> Result<std::vector<StoredState>> {
    asked.push_back(std::string(name_of(type)) + " " + rfc3339(stretch.from_ns).substr(0, 16));
    std::vector<StoredState> states;
    for (auto window = window_containing(type, stretch.from_ns); window.start_ns < stretch.to_ns;
         window = next(window))
      states.push_back({window.start_ns, 7, state_of_sections(7, "", "")});
    return states;
  };
  const Stretch range{at("2026-01-30T22:30:00Z"), at("2026-03-02T01:15:00Z")};
  const auto pieces = cover(range, WindowType::month, read);
  ASSERT_TRUE(pieces);
  std::string text;
  std::int64_t end_ns = range.from_ns;
  for (const Piece& piece : *pieces) {
    EXPECT_EQ(piece.stretch.from_ns, end_ns);
    end_ns = piece.stretch.to_ns;
    text += piece.type ? name_of(*piece.type).substr(0, 1) : "r";
  }
  EXPECT_EQ(end_ns, range.to_ns);
  EXPECT_EQ(text, "rhdmdhr");
}

TEST(Cover, GoesDownWhereAStateIsMissingOrOfAnotherFormat) {
  const auto read = [](WindowType type,
                       const Stretch& stretch) -> Result<std::vector<StoredState>> {
    if (type == WindowType::month)
      return std::vector<StoredState>{{stretch.from_ns, 7, "\x7f old"}};
    std::vector<StoredState> states;
    if (type == WindowType::day) {
      for (auto day = window_containing(type, stretch.from_ns); day.start_ns < stretch.to_ns;
           day = next(day)) {
        if (day.start_ns != at("2026-02-10T00:00:00Z"))
          states.push_back({day.start_ns, 7, state_of_sections(7, "", "")});
      }
    }
    return states;
  };
  const auto pieces =
      cover({at("2026-02-01T00:00:00Z"), at("2026-03-01T00:00:00Z")}, WindowType::month, read);
  ASSERT_TRUE(pieces);
  ASSERT_EQ(pieces->size(), 28U);
  EXPECT_FALSE((*pieces)[9].type) << "the 10th: no hour has a state, so its rows";
  EXPECT_EQ((*pieces)[9].stretch.to_ns - (*pieces)[9].stretch.from_ns, kNsPerDay);
}

// States of every day of February; `of_tenth` is what the row of the 10th has.
Result<std::vector<Piece>> cover_of_february(const StoredState& of_tenth,
                                             const std::set<std::int64_t>& not_at = {}) {
  const auto read = [&](WindowType type,
                        const Stretch& stretch) -> Result<std::vector<StoredState>> {
    std::vector<StoredState> states;
    if (type != WindowType::day) return states;
    for (auto day = window_containing(type, stretch.from_ns); day.start_ns < stretch.to_ns;
         day = next(day)) {
      states.push_back({day.start_ns, 300, state_of_sections(300, "", "")});
      if (day.start_ns == at("2026-02-10T00:00:00Z"))
        states.back() = {day.start_ns, of_tenth.revision, of_tenth.state};
    }
    return states;
  };
  return cover({at("2026-02-01T00:00:00Z"), at("2026-03-01T00:00:00Z")}, WindowType::month, read,
               not_at);
}

bool has_tenth(const Result<std::vector<Piece>>& pieces) {
  return pieces && pieces->size() == 28 && (*pieces)[9].type == WindowType::day;
}

TEST(Cover, TakesNoStateThatIsNotOfTheFiguresBesideIt) {
  const std::string state = state_of_sections(300, "", "");
  EXPECT_TRUE(has_tenth(cover_of_february({0, 300, state})));
  EXPECT_FALSE(has_tenth(cover_of_february({0, 301, state}))) << "figures of another binary";
  EXPECT_FALSE(has_tenth(cover_of_february({0, 44, state}))) << "the lowest byte is not all";
  EXPECT_FALSE(has_tenth(cover_of_february({0, 300, state_without_sections(300)})));
  EXPECT_FALSE(has_tenth(cover_of_february({0, 300, state.substr(0, 3)})));
  EXPECT_FALSE(has_tenth(cover_of_february({0, 300, ""})));
}

TEST(Cover, TakesNoWindowInWhichATimeIsToBeReadFromRows) {
  const StoredState tenth{0, 300, state_of_sections(300, "", "")};
  EXPECT_TRUE(has_tenth(cover_of_february(tenth, {at("2026-02-11T00:00:00Z")})));
  EXPECT_FALSE(has_tenth(cover_of_february(tenth, {at("2026-02-10T00:00:00Z")})));
  EXPECT_FALSE(has_tenth(cover_of_february(tenth, {at("2026-02-10T23:59:59Z")})));
}

TEST(Cover, LeavesAStateOffThatIsTooLongForAPacket) {
  const std::string most(kStateBytesMax, 'x');
  EXPECT_TRUE(sections_of(state_of_sections(1, most, "")));
  EXPECT_FALSE(sections_of(state_of_sections(1, most, "x")));
  EXPECT_EQ(revision_of(state_of_sections(0xfedcba98, most, "x")), 0xfedcba98);
}

}  // namespace
}  // namespace ddt::model
