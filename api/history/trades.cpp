#include "api/history/trades.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "api/history/pieces.hpp"
#include "api/history/rows.hpp"
#include "api/http/http1.hpp"
#include "api/http/json.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr std::int64_t kTradesPerRead = 20'000;  // bounds memory: about 10 MB of rows at a time
constexpr std::size_t kPageBytesMax = kReplyBytesMax - 16 * 1024;  // headers and the last row

// What a TradeSpan is made from, in the order of trade_of(); of breakouts also what says that it is one.
constexpr const char* kFigureColumns =
    "id, exit_time, symbol, side, quantity, multiplier, entry_price, exit_price, reference_price, "
    "fees, entry_time, pnl, segment_id, lane, position";
constexpr const char* kBreakoutColumns = ", trade_type, signal_id";
constexpr std::size_t kBreakoutColumn = 15;
// No breakout trade is without; model::is_breakout_trade() has the last word.
constexpr const char* kMaybeBreakout = " AND (trade_type = 'breakout' OR signal_id IS NOT NULL)";

model::TradeRow trade_of(const sql::Row& row) {
  model::TradeRow trade;
  trade.name.position = row.unsigned_integer(0);  // rows from before: the id orders them
  if (!row.is_null(12) && row.text(12).size() == trade.name.segment_id.size()) {
    std::ranges::copy(row.text(12), trade.name.segment_id.begin());
    trade.name.lane = static_cast<std::uint32_t>(row.unsigned_integer(13));
    trade.name.position = row.unsigned_integer(14);
  }
  trade.exit_time_ns = time_ns_of(row, 1);
  trade.symbol = text_of(row, 2);
  trade.side = text_of(row, 3);
  trade.quantity_e8 = e8_of(row, 4);
  const std::int64_t multiplier_e8 = e8_of(row, 5);
  trade.multiplier_e8 =
      is_null(multiplier_e8) ? model::default_multiplier_e8(trade.symbol) : multiplier_e8;
  trade.entry_price_e8 = e8_of(row, 6);
  trade.exit_price_e8 = e8_of(row, 7);
  trade.reference_price_e8 = e8_of(row, 8);
  trade.fees_e8 = e8_of(row, 9);
  trade.entry_time_ns = time_ns_of(row, 10);
  trade.stored_pnl_e8 = e8_of(row, 11);
  if (row.size() > kBreakoutColumn) {
    trade.trade_type = text_of(row, kBreakoutColumn);
    trade.signal_id = text_of(row, kBreakoutColumn + 1);
  }
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
  // The index is said: the optimizer would rather read all trades of the profile than a range of them.
  sql += std::string(" FROM dd_trade_performance FORCE INDEX (") +
         (query.symbol ? "idx_profile_symbol_exit" : "idx_profile_exit") +
         ") WHERE profile_id = ? AND exit_time >= ? AND exit_time < ?";
  if (query.symbol) sql += " AND symbol = ?";
  // The first half bounds the index range, the second skips what the last page had.
  if (query.after) sql += " AND exit_time <= ? AND (exit_time < ? OR id < ?)";
  return sql + " ORDER BY exit_time DESC, id DESC LIMIT ?";
}

// Trades of one instant, put in order before they are used.
class InOrder {
 public:
  explicit InOrder(const std::function<void(const model::TradeRow&)>& use) : use_(use) {}
  void take(model::TradeRow trade) {
    if (!instant_.empty() && instant_.front().exit_time_ns != trade.exit_time_ns) flush();
    instant_.push_back(std::move(trade));
  }
  void flush() {
    std::ranges::sort(instant_, {}, &model::TradeRow::name);
    for (const model::TradeRow& trade : instant_) use_(trade);
    instant_.clear();
  }

 private:
  const std::function<void(const model::TradeRow&)>& use_;
  std::vector<model::TradeRow> instant_;
};

