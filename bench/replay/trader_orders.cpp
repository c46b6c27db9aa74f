// The order_monitor: what becomes of orders. Statuses repeat as polls do.
#include <algorithm>
#include <utility>

#include "bench/replay/trader.hpp"

namespace ddt::replay {
namespace {

constexpr Script kScript = Script::order_monitor;
constexpr std::int64_t kCallsPerMinute = 200;

}  // namespace

std::string Trader::next_order_id() {
  return "o-" + std::to_string(settings_.profile_id) + "-" + voice_.plan().tag + "-" +
         std::to_string(++orders_);
}

void Trader::say_order(Script script, const WorkingOrder& order, std::string_view status,
                       std::int64_t api_latency_ns) {
  OrderRecord record{.order_id = order.order_id,
                     .parent_order_id = order.parent_order_id,
                     .signal_id = order.signal_id,
                     .symbol = order.instrument.symbol,
                     .order_type = order.is_limit ? "limit" : "market",
                     .side = order.buys ? "buy" : "sell",
                     .status = std::string(status),
                     .quantity_e8 = order.quantity_e8,
                     .filled_quantity_e8 = order.filled_e8,
                     .limit_price_e8 = order.is_limit ? order.limit_e8 : kNullE8,
                     .filled_price_e8 = order.average_fill_e8(),
                     .api_latency_ns = api_latency_ns};
  std::string metadata;
  if (status == "new")
    metadata = order.purpose == Purpose::entry ? R"({"purpose":"entry"})" : R"({"purpose":"exit"})";
  voice_.say(script, std::move(record), std::move(metadata));
}

void Trader::say_rate_limit() {
  const std::int64_t minute_end_ns = voice_.now_ns() - voice_.now_ns() % kMinuteNs + kMinuteNs;
  voice_.say(kScript, RateLimitRecord{.remaining = std::max(kCallsPerMinute - calls_this_minute_,
                                                            std::int64_t{0}),
                                      .limit = kCallsPerMinute,
                                      .reset_time_ns = voice_.published_ns(minute_end_ns)});
}

void Trader::poll(Desk& desk) {
  const Call call = voice_.call(kScript, kListOrders);
  ++calls_this_minute_;
  say_rate_limit();
  if (!call.is_ok()) return;  // the next bar asks again
  const Quote quote = quote_of_desk(desk);
  if (desk.entry) advance(desk, desk.entry, quote);
  if (desk.exit) advance(desk, desk.exit, quote);
}

void Trader::advance(Desk& desk, std::optional<WorkingOrder>& slot, const Quote& quote) {
  WorkingOrder& order = *slot;
  if (order.will_be_rejected) {
    say_order(kScript, order, "rejected");
    voice_.warn(kScript, "order_rejected", order.order_id + ": not enough buying power");
    slot.reset();
    return;
  }
  if (!order.is_accepted) {
    order.is_accepted = true;
    say_order(kScript, order, "accepted");
  }
  const std::int64_t price_e8 = fill_price_e8(order, quote);
  if (is_null(price_e8)) {
    if (++order.bars_open >= order.timeout_bars) return time_out(desk, slot, quote);
    say_order(kScript, order,
              order.filled_e8 > 0 ? "partially_filled" : "accepted");  // nothing new
    return;
  }
  const Dice dice = dice_.of(3).of(static_cast<std::uint64_t>(voice_.now_ns()));
  const std::int64_t half_e8 = half_of(order.remaining_e8(), settings_.is_fractional);
  if (half_e8 > 0 && dice.is_one_in(0, 5)) {
    fill(desk, order, half_e8, price_e8);
    say_order(kScript, order, "partially_filled");
    ++order.bars_open;
    return;
  }
  fill(desk, order, order.remaining_e8(), price_e8);
  say_order(kScript, order, "filled");
  const WorkingOrder done = std::move(order);
  slot.reset();
  if (done.purpose == Purpose::exit) finish_exit(desk, done);
}

void Trader::time_out(Desk& desk, std::optional<WorkingOrder>& slot, const Quote& quote) {
  const Dice dice = dice_.of(4).of(static_cast<std::uint64_t>(voice_.now_ns()));
  switch (settings_.after_timeout) {
    case AfterTimeout::converted:
      return convert(desk, slot, quote, "converted");
    case AfterTimeout::canceled:
      if (slot->purpose == Purpose::entry && dice.is_one_in(0, 3))
        return cancel(desk, slot, "canceled");
      return convert(desk, slot, quote, "canceled");
    case AfterTimeout::replaced_then_converted:
      if (!slot->was_replaced && slot->filled_e8 == 0) return replace(slot, quote);
      return convert(desk, slot, quote, "converted");
  }
}

// The limit order ends with `last_status`; a market order for what remains names it as its parent.
void Trader::convert(Desk& desk, std::optional<WorkingOrder>& slot, const Quote& quote,
                     std::string_view last_status) {
  const Call call = voice_.call(kScript, last_status == "canceled" ? kDeleteOrder : kPostOrders);
  ++calls_this_minute_;
  if (!call.is_ok())
    return say_order(kScript, *slot, slot->filled_e8 > 0 ? "partially_filled" : "accepted");
  const WorkingOrder limit = std::move(*slot);
  slot.reset();
  if (last_status == "canceled") say_order(kScript, limit, "pending_cancel");
  say_order(kScript, limit, last_status);
  if (limit.purpose == Purpose::exit) finish_exit(desk, limit);
  WorkingOrder market = limit;
  market.order_id = next_order_id();
  market.parent_order_id = limit.order_id;
  market.is_limit = false;
  market.limit_e8 = kNullE8;
  market.quantity_e8 = limit.remaining_e8();
  market.filled_e8 = 0;
  market.filled_value_e16 = 0;
  market.is_accepted = false;
  say_order(kScript, market, "new", call.duration_ns);
  execute_market(desk, std::move(market), quote);
}

// A new limit order at the quote takes the old one's place.
void Trader::replace(std::optional<WorkingOrder>& slot, const Quote& quote) {
  const Call call = voice_.call(kScript, kPostOrders);
  ++calls_this_minute_;
  if (!call.is_ok()) return say_order(kScript, *slot, "accepted");
  const WorkingOrder old = *slot;
  say_order(kScript, old, "replaced");
  WorkingOrder order = old;
  order.order_id = next_order_id();
  order.parent_order_id = old.order_id;
  order.limit_e8 = limit_near(order.instrument, quote, order.buys, 0);
  order.was_marketable = true;
  order.was_replaced = true;
  order.is_accepted = false;
  order.bars_open = 0;
  say_order(kScript, order, "new", call.duration_ns);
  slot = std::move(order);
}

// At the other side of the book, at once; the second half of some goes one tick worse.
void Trader::execute_market(Desk& desk, WorkingOrder order, const Quote& quote) {
  const Dice dice = dice_.of(5).of(static_cast<std::uint64_t>(voice_.now_ns()));
  voice_.call(kScript, kListOrders);
  ++calls_this_minute_;
  if (!order.is_accepted && dice.is_one_in(0, 2)) say_order(kScript, order, "accepted");
  const std::int64_t price_e8 = order.buys ? quote.ask_e8 : quote.bid_e8;
  const std::int64_t tick_e8 = tick_of(order.instrument);
  const std::int64_t worse_e8 =
      std::max(order.buys ? price_e8 + tick_e8 : price_e8 - tick_e8, tick_e8);
  const std::int64_t half_e8 = half_of(order.remaining_e8(), settings_.is_fractional);
  if (half_e8 > 0 && dice.is_one_in(1, 6)) {
    fill(desk, order, half_e8, price_e8);
    say_order(kScript, order, "partially_filled");
    fill(desk, order, order.remaining_e8(), worse_e8);
  } else {
    fill(desk, order, order.remaining_e8(), price_e8);
  }
  say_order(kScript, order, "filled");
  if (dice.is_one_in(2, 4)) say_order(kScript, order, "filled");  // seen again by the next poll
  if (order.purpose == Purpose::exit) finish_exit(desk, order);
}

void Trader::cancel(Desk& desk, std::optional<WorkingOrder>& slot, std::string_view status) {
  const WorkingOrder order = std::move(*slot);
  slot.reset();
  if (status == "canceled") {
    voice_.call(kScript, kDeleteOrder);
    ++calls_this_minute_;
    say_order(kScript, order, "pending_cancel");
  }
  say_order(kScript, order, status);
  if (order.purpose == Purpose::exit) finish_exit(desk, order);
}

void Trader::fill(Desk& desk, WorkingOrder& order, std::int64_t quantity_e8,
                  std::int64_t price_e8) {
  order.fill(quantity_e8, price_e8);
  if (order.purpose == Purpose::exit) return;  // one trade when the order has ended
  if (!desk.holding) {
    desk.holding = Holding{.instrument = order.instrument,
                           .is_long = order.buys,
                           .entry_time_ns = voice_.now_ns(),
                           .decision = desk.decision};
  }
  Holding& holding = *desk.holding;
  holding.quantity_e8 += quantity_e8;
  holding.bought_e8 += quantity_e8;
  holding.cost_e16 += int128{quantity_e8} * price_e8;
}

}  // namespace ddt::replay
