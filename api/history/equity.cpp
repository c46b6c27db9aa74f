#include "api/history/equity.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "api/history/pieces.hpp"
#include "api/history/rows.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr std::int64_t kMinutesPerRead = 20'000;
constexpr std::size_t kStateColumn = 22;

const std::string kColumns =
    "minute, open, high, low, close, open_time, high_time, low_time, close_time, mdd, mdd_pct, "
    "unrealized_pnl, realized_pnl, margin_used, margin_available, open_positions_count, cash_flow, "
    "readings, margin_pct_sum, margin_pct_max, margin_readings, metadata, state";

// e8 of a column that is never NULL; 0 for what does not fit (nothing of ours wrote it).
std::int64_t level_of(const sql::Row& row, std::size_t column) {
  const std::int64_t value_e8 = e8_of(row, column);
  return is_null(value_e8) ? 0 : value_e8;
}

std::int64_t count_of(const sql::Row& row, std::size_t column, std::int64_t otherwise) {
  return row.is_null(column) ? otherwise : row.integer(column);
}

// The state holds the minute exactly; rows that others wrote have their columns only.
std::optional<model::EquityMinute> minute_of_state(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return std::nullopt;
  model::ByteReader reader(row.text(column));
  auto state = model::EquityMinute::decode(reader);
  return state && state->readings > 0 ? std::move(state) : std::nullopt;
}

model::EquityMinute minute_of(const sql::Row& row) {
  if (auto state = minute_of_state(row, kStateColumn)) return *std::move(state);
  model::EquityMinute minute;
  minute.open_e8 = level_of(row, 1);
  minute.high_e8 = level_of(row, 2);
  minute.low_e8 = level_of(row, 3);
  minute.close_e8 = level_of(row, 4);
  minute.open_time_ns = time_ns_of(row, 5);
  minute.high_time_ns = time_ns_of(row, 6);
  minute.low_time_ns = time_ns_of(row, 7);
  minute.close_time_ns = time_ns_of(row, 8);
  minute.mdd_e8 = level_of(row, 9);
  minute.mdd_pct_e8 = level_of(row, 10);
  minute.unrealized_pnl_e8 = e8_of(row, 11);
  minute.realized_pnl_e8 = e8_of(row, 12);
  minute.margin_used_e8 = e8_of(row, 13);
  minute.margin_available_e8 = e8_of(row, 14);
  minute.open_positions_count = static_cast<std::int32_t>(count_of(row, 15, -1));
  minute.has_cash_flow = !row.is_null(16);
  minute.cash_flow_e8 = minute.has_cash_flow ? level_of(row, 16) : 0;
  minute.readings = static_cast<std::uint32_t>(count_of(row, 17, 1));
  minute.margin_pct_sum_e8 = e8_of(row, 18) == kNullE8 ? 0 : e8_of(row, 18);
  minute.margin_pct_max_e8 = e8_of(row, 19);
  minute.margin_readings = static_cast<std::uint32_t>(count_of(row, 20, 0));
  minute.metadata = text_of(row, 21);
  if (minute.open_time_ns == model::kNoTime) minute.open_time_ns = time_ns_of(row, 0);
  if (minute.close_time_ns == model::kNoTime) minute.close_time_ns = minute.open_time_ns;
  minute.derive_levels();
  return minute;
}

// Calls use() for every minute of the stretch, in time order.
Status for_each_equity_minute(Stores& stores, std::int32_t profile_id,
                              const model::Stretch& minutes,
                              const std::function<void(const model::EquityMinute&)>& use) {
  // Two columns instead of 23 where every row has its state: several times faster over a month.
  static const std::string kFromRange =
      " FROM dd_equity_minute WHERE profile_id = ? AND minute >= ? AND minute < ? "
      "AND minute > ? ORDER BY minute LIMIT ?";
  static const std::string kStates = "SELECT minute, state" + kFromRange;
  static const std::string kRows = "SELECT " + kColumns + kFromRange;
  sql::Value after = time_value(minutes.from_ns - model::kNsPerMinute);
  for (;;) {
    const std::vector<sql::Value> params{std::int64_t{profile_id}, time_value(minutes.from_ns),
                                         time_value(minutes.to_ns), after, kMinutesPerRead};
    auto rows = stores.query(kStates, params);
    if (!rows) return rows.error();
    std::vector<model::EquityMinute> read;
    read.reserve(rows->size());
    for (const sql::Row& row : *rows) {
      auto state = minute_of_state(row, 1);
      if (!state) break;
      read.push_back(*std::move(state));
    }
    if (read.size() < rows->size()) {
      read.clear();
      rows = stores.query(kRows, params);
      if (!rows) return rows.error();
      for (const sql::Row& row : *rows) read.push_back(minute_of(row));
    }
    for (const model::EquityMinute& minute : read) use(minute);
    if (rows->size() < static_cast<std::size_t>(kMinutesPerRead)) return Done{};
    after = std::string(rows->back().text(0));
  }
}