// Trades that left in a stretch.
std::string trades_sql(Only only) {
  const bool is_breakout = only == Only::breakout;
  return std::string("SELECT ") + kFigureColumns + (is_breakout ? kBreakoutColumns : "") +
         " FROM dd_trade_performance FORCE INDEX (idx_profile_exit) WHERE profile_id = ? AND "
         "exit_time >= ? AND exit_time < ?" +
         (is_breakout ? kMaybeBreakout : "");
}

// Those of all stretches, by (exit time, segment, lane, position); nothing where they are too many to hold at once.
Result<std::optional<std::vector<model::TradeRow>>> few_trades(
    Stores& stores, std::int32_t profile_id, std::span<const model::Stretch> stretches, Only only) {
  const auto rows = rows_in(stores, profile_id, trades_sql(only), stretches, kTradesPerRead + 1);
  if (!rows) return rows.error();
  if (rows->size() > static_cast<std::size_t>(kTradesPerRead))
    return std::optional<std::vector<model::TradeRow>>{};
  std::vector<model::TradeRow> trades;
  trades.reserve(rows->size());
  for (const sql::Row& row : *rows) trades.push_back(trade_of(row));
  std::ranges::sort(trades, [](const model::TradeRow& a, const model::TradeRow& b) {
    return std::tie(a.exit_time_ns, a.name) < std::tie(b.exit_time_ns, b.name);
  });
  return std::optional(std::move(trades));
}

// Calls use() for every trade that left in [from, to), by (exit time, segment, lane, position).
Status for_each_trade(Stores& stores, std::int32_t profile_id, const model::Stretch& range,
                      const std::optional<std::string>& symbol, Only only,
                      const std::function<void(const model::TradeRow&)>& use) {
  std::string sql = trades_sql(only);
  if (symbol) {
    sql.replace(sql.find("idx_profile_exit"), 16, "idx_profile_symbol_exit");
    sql += " AND symbol = ?";
  }
  sql += " AND (exit_time > ? OR id > ?) ORDER BY exit_time, id LIMIT ?";
  sql::Value from = time_value(range.from_ns);
  std::uint64_t last_id = 0;
  InOrder in_order(use);
  for (;;) {
    std::vector<sql::Value> params{std::int64_t{profile_id}, from, time_value(range.to_ns)};
    if (symbol) params.emplace_back(*symbol);
    params.insert(params.end(), {from, last_id, kTradesPerRead});
    const auto rows = stores.query(sql, params);
    if (!rows) return rows.error();
    for (const sql::Row& row : *rows) in_order.take(trade_of(row));
    if (rows->size() < static_cast<std::size_t>(kTradesPerRead)) {
      in_order.flush();
      return Done{};
    }
    from = std::string(rows->back().text(1));
    last_id = rows->back().unsigned_integer(0);
  }
}

struct Signal {
  std::int64_t time_ns = 0;
  std::string id;  // "" = none
};

// In order of time.
Result<std::vector<Signal>> signals_of(Stores& stores, std::int32_t profile_id,
                                       std::span<const model::Stretch> stretches) {
  const auto rows = rows_in(stores, profile_id,
                            "SELECT event_time, signal_id FROM dd_signals FORCE INDEX "
                            "(idx_signal_time) WHERE profile_id = ? AND event_time >= ? AND "
                            "event_time < ?",
                            stretches);
  if (!rows) return rows.error();
  std::vector<Signal> signals;
  for (const sql::Row& row : *rows) signals.push_back({time_ns_of(row, 0), text_of(row, 1)});
  std::ranges::sort(signals, {}, &Signal::time_ns);
  return signals;
}

