#include "sidecar/figures/read_facts.hpp"

#include <algorithm>
#include <tuple>

#include "sidecar/model/time.hpp"
#include "sidecar/rollup/rows.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::int64_t kSliceNs = 4 * model::kNsPerDay;

std::int64_t e8_of(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return kNullE8;
  return e8_from_string(row.text(column)).value_or(kNullE8);
}
std::int64_t time_of(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return model::kNoTime;
  return model::parse_mysql_datetime(row.text(column)).value_or(model::kNoTime);
}
std::string text_of(const sql::Row& row, std::size_t column) {
  return row.is_null(column) ? std::string() : std::string(row.text(column));
}

std::optional<std::string> optional_text(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return std::nullopt;
  return std::string(row.text(column));
}

// Calls use(row) for the rows of sql(profile, from, to) over all spans.
template <typename Use>
Status for_each_row(sql::Connection& mysql, const std::string& sql, std::int32_t profile_id,
                    std::span<const TimeSpan> spans, Use use) {
  for (const TimeSpan& span : spans) {
    for (std::int64_t from_ns = span.from_ns; from_ns < span.to_ns; from_ns += kSliceNs) {
      const std::int64_t to_ns = std::min(span.to_ns, from_ns + kSliceNs);
      const std::vector<sql::Value> params{value_of_id(profile_id), value_of_time(from_ns),
                                           value_of_time(to_ns)};
      const auto rows = mysql.query(sql, params);
      if (!rows) return rows.error();
      for (const sql::Row& row : *rows) {
        if (auto used = use(row); !used) return used;
      }
    }
  }
  return Done{};
}

model::TradeRow trade_of(const sql::Row& row) {
  model::TradeRow trade;
  trade.name.position = row.unsigned_integer(0);  // rows from before: the id orders them
  if (!row.is_null(18) && row.text(18).size() == trade.name.segment_id.size()) {
    std::ranges::copy(row.text(18), trade.name.segment_id.begin());
    trade.name.lane = static_cast<std::uint32_t>(row.unsigned_integer(19));
    trade.name.position = row.unsigned_integer(20);
  }
  trade.exit_time_ns = time_of(row, 1);
  trade.symbol = text_of(row, 2);
  trade.trade_type = text_of(row, 3);
  trade.side = text_of(row, 4);
  trade.quantity_e8 = e8_of(row, 5);
  const std::int64_t multiplier_e8 = e8_of(row, 6);
  trade.multiplier_e8 =
      is_null(multiplier_e8) ? model::default_multiplier_e8(trade.symbol) : multiplier_e8;
  trade.entry_price_e8 = e8_of(row, 7);
  trade.exit_price_e8 = e8_of(row, 8);
  trade.reference_price_e8 = e8_of(row, 9);
  trade.fees_e8 = e8_of(row, 10);
  trade.entry_time_ns = time_of(row, 11);
  trade.stored_pnl_e8 = e8_of(row, 12);
  trade.signal_id = text_of(row, 13);
  trade.direction = text_of(row, 14);
  trade.exit_reason = text_of(row, 15);
  trade.bar_strength_e8 = e8_of(row, 16);
  trade.candle_size_e8 = e8_of(row, 17);
  return trade;
}

// nullopt for a row that holds no state (nothing of ours was written to it yet).
Result<std::optional<MinuteRow>> minute_of(const sql::Row& row) {
  if (row.is_null(1)) return std::optional<MinuteRow>{};
  model::ByteReader reader(row.text(1));
  auto state = model::EquityMinute::decode(reader);
  if (!state)
    return Error{.message =
                     "mysql: dd_equity_minute: undecodable state of " + std::string(row.text(0))};
  if (state->readings == 0) return std::optional<MinuteRow>{};
  return std::optional(MinuteRow{.start_ns = time_of(row, 0), .equity = *std::move(state)});
}

}  // namespace

std::vector<TimeSpan> joined_spans(std::span<const model::Window> windows) {
  std::vector<TimeSpan> spans;
  for (const model::Window& window : windows) spans.push_back({window.start_ns, window.end_ns});
  std::ranges::sort(spans, {}, &TimeSpan::from_ns);
  std::vector<TimeSpan> joined;
  for (const TimeSpan& span : spans) {
    if (!joined.empty() && span.from_ns - model::kNsPerDay <= joined.back().to_ns) {
      joined.back().to_ns = std::max(joined.back().to_ns, span.to_ns);
    } else {
      joined.push_back(span);
    }
  }
  return joined;
}

Result<std::vector<model::TradeRow>> read_trades(sql::Connection& mysql, std::int32_t profile_id,
                                                 std::span<const TimeSpan> spans) {
  static const std::string kSql =
      "SELECT id, exit_time, symbol, trade_type, side, quantity, multiplier, entry_price, "
      "exit_price, reference_price, fees, entry_time, pnl, signal_id, direction, exit_reason, "
      "bar_strength, candle_size, segment_id, lane, position FROM dd_trade_performance "
      "WHERE profile_id = ? AND exit_time >= ? AND exit_time < ? ORDER BY exit_time, id";
  std::vector<model::TradeRow> trades;
  const Status done = for_each_row(mysql, kSql, profile_id, spans, [&](const sql::Row& row) {
    trades.push_back(trade_of(row));
    return Status(Done{});
  });
  if (!done) return done.error();
  std::ranges::stable_sort(trades, {}, [](const model::TradeRow& trade) {
    return std::tie(trade.exit_time_ns, trade.name);
  });
  return trades;
}

