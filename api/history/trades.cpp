#include "api/history/trades.hpp"

#include <array>
#include <vector>

#include "api/history/rows.hpp"
#include "api/http/http1.hpp"
#include "api/http/json.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr std::int64_t kTradesPerRead = 20'000;  // bounds memory: about 10 MB of rows at a time
constexpr std::size_t kPageBytesMax = kReplyBytesMax - 16 * 1024;  // headers and the last row

// Columns of figures, in the order of trade_of().
constexpr const char* kFigureColumns =
    "id, exit_time, symbol, trade_type, side, quantity, multiplier, entry_price, exit_price, "
    "reference_price, fees, entry_time, pnl, signal_id, direction, exit_reason, bar_strength, "
    "candle_size";

model::TradeRow trade_of(const sql::Row& row) {
  model::TradeRow trade;
  trade.name.position = row.unsigned_integer(0);  // the id orders trades of one instant
  trade.exit_time_ns = time_ns_of(row, 1);
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
  trade.entry_time_ns = time_ns_of(row, 11);
  trade.stored_pnl_e8 = e8_of(row, 12);
  trade.signal_id = text_of(row, 13);
  trade.direction = text_of(row, 14);
  trade.exit_reason = text_of(row, 15);
  trade.bar_strength_e8 = e8_of(row, 16);
  trade.candle_size_e8 = e8_of(row, 17);
  return trade;
}

enum class Kind : std::uint8_t { number, text, time, metadata };
struct ListColumn {
  const char* name;
  Kind kind;
};
constexpr std::array kListColumns{
    ListColumn{"id", Kind::number},
    ListColumn{"profile_id", Kind::number},
    ListColumn{"symbol", Kind::text},
    ListColumn{"trade_type", Kind::text},
    ListColumn{"side", Kind::text},
    ListColumn{"entry_price", Kind::number},
    ListColumn{"exit_price", Kind::number},
    ListColumn{"reference_price", Kind::number},
    ListColumn{"quantity", Kind::number},
    ListColumn{"multiplier", Kind::number},
    ListColumn{"fees", Kind::number},
    ListColumn{"pnl", Kind::number},
    ListColumn{"pnl_pct", Kind::number},
    ListColumn{"slippage", Kind::number},
    ListColumn{"entry_time", Kind::time},
    ListColumn{"exit_time", Kind::time},
    ListColumn{"duration_seconds", Kind::number},
    ListColumn{"bar_strength", Kind::number},
    ListColumn{"candle_size", Kind::number},
    ListColumn{"direction", Kind::text},
    ListColumn{"exit_reason", Kind::text},
    ListColumn{"trade_id", Kind::text},
    ListColumn{"order_id", Kind::text},
    ListColumn{"signal_id", Kind::text},
    ListColumn{"script_name", Kind::text},
    ListColumn{"event_time", Kind::time},
    ListColumn{"revision", Kind::number},
    ListColumn{"metadata", Kind::metadata},
    ListColumn{"created_at", Kind::time},
};
constexpr std::size_t kIdColumn = 0;
constexpr std::size_t kExitTimeColumn = 15;
static_assert(std::string_view(kListColumns[kExitTimeColumn].name) == "exit_time");

Json list_item(const sql::Row& row) {
  Json item = Json::object();
  for (std::size_t i = 0; i < kListColumns.size(); ++i) {
    switch (kListColumns[i].kind) {
      case Kind::number:
        item.set(kListColumns[i].name, number_json(row, i));
        break;
      case Kind::text:
        item.set(kListColumns[i].name, text_json(row, i));
        break;
      case Kind::time:
        item.set(kListColumns[i].name, time_json(row, i));
        break;
      case Kind::metadata:
        item.set(kListColumns[i].name, metadata_json(row, i));
        break;
    }
  }
  return item;
}

// RFC 4180.
std::string csv_cell(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return "";
  std::string text(row.text(column));
  if (kListColumns[column].kind == Kind::time) {
    const std::int64_t time_ns = time_ns_of(row, column);
    return time_ns == model::kNoTime ? "" : model::rfc3339(time_ns);
  }
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

std::string csv_line(const sql::Row& row) {
  std::string line;
  for (std::size_t i = 0; i < kListColumns.size(); ++i) {
    if (i > 0) line.push_back(',');
    line += csv_cell(row, i);
  }
  return line + "\r\n";
}

std::string csv_head() {
  std::string line;
  for (const ListColumn& column : kListColumns) {
    if (!line.empty()) line.push_back(',');
    line += column.name;
  }
  return line + "\r\n";
}

std::string list_sql(const TradeListQuery& query) {
  std::string sql = "SELECT ";
  for (std::size_t i = 0; i < kListColumns.size(); ++i) {
    sql += (i > 0 ? ", " : "") + std::string(kListColumns[i].name);
  }
  sql += " FROM dd_trade_performance WHERE profile_id = ? AND exit_time >= ? AND exit_time < ?";
  if (query.symbol) sql += " AND symbol = ?";
  // The first half bounds the index range, the second skips what the last page had.
  if (query.after) sql += " AND exit_time <= ? AND (exit_time < ? OR id < ?)";
  return sql + " ORDER BY exit_time DESC, id DESC LIMIT ?";
}

}  // namespace