// When anything was said of these signals.
Result<std::set<std::int64_t>> times_of(Stores& stores, std::int32_t profile_id,
                                        const std::set<std::string>& of) {
  static const std::string kSql = [] {
    std::string sql =
        "SELECT event_time FROM dd_signals FORCE INDEX (idx_signal_id) WHERE profile_id = ? AND "
        "signal_id IN (?";
    for (std::size_t i = 1; i < kIdsPerQuery; ++i) sql += ",?";
    return sql + ")";
  }();
  const std::vector<std::string> ids(of.begin(), of.end());
  std::set<std::int64_t> times;
  for (std::size_t at = 0; at < ids.size(); at += kIdsPerQuery) {
    std::vector<sql::Value> params{std::int64_t{profile_id}};
    for (std::size_t i = at; i < at + kIdsPerQuery; ++i)
      params.emplace_back(ids[std::min(i, ids.size() - 1)]);
    const auto rows = stores.query(kSql, params);
    if (!rows) return rows.error();
    for (const sql::Row& row : *rows) times.insert(time_ns_of(row, 0));
  }
  return times;
}

// Those of a stretch, of many in order of time.
template <typename Row>
std::span<const Row> within(std::span<const Row> rows, const model::Stretch& stretch,
                            std::int64_t Row::*time_ns) {
  const auto first = std::ranges::lower_bound(rows, stretch.from_ns, {}, time_ns);
  const auto end = std::ranges::lower_bound(first, rows.end(), stretch.to_ns, {}, time_ns);
  return {first, end};
}

// What a piece adds, to the range and to its Windows.
class HistoryOfTrades {
 public:
  HistoryOfTrades(Stores& stores, std::int32_t profile_id, Only only,
                  const std::optional<model::WindowType>& window)
      : stores_(stores), profile_id_(profile_id), only_(only), window_(window) {}

  // What add_rows() finds in these stretches, read at once.
  Status read_rows(std::span<const model::Stretch> stretches) {
    if (stretches.empty()) return Done{};
    auto trades = few_trades(stores_, profile_id_, stretches, only_);
    if (!trades) return trades.error();
    trades_ = std::move(*trades);
    if (only_ != Only::breakout) return Done{};
    auto signals = signals_of(stores_, profile_id_, stretches);
    if (!signals) return signals.error();
    signals_ = std::move(*signals);
    return Done{};
  }

  Status add_rows(const model::Stretch& stretch, bool is_in_range) {
    for (const Signal& signal :
         within(std::span(std::as_const(signals_)), stretch, &Signal::time_ns)) {
      if (auto* window = window_of(signal.time_ns)) window->signals.add(signal.id);
      if (is_in_range) history_.signals.add(signal.id);
    }
    if (!trades_) return add_trades_one_by_one(stretch, std::nullopt, is_in_range);
    for (const auto& trade :
         within(std::span(std::as_const(*trades_)), stretch, &model::TradeRow::exit_time_ns))
      add(trade, is_in_range);
    return Done{};
  }

  Status add_trades_one_by_one(const model::Stretch& stretch,
                               const std::optional<std::string>& symbol, bool is_in_range) {
    return for_each_trade(stores_, profile_id_, stretch, symbol, only_,
                          [&](const model::TradeRow& trade) { add(trade, is_in_range); });
  }

  // Takes back the states of Windows that know of a signal with news.
  Status settle(std::vector<PieceOfRange>& pieces) {
    if (only_ != Only::breakout) return Done{};
    const auto hours = hours_with_news(stores_, profile_id_, "breakout");
    if (!hours) return hours.error();
    const auto signals = signals_of(stores_, profile_id_, *hours);
    if (!signals) return signals.error();
    std::set<std::string> ids;
    for (const Signal& signal : *signals) {
      if (!signal.id.empty()) ids.insert(signal.id);
    }
    const auto times = times_of(stores_, profile_id_, ids);
    if (!times) return times.error();
    return take_back_states(stores_, profile_id_, "breakout", *times, pieces);
  }

