#include "api/history/equity.hpp"

#include <string>
#include <utility>
#include <vector>

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

}  // namespace

Status for_each_equity_minute(Stores& stores, std::int32_t profile_id, const Range& minutes,
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