class HistoryOfEquity {
 public:
  HistoryOfEquity(Stores& stores, std::int32_t profile_id,
                  const std::optional<model::WindowType>& window,
                  const std::optional<model::EquityMinute>& before)
      : stores_(stores), profile_id_(profile_id), window_(window) {
    if (before) previous_ = {before->close_e8, before->close_time_ns};
  }

  Status add(const model::Piece& piece, bool is_in_range) {
    if (!piece.type) {
      return for_each_equity_minute(stores_, profile_id_, piece.stretch, [&](const auto& minute) {
        const auto one = model::EquitySpan::of(minute);
        for (model::EquitySpan* span : spans_at(minute.open_time_ns, is_in_range))
          span->append(one);
        previous_ = {minute.close_e8, minute.close_time_ns};
      });
    }
    const auto later = equity_in(piece);
    if (later.is_empty()) return Done{};
    for (model::EquitySpan* span : spans_at(piece.stretch.from_ns, is_in_range)) {
      if (auto appended = append(piece, later, *span); !appended) return appended;
    }
    previous_ = {later.last().close_e8, later.last().close_time_ns};
    return Done{};
  }

  EquityHistory take() && { return std::move(history_); }

 private:
  struct Reading {
    std::int64_t equity_e8 = 0, time_ns = model::kNoTime;
  };

  static model::EquitySpan equity_in(const model::Piece& piece) {
    return *model::span_in<model::EquitySpan>(model::sections_of(piece.state)->first);
  }

  model::EquitySpan opened() const {
    return previous_.time_ns == model::kNoTime
               ? model::EquitySpan()
               : model::EquitySpan::after(previous_.equity_e8, previous_.time_ns);
  }

  // Those that a minute at this time belongs to, begun where they were not.
  std::vector<model::EquitySpan*> spans_at(std::int64_t time_ns, bool is_in_range) {
    std::vector<model::EquitySpan*> spans;
    if (window_) {
      const auto key = model::window_containing(*window_, time_ns);
      const auto [span, is_new] = history_.windows.try_emplace(key);
      if (is_new) span->second = opened();
      spans.push_back(&span->second);
    }
    if (is_in_range) {
      if (!has_begun_) history_.range = opened();
      has_begun_ = true;
      spans.push_back(&history_.range);
    }
    return spans;
  }

  // In pieces small enough to be exact.
  Status append(const model::Piece& piece, const model::EquitySpan& later,
                model::EquitySpan& span) {
    if (span.is_exact(later)) {
      span.append(later);
      return Done{};
    }
    if (piece.type == model::WindowType::hour) return append_minutes(piece.stretch, span);
    const auto shorter =
        piece.type == model::WindowType::day ? model::WindowType::hour : model::WindowType::day;
    const auto pieces = pieces_of(stores_, profile_id_, "equity", piece.stretch, shorter);
    if (!pieces) return pieces.error();
    for (const model::Piece& one : *pieces) {
      if (!one.type) {
        if (auto done = append_minutes(one.stretch, span); !done) return done;
        continue;
      }
      if (auto done = append(one, equity_in(one), span); !done) return done;
    }
    return Done{};
  }

  Status append_minutes(const model::Stretch& stretch, model::EquitySpan& span) {
    return for_each_equity_minute(stores_, profile_id_, stretch, [&](const auto& minute) {
      span.append(model::EquitySpan::of(minute));
    });
  }

  Stores& stores_;
  const std::int32_t profile_id_;
  const std::optional<model::WindowType>& window_;
  Reading previous_;
  bool has_begun_ = false;
  EquityHistory history_;
};

Result<EquityHistory> read_history(Stores& stores, std::int32_t profile_id, const Range& range,
                                   const std::optional<model::WindowType>& window) {
  const Range whole = whole_windows(range, window);
  const auto before = last_equity_minute_before(stores, profile_id, whole.from_ns);
  if (!before) return before.error();
  const auto pieces = pieces_of_range(stores, profile_id, "equity", range, whole, window);
  if (!pieces) return pieces.error();
  HistoryOfEquity history(stores, profile_id, window, *before);
  for (const auto& [piece, is_in_range] : *pieces) {
    if (auto added = history.add(piece, is_in_range); !added) return added.error();
  }
  return std::move(history).take();
}

}  // namespace

Result<EquityHistory> equity_history(Stores& stores, std::int32_t profile_id, const Range& range,
                                     const std::optional<model::WindowType>& window) {
  return stores.in_snapshot([&] { return read_history(stores, profile_id, range, window); });
}

Result<std::optional<model::EquityMinute>> last_equity_minute_before(Stores& stores,
                                                                     std::int32_t profile_id,
                                                                     std::int64_t time_ns) {
  static const std::string kSql =
      "SELECT " + kColumns +
      " FROM dd_equity_minute WHERE profile_id = ? AND minute < ? ORDER BY minute DESC LIMIT 1";
  const auto rows = stores.query(kSql, {std::int64_t{profile_id}, time_value(time_ns)});
  if (!rows) return rows.error();
  if (rows->empty()) return std::optional<model::EquityMinute>{};
  return std::optional<model::EquityMinute>(minute_of(rows->front()));
}

}  // namespace ddt::api
