#include "sidecar/model/window_state.hpp"

#include "sidecar/model/equity_span.hpp"
#include "sidecar/model/order_span.hpp"
#include "sidecar/model/system_span.hpp"
#include "sidecar/model/trade_span.hpp"
#include "sidecar/model/window_cover.hpp"

namespace ddt::model {

bool can_be_read(std::string_view metric_type, std::string_view state) {
  const auto sections = sections_of(state);
  if (!sections) return false;
  const auto& [first, second] = *sections;
  if (metric_type == "breakout") return span_in<TradeSpan>(first) && span_in<SignalSpans>(second);
  if (metric_type == "equity") return span_in<EquitySpan>(first) && span_in<AccountTrades>(second);
  if (metric_type == "order") return span_in<OrderSpans>(first) && second.empty();
  if (metric_type == "system") return span_in<SystemSpan>(first) && second.empty();
  return false;
}

}  // namespace ddt::model