  void add_state(const model::Piece& piece, bool is_in_range) {
    const auto sections = model::sections_of(piece.state);
    if (only_ == Only::every_trade) {
      const auto account = *model::span_in<model::AccountTrades>(sections->second);
      add(piece.stretch, account.trades, {}, is_in_range);
      return;
    }
    const auto trades = *model::span_in<model::TradeSpan>(sections->first);
    const auto signals = *model::span_in<model::SignalSpans>(sections->second);
    add(piece.stretch, trades, signals.all, is_in_range);
  }

  TradeHistory take() && { return std::move(history_); }

 private:
  TradeHistory::OfWindow* window_of(std::int64_t time_ns) {
    return window_ ? &history_.windows[model::window_containing(*window_, time_ns)] : nullptr;
  }
  void add(const model::TradeRow& trade, bool is_in_range) {
    if (only_ == Only::breakout && !model::is_breakout_trade(trade)) return;
    if (auto* window = window_of(trade.exit_time_ns)) window->trades.add(trade);
    if (is_in_range) history_.trades.add(trade);
  }
  void add(const model::Stretch& stretch, const model::TradeSpan& trades,
           const model::SignalSpan& signals, bool is_in_range) {
    const bool has_news = trades.summary.trades > 0 || signals.count() > 0;
    if (auto* window = has_news ? window_of(stretch.from_ns) : nullptr) {
      window->trades.append(trades);
      window->signals.merge(signals);
    }
    if (!is_in_range) return;
    history_.trades.append(trades);
    history_.signals.merge(signals);
  }

  Stores& stores_;
  const std::int32_t profile_id_;
  const Only only_;
  const std::optional<model::WindowType>& window_;
  std::optional<std::vector<model::TradeRow>> trades_;  // by time, as signals_
  std::vector<Signal> signals_;
  TradeHistory history_;
};

Result<TradeHistory> read_history(Stores& stores, std::int32_t profile_id, const Range& range,
                                  const std::optional<model::WindowType>& window, Only only) {
  auto pieces = pieces_of_range(stores, profile_id, only == Only::breakout ? "breakout" : "equity",
                                range, whole_windows(range, window), window);
  if (!pieces) return pieces.error();
  HistoryOfTrades history(stores, profile_id, only, window);
  if (auto settled = history.settle(*pieces); !settled) return settled.error();
  if (auto read = history.read_rows(bare_stretches(*pieces)); !read) return read.error();
  for (const auto& [piece, is_in_range] : *pieces) {
    if (piece.type) {
      history.add_state(piece, is_in_range);
      continue;
    }
    if (auto added = history.add_rows(piece.stretch, is_in_range); !added) return added.error();
  }
  return std::move(history).take();
}

Result<TradeHistory> read_trades_of_symbol(Stores& stores, std::int32_t profile_id,
                                           const Range& range, const std::string& symbol,
                                           const std::optional<model::WindowType>& window) {
  const Range whole = whole_windows(range, window);
  HistoryOfTrades history(stores, profile_id, Only::every_trade, window);
  const std::pair<model::Stretch, bool> parts[] = {{{whole.from_ns, range.from_ns}, false},
                                                   {{range.from_ns, range.to_ns}, true},
                                                   {{range.to_ns, whole.to_ns}, false}};
  for (const auto& [stretch, is_in_range] : parts) {
    if (stretch.from_ns >= stretch.to_ns) continue;
    auto added = history.add_trades_one_by_one(stretch, symbol, is_in_range);
    if (!added) return added.error();
  }
  return std::move(history).take();
}

}  // namespace

Result<TradeHistory> trade_history(Stores& stores, std::int32_t profile_id, const Range& range,
                                   const std::optional<model::WindowType>& window, Only only) {
  return stores.in_snapshot([&] { return read_history(stores, profile_id, range, window, only); });
}

Result<TradeHistory> trade_history_of_symbol(Stores& stores, std::int32_t profile_id,
                                             const Range& range, const std::string& symbol,
                                             const std::optional<model::WindowType>& window) {
  return stores.in_snapshot(
      [&] { return read_trades_of_symbol(stores, profile_id, range, symbol, window); });
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
