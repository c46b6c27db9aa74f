// api/history/trades.hpp — dd_trade_performance and dd_signals as the endpoints read them.
//
// One signal_id counts once; signals without one count each. A trade is in the range that holds its exit_time.
// Figures come from the raw columns through model::TradeSummary, never from rounded ones (rows without a side fall back
// to their stored pnl).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "api/pages.hpp"
#include "api/parameters.hpp"
#include "api/stores.hpp"
#include "sidecar/model/trade_span.hpp"
#include "sidecar/model/window.hpp"

namespace ddt::api {

// Trades of a range, or of the breakout ones and the signals, and the same per Window.
struct TradeHistory {
  model::TradeSpan trades;
  model::SignalSpan signals;  // of Only::breakout
  struct OfWindow {
    model::TradeSpan trades;
    model::SignalSpan signals;
  };
  std::map<model::Window, OfWindow> windows;  // those in which something happened
};
enum class Only : std::uint8_t { every_trade, breakout };

// From the Windows' states, and from rows where there are none.
Result<TradeHistory> trade_history(Stores& stores, std::int32_t profile_id, const Range& range,
                                   const std::optional<model::WindowType>& window, Only only);
// Of one symbol, which no state tells apart: from rows.
Result<TradeHistory> trade_history_of_symbol(Stores& stores, std::int32_t profile_id,
                                             const Range& range, const std::string& symbol,
                                             const std::optional<model::WindowType>& window);

struct TradePage {
  std::string items;  // a JSON array, newest exit first
  std::string csv;    // the same rows, only when asked for
  std::size_t count = 0;
  std::optional<Cursor> next;
  std::int64_t newest_ns = model::kNoTime;  // exit time of the first row
};
struct TradeListQuery {
  std::int32_t profile_id = 0;
  Range range;
  std::optional<std::string> symbol;
  std::optional<Cursor> after;
  std::int64_t limit = 100;
  bool wants_csv = false;
};
// A page ends after `limit` rows, or earlier where a reply would pass its size limit.
Result<TradePage> trade_page(Stores& stores, const TradeListQuery& query);

}  // namespace ddt::api