Status for_each_trade(Stores& stores, std::int32_t profile_id, const Range& range,
                      const std::optional<std::string>& symbol,
                      const std::function<void(const model::TradeRow&)>& use) {
  const std::string sql =
      std::string("SELECT ") + kFigureColumns +
      " FROM dd_trade_performance WHERE profile_id = ? AND exit_time >= ? AND exit_time < ?" +
      (symbol ? " AND symbol = ?" : "") +
      " AND (exit_time > ? OR id > ?) ORDER BY exit_time, id LIMIT ?";
  sql::Value from = time_value(range.from_ns);
  std::uint64_t last_id = 0;
  for (;;) {
    std::vector<sql::Value> params{std::int64_t{profile_id}, from, time_value(range.to_ns)};
    if (symbol) params.emplace_back(*symbol);
    params.insert(params.end(), {from, last_id, kTradesPerRead});
    const auto rows = stores.query(sql, params);
    if (!rows) return rows.error();
    for (const sql::Row& row : *rows) use(trade_of(row));
    if (rows->size() < static_cast<std::size_t>(kTradesPerRead)) return Done{};
    from = std::string(rows->back().text(1));
    last_id = rows->back().unsigned_integer(0);
  }
}

Result<std::uint64_t> count_signals(Stores& stores, std::int32_t profile_id, const Range& range) {
  const auto rows = stores.query(
      "SELECT COUNT(DISTINCT signal_id) + COUNT(*) - COUNT(signal_id) FROM dd_signals "
      "WHERE profile_id = ? AND event_time >= ? AND event_time < ?",
      {std::int64_t{profile_id}, time_value(range.from_ns), time_value(range.to_ns)});
  if (!rows) return rows.error();
  return rows->front().unsigned_integer(0);
}

Result<std::map<std::int64_t, std::uint64_t>> count_signals_by_window(Stores& stores,
                                                                      std::int32_t profile_id,
                                                                      const Range& range,
                                                                      model::WindowType type) {
  const char* bucket =
      type == model::WindowType::hour   ? "DATE_FORMAT(event_time, '%Y-%m-%d %H:00:00')"
      : type == model::WindowType::day  ? "DATE(event_time)"
      : type == model::WindowType::week ? "DATE(event_time) - INTERVAL WEEKDAY(event_time) DAY"
                                        : "DATE_FORMAT(event_time, '%Y-%m-01')";
  const auto rows = stores.query(
      std::string("SELECT ") + bucket +
          " AS bucket, COUNT(DISTINCT signal_id) + COUNT(*) - COUNT(signal_id) FROM dd_signals "
          "WHERE profile_id = ? AND event_time >= ? AND event_time < ? GROUP BY bucket",
      {std::int64_t{profile_id}, time_value(range.from_ns), time_value(range.to_ns)});
  if (!rows) return rows.error();
  std::map<std::int64_t, std::uint64_t> counts;
  for (const sql::Row& row : *rows) counts[time_ns_of(row, 0)] = row.unsigned_integer(1);
  return counts;
}

Result<TradePage> trade_page(Stores& stores, const TradeListQuery& query) {
  std::vector<sql::Value> params{std::int64_t{query.profile_id}, time_value(query.range.from_ns),
                                 time_value(query.range.to_ns)};
  if (query.symbol) params.emplace_back(*query.symbol);
  if (query.after) {
    const sql::Value exit_time = model::mysql_datetime(query.after->time_us * model::kNsPerUs);
    params.insert(params.end(), {exit_time, exit_time, query.after->id});
  }
  params.emplace_back(query.limit + 1);  // one more says whether there is a next page
  const auto rows = stores.query(list_sql(query), params);
  if (!rows) return rows.error();

  TradePage page;
  page.items = "[";
  if (query.wants_csv) page.csv = csv_head();
  std::optional<Cursor> last;
  for (const sql::Row& row : *rows) {
    const std::string item = query.wants_csv ? csv_line(row) : list_item(row).dump();
    const std::size_t used = query.wants_csv ? page.csv.size() : page.items.size();
    const bool is_full = page.count == static_cast<std::size_t>(query.limit) ||
                         (page.count > 0 && used + item.size() > kPageBytesMax);
    if (is_full) {
      page.next = last;
      break;
    }
    if (query.wants_csv) {
      page.csv += item;
    } else {
      if (page.count > 0) page.items.push_back(',');
      page.items += item;
    }
    const std::int64_t exit_ns = time_ns_of(row, kExitTimeColumn);
    if (page.count == 0) page.newest_ns = exit_ns;
    last = Cursor{model::floor_div(exit_ns, model::kNsPerUs), row.unsigned_integer(kIdColumn)};
    ++page.count;
  }
  page.items.push_back(']');
  return page;
}

}  // namespace ddt::api