Result<std::vector<SignalRow>> read_signals(sql::Connection& mysql, std::int32_t profile_id,
                                            std::span<const TimeSpan> spans) {
  static const std::string kSql =
      "SELECT event_time, signal_id, fate, reason FROM dd_signals "
      "WHERE profile_id = ? AND event_time >= ? AND event_time < ? ORDER BY event_time";
  std::vector<SignalRow> signals;
  const Status done = for_each_row(mysql, kSql, profile_id, spans, [&](const sql::Row& row) {
    signals.push_back({.event_time_ns = time_of(row, 0),
                       .signal_id = text_of(row, 1),
                       .fate = text_of(row, 2),
                       .reason = text_of(row, 3)});
    return Status(Done{});
  });
  if (!done) return done.error();
  return signals;
}

Result<std::map<std::string, std::vector<std::int64_t>>> read_signals_elsewhere(
    sql::Connection& mysql, std::int32_t profile_id, const TimeSpan& span) {
  const sql::Value from = value_of_time(span.from_ns), to = value_of_time(span.to_ns);
  const std::vector<sql::Value> params{value_of_id(profile_id), from, to, from, to};
  const auto rows = mysql.query(
      "SELECT there.signal_id, there.event_time FROM dd_signals here JOIN dd_signals there ON "
      "there.profile_id = here.profile_id AND there.signal_id = here.signal_id WHERE "
      "here.profile_id = ? AND here.event_time >= ? AND here.event_time < ? AND "
      "(there.event_time < ? OR there.event_time >= ?)",
      params);
  if (!rows) return rows.error();
  std::map<std::string, std::vector<std::int64_t>> elsewhere;
  for (const sql::Row& row : *rows) elsewhere[text_of(row, 0)].push_back(time_of(row, 1));
  return elsewhere;
}

Result<std::map<std::string, std::vector<std::int64_t>>> read_signals_elsewhere(
    sql::Connection& mysql, std::int32_t profile_id, const std::set<std::string>& ids,
    const TimeSpan& span) {
  std::map<std::string, std::vector<std::int64_t>> elsewhere;
  for (auto id = ids.begin(); id != ids.end();) {
    RowSet keys{.columns = 2, .values = {}};
    for (; id != ids.end() && keys.rows() < kKeysPerQuery; ++id)
      keys.values.insert(keys.values.end(), {value_of_id(profile_id), *id});
    const auto rows = select_rows(
        mysql, "SELECT signal_id, event_time FROM dd_signals WHERE (profile_id, signal_id) IN",
        keys, "");
    if (!rows) return rows.error();
    for (const sql::Row& row : *rows) {
      const std::int64_t time_ns = time_of(row, 1);
      if (time_ns < span.from_ns || time_ns >= span.to_ns)
        elsewhere[text_of(row, 0)].push_back(time_ns);
    }
  }
  return elsewhere;
}

Result<std::vector<PlacementRow>> read_placements(sql::Connection& mysql, std::int32_t profile_id,
                                                  std::span<const TimeSpan> spans) {
  // Milliseconds with six decimals are nanoseconds.
  static const std::string kSql =
      "SELECT event_time, CAST(api_latency_ms * 1000000 AS SIGNED) FROM dd_orders "
      "WHERE profile_id = ? AND event_time >= ? AND event_time < ? AND signal_id IS NOT NULL "
      "AND api_latency_ms IS NOT NULL ORDER BY event_time";
  std::vector<PlacementRow> placements;
  const Status done = for_each_row(mysql, kSql, profile_id, spans, [&](const sql::Row& row) {
    placements.push_back({.event_time_ns = time_of(row, 0), .latency_ns = row.integer(1)});
    return Status(Done{});
  });
  if (!done) return done.error();
  return placements;
}

// ── equity ───────────────────────────────────────────────────────────────────────────────────────

Result<std::vector<MinuteRow>> read_minutes(sql::Connection& mysql, std::int32_t profile_id,
                                            const TimeSpan& span) {
  static const std::string kSql =
      "SELECT minute, state FROM dd_equity_minute WHERE profile_id = ? AND minute >= ? AND "
      "minute < ? ORDER BY minute";
  std::vector<MinuteRow> minutes;
  const auto add = [&minutes](const sql::Row& row) -> Status {
    auto minute = minute_of(row);
    if (!minute) return minute.error();
    if (*minute) minutes.push_back(**std::move(minute));
    return Done{};
  };
  if (auto read = for_each_row(mysql, kSql, profile_id, std::span(&span, 1), add); !read)
    return read.error();
  return minutes;
}

