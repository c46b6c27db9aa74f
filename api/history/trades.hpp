// api/history/trades.hpp — dd_trade_performance and dd_signals as the endpoints read them.
//
// A trade is in the range that holds its exit_time. Figures come from the raw columns through
// model::TradeSummary, never from rounded ones (rows without a side fall back to their stored pnl).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "api/pages.hpp"
#include "api/parameters.hpp"
#include "api/stores.hpp"
#include "sidecar/model/trades.hpp"
#include "sidecar/model/window.hpp"

namespace ddt::api {

// Calls use() for every trade of the profile that left in [from, to), in order of exit_time and id.
Status for_each_trade(Stores& stores, std::int32_t profile_id, const Range& range,
                      const std::optional<std::string>& symbol,
                      const std::function<void(const model::TradeRow&)>& use);

// One signal_id counts once; signals without one count each.
Result<std::uint64_t> count_signals(Stores& stores, std::int32_t profile_id, const Range& range);

// The same per Window, by its start.
Result<std::map<std::int64_t, std::uint64_t>> count_signals_by_window(Stores& stores,
                                                                      std::int32_t profile_id,
                                                                      const Range& range,
                                                                      model::WindowType type);

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