namespace {

Result<std::optional<MinuteRow>> one_minute(sql::Connection& mysql, const std::string& sql,
                                            std::int32_t profile_id, std::int64_t time_ns) {
  const std::vector<sql::Value> params{value_of_id(profile_id), value_of_time(time_ns)};
  const auto rows = mysql.query(sql, params);
  if (!rows) return rows.error();
  if (rows->empty()) return std::optional<MinuteRow>{};
  return minute_of(rows->front());
}

}  // namespace

Result<std::optional<MinuteRow>> last_minute_before(sql::Connection& mysql, std::int32_t profile_id,
                                                    std::int64_t time_ns) {
  return one_minute(mysql,
                    "SELECT minute, state FROM dd_equity_minute WHERE profile_id = ? AND "
                    "minute < ? ORDER BY minute DESC LIMIT 1",
                    profile_id, time_ns);
}

Result<std::optional<MinuteRow>> first_minute_from(sql::Connection& mysql, std::int32_t profile_id,
                                                   std::int64_t time_ns) {
  return one_minute(mysql,
                    "SELECT minute, state FROM dd_equity_minute WHERE profile_id = ? AND "
                    "minute >= ? ORDER BY minute LIMIT 1",
                    profile_id, time_ns);
}

// ── samples and readings ─────────────────────────────────────────────────────────────────────────

Status for_each_hour_state(sql::Connection& mysql, std::int32_t profile_id,
                           std::span<const TimeSpan> spans, const UseState& use) {
  // Through (dirty, window_type, window_start) and the primary key behind it: the primary key alone
  // would read all the hours that ever were. Rows of samples are never dirty.
  constexpr std::size_t kHours = kSliceNs / model::kNsPerHour;
  const auto read = [&](const std::vector<std::int64_t>& hours) -> Status {
    // Few lengths of the list, so that few texts are prepared.
    const std::size_t length = hours.size() == 1 ? 1 : hours.size() <= 8 ? 8 : kHours;
    std::vector<sql::Value> params{value_of_id(profile_id)};
    std::string list;
    for (std::size_t i = 0; i < length; ++i) {
      list += i == 0 ? "?" : ",?";
      params.push_back(value_of_time(hours[std::min(i, hours.size() - 1)]));
    }
    const auto rows = mysql.query(
        "SELECT script_name, name, window_start, state FROM dd_window_state FORCE INDEX "
        "(idx_window_dirty) WHERE dirty = 0 AND window_type = 'hour' AND metric_type = 'system' "
        "AND profile_id = ? AND window_start IN (" +
            list + ") AND name <> '' AND state IS NOT NULL",
        params);
    if (!rows) return rows.error();
    for (const sql::Row& row : *rows) {
      if (auto used = use(row.text(0), row.text(1), time_of(row, 2), row.text(3)); !used)
        return used;
    }
    return Done{};
  };
  for (const TimeSpan& span : spans) {
    std::vector<std::int64_t> hours;
    for (std::int64_t hour = span.from_ns; hour < span.to_ns; hour += model::kNsPerHour) {
      hours.push_back(hour);
      if (hours.size() < kHours && hour + model::kNsPerHour < span.to_ns) continue;
      if (auto done = read(hours); !done) return done;
      hours.clear();
    }
  }
  return Done{};
}

Result<std::vector<ReadingRow>> read_readings(sql::Connection& mysql, std::int32_t profile_id,
                                              std::span<const TimeSpan> spans) {
  // Script by script, then by (script, metric, bucket): a range of the unique key.
  std::vector<std::string> scripts;
  for (std::string last;; last = scripts.back()) {
    const std::vector<sql::Value> params{value_of_id(profile_id), last};
    const auto row = mysql.query(
        "SELECT script_name FROM dd_system_health WHERE profile_id = ? AND script_name > ? "
        "ORDER BY script_name LIMIT 1",
        params);
    if (!row) return row.error();
    if (row->empty()) break;
    scripts.push_back(text_of(row->front(), 0));
  }
  std::vector<ReadingRow> readings;
  for (const std::string& script : scripts) {
    for (const TimeSpan& span : spans) {
      const std::vector<sql::Value> params{value_of_id(profile_id), script,
                                           value_of_time(span.from_ns), value_of_time(span.to_ns)};
      const auto rows = mysql.query(
          "SELECT timestamp, metric_name, metric_value, status, metadata FROM dd_system_health "
          "WHERE profile_id = ? AND script_name = ? AND metric_name IN ('health', 'error_count', "
          "'warning_count', 'cpu_usage_pct', 'memory_usage_mb', 'rate_limit_remaining', "
          "'rate_limit_limit') "
          "AND bucket >= ? AND bucket < ?",
          params);
      if (!rows) return rows.error();
      for (const sql::Row& row : *rows) {
        readings.push_back({.time_ns = time_of(row, 0),
                            .script_name = script,
                            .metric_name = text_of(row, 1),
                            .value_e8 = e8_of(row, 2),
                            .value = optional_text(row, 2),
                            .status = optional_text(row, 3),
                            .metadata = optional_text(row, 4)});
      }
    }
  }
  std::ranges::stable_sort(readings, {}, &ReadingRow::time_ns);
  return readings;
}

}  // namespace ddt::sidecar
