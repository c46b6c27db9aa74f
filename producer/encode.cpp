// Records with texts: what a bot says → body, texts, metadata, contiguous on the stack → Lane
// lines.
#include <cstring>

#include "ddt/telemetry.hpp"

namespace ddt::detail {
namespace {

// The payload of one Record being put together. Never longer than kPayloadBytesMax: every part is
// bounded.
template <typename Body>
class Payload {
 public:
  explicit Payload(const Body& body) noexcept { std::memcpy(bytes_, &body, sizeof body); }

  std::uint8_t text(std::string_view value, std::size_t bytes_max) noexcept {
    value = utf8_prefix(value, bytes_max);
    append(value);
    return static_cast<std::uint8_t>(value.size());
  }
  // Metadata too long is left off; counted once the Record, which is kept, is published.
  std::uint16_t metadata(std::string_view value) noexcept {
    if (value.size() > kMetadataBytesMax) {
      is_metadata_left_off_ = true;
      return 0;
    }
    append(value);
    return static_cast<std::uint16_t>(value.size());
  }
  // The body again, now that it knows the lengths.
  void set_body(const Body& body) noexcept { std::memcpy(bytes_, &body, sizeof body); }

  const void* data() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return used_; }
  bool is_metadata_left_off() const noexcept { return is_metadata_left_off_; }

 private:
  void append(std::string_view value) noexcept {
    if (value.empty()) return;  // its data() may be null
    std::memcpy(bytes_ + used_, value.data(), value.size());
    used_ += value.size();
  }

  std::size_t used_ = sizeof(Body);
  bool is_metadata_left_off_ = false;
  std::byte bytes_[kPayloadBytesMax];
};

template <typename... Numbers>
constexpr bool all_valid_or_unsaid(Numbers... values_e8) noexcept {
  return ((values_e8 != kInvalidE8) && ...);
}

template <typename Body>
Published publish_payload(LaneWriter& lane, Speaker speaker, std::int64_t event_time_ns,
                          Payload<Body>& payload, const Body& body) noexcept {
  payload.set_body(body);
  const Publish result = lane.try_publish(stamp_of(Body::kKind, speaker, event_time_ns),
                                          payload.data(), payload.size());
  if (payload.is_metadata_left_off() && result == Publish::ok) lane.count_metadata_left_off();
  return to_published(result);
}

bool can_speak(Speaker speaker, std::int64_t event_time_ns) noexcept {
  return speaker.profile_id >= 1 && is_possible_or_unsaid_time(event_time_ns);
}

}  // namespace

// The longest Record: a trade with every text at its limit.
static_assert(sizeof(TradeBody) + kSymbolBytesMax + 3 * kIdBytesMax + 4 * kWordBytesMax +
                  kMetadataBytesMax <=
              kPayloadBytesMax);

Published publish_record(LaneWriter& lane, Speaker speaker, const Signal& signal) noexcept {
  if (!can_speak(speaker, signal.event_time_ns) || !is_symbol(signal.symbol) ||
      !all_valid_or_unsaid(signal.bar_strength_e8, signal.close_price_e8, signal.candle_size_e8,
                           signal.volume_e8)) {
    return refuse(lane);
  }
  SignalBody body{.bar_strength_e8 = signal.bar_strength_e8,
                  .close_price_e8 = signal.close_price_e8,
                  .candle_size_e8 = signal.candle_size_e8,
                  .volume_e8 = signal.volume_e8,
                  .direction = signal.direction.code(),
                  .fate = signal.fate.code(),
                  .text_bytes = {},
                  .reserved = 0,
                  .metadata_bytes = 0,
                  .reserved2 = {}};
  Payload payload(body);
  body.text_bytes[0] = payload.text(signal.signal_id, kIdBytesMax);
  body.text_bytes[1] = payload.text(signal.symbol, kSymbolBytesMax);
  body.text_bytes[2] = payload.text(signal.reason, kWordBytesMax);
  body.text_bytes[3] = payload.text(signal.direction.other_text(), kWordBytesMax);
  body.text_bytes[4] = payload.text(signal.fate.other_text(), kWordBytesMax);
  body.metadata_bytes = payload.metadata(signal.metadata);
  return publish_payload(lane, speaker, signal.event_time_ns, payload, body);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const Order& order) noexcept {
  const bool latency_ok = order.api_latency_ns == kNoTime || order.api_latency_ns >= 0;
  if (!can_speak(speaker, order.event_time_ns) || !is_symbol(order.symbol) || !latency_ok ||
      !all_valid_or_unsaid(order.quantity_e8, order.filled_quantity_e8, order.limit_price_e8,
                           order.filled_price_e8)) {
    return refuse(lane);
  }
  OrderBody body{.quantity_e8 = order.quantity_e8,
                 .filled_quantity_e8 = order.filled_quantity_e8,
                 .limit_price_e8 = order.limit_price_e8,
                 .filled_price_e8 = order.filled_price_e8,
                 .api_latency_ns = order.api_latency_ns,
                 .order_type = order.order_type.code(),
                 .side = order.side.code(),
                 .status = order.status.code(),
                 .text_bytes = {},
                 .metadata_bytes = 0,
                 .reserved = {}};
  Payload payload(body);
  body.text_bytes[0] = payload.text(order.order_id, kIdBytesMax);
  body.text_bytes[1] = payload.text(order.parent_order_id, kIdBytesMax);
  body.text_bytes[2] = payload.text(order.signal_id, kIdBytesMax);
  body.text_bytes[3] = payload.text(order.symbol, kSymbolBytesMax);
  body.text_bytes[4] = payload.text(order.order_type.other_text(), kWordBytesMax);
  body.text_bytes[5] = payload.text(order.side.other_text(), kWordBytesMax);
  body.text_bytes[6] = payload.text(order.status.other_text(), kWordBytesMax);
  body.metadata_bytes = payload.metadata(order.metadata);
  return publish_payload(lane, speaker, order.event_time_ns, payload, body);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const Trade& trade) noexcept {
  const bool times_ok = is_possible_or_unsaid_time(trade.entry_time_ns) &&
                        is_possible_or_unsaid_time(trade.exit_time_ns);
  const bool numbers_ok = is_valid_number(trade.quantity_e8) &&
                          is_valid_number(trade.entry_price_e8) &&
                          is_valid_number(trade.exit_price_e8) && is_valid_number(trade.fees_e8) &&
                          all_valid_or_unsaid(trade.multiplier_e8, trade.reference_price_e8,
                                              trade.bar_strength_e8, trade.candle_size_e8);
  if (!can_speak(speaker, trade.event_time_ns) || !times_ok || !numbers_ok ||
      !is_symbol(trade.symbol)) {
    return refuse(lane);
  }
  TradeBody body{.quantity_e8 = trade.quantity_e8,
                 .multiplier_e8 = trade.multiplier_e8,
                 .entry_price_e8 = trade.entry_price_e8,
                 .exit_price_e8 = trade.exit_price_e8,
                 .reference_price_e8 = trade.reference_price_e8,
                 .fees_e8 = trade.fees_e8,
                 .entry_time_ns = trade.entry_time_ns,
                 .exit_time_ns = trade.exit_time_ns,
                 .bar_strength_e8 = trade.bar_strength_e8,
                 .candle_size_e8 = trade.candle_size_e8,
                 .trade_type = trade.trade_type.code(),
                 .side = trade.side.code(),
                 .exit_reason = trade.exit_reason.code(),
                 .direction = trade.direction.code(),
                 .text_bytes = {},
                 .metadata_bytes = 0,
                 .reserved = {}};
  Payload payload(body);
  body.text_bytes[0] = payload.text(trade.symbol, kSymbolBytesMax);
  body.text_bytes[1] = payload.text(trade.trade_id, kIdBytesMax);
  body.text_bytes[2] = payload.text(trade.order_id, kIdBytesMax);
  body.text_bytes[3] = payload.text(trade.signal_id, kIdBytesMax);
  body.text_bytes[4] = payload.text(trade.trade_type.other_text(), kWordBytesMax);
  body.text_bytes[5] = payload.text(trade.side.other_text(), kWordBytesMax);
  body.text_bytes[6] = payload.text(trade.exit_reason.other_text(), kWordBytesMax);
  body.text_bytes[7] = payload.text(trade.direction.other_text(), kWordBytesMax);
  body.metadata_bytes = payload.metadata(trade.metadata);
  return publish_payload(lane, speaker, trade.event_time_ns, payload, body);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const Equity& equity) noexcept {
  if (!can_speak(speaker, equity.event_time_ns) || !is_valid_number(equity.account_equity_e8) ||
      !all_valid_or_unsaid(equity.unrealized_pnl_e8, equity.realized_pnl_e8, equity.margin_used_e8,
                           equity.margin_available_e8, equity.cash_flow_e8)) {
    return refuse(lane);
  }
  EquityBody body{.account_equity_e8 = equity.account_equity_e8,
                  .unrealized_pnl_e8 = equity.unrealized_pnl_e8,
                  .realized_pnl_e8 = equity.realized_pnl_e8,
                  .margin_used_e8 = equity.margin_used_e8,
                  .margin_available_e8 = equity.margin_available_e8,
                  .cash_flow_e8 = equity.cash_flow_e8,
                  .open_positions_count = equity.open_positions_count,
                  .text_bytes = {},
                  .reserved = 0,
                  .metadata_bytes = 0};
  Payload payload(body);
  body.metadata_bytes = payload.metadata(equity.metadata);
  return publish_payload(lane, speaker, equity.event_time_ns, payload, body);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const Position& position) noexcept {
  if (!can_speak(speaker, position.event_time_ns) || !is_symbol(position.symbol) ||
      !is_valid_number(position.quantity_e8) ||
      !all_valid_or_unsaid(position.average_entry_e8, position.current_price_e8,
                           position.market_value_e8, position.unrealized_pnl_e8)) {
    return refuse(lane);
  }
  PositionBody body{.quantity_e8 = position.quantity_e8,
                    .average_entry_e8 = position.average_entry_e8,
                    .current_price_e8 = position.current_price_e8,
                    .market_value_e8 = position.market_value_e8,
                    .unrealized_pnl_e8 = position.unrealized_pnl_e8,
                    .side = position.side.code(),
                    .text_bytes = {},
                    .reserved = 0,
                    .metadata_bytes = 0,
                    .reserved2 = {}};
  Payload payload(body);
  body.text_bytes[0] = payload.text(position.symbol, kSymbolBytesMax);
  body.text_bytes[1] = payload.text(position.side.other_text(), kWordBytesMax);
  body.metadata_bytes = payload.metadata(position.metadata);
  return publish_payload(lane, speaker, position.event_time_ns, payload, body);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const RateLimit& rate_limit) noexcept {
  if (!can_speak(speaker, rate_limit.event_time_ns) || rate_limit.remaining < -1 ||
      rate_limit.limit < -1 || !is_possible_or_unsaid_time(rate_limit.reset_time_ns)) {
    return refuse(lane);
  }
  RateLimitBody body{.remaining = rate_limit.remaining,
                     .limit = rate_limit.limit,
                     .reset_time_ns = rate_limit.reset_time_ns,
                     .text_bytes = {},
                     .reserved = 0,
                     .metadata_bytes = 0,
                     .reserved2 = {}};
  Payload payload(body);
  body.metadata_bytes = payload.metadata(rate_limit.metadata);
  return publish_payload(lane, speaker, rate_limit.event_time_ns, payload, body);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const Health& health) noexcept {
  if (!can_speak(speaker, health.event_time_ns) || health.error_count < 0 ||
      health.warning_count < 0 ||
      !all_valid_or_unsaid(health.cpu_usage_pct_e8, health.memory_usage_mb_e8) ||
      health.expected_interval_s < -1) {
    return refuse(lane);
  }
  HealthBody body{.error_count = health.error_count,
                  .warning_count = health.warning_count,
                  .cpu_usage_pct_e8 = health.cpu_usage_pct_e8,
                  .memory_usage_mb_e8 = health.memory_usage_mb_e8,
                  .expected_interval_s = health.expected_interval_s,
                  .status = health.status.code(),
                  .text_bytes = {},
                  .metadata_bytes = 0,
                  .reserved = {}};
  Payload payload(body);
  body.text_bytes[0] = payload.text(health.status.other_text(), kWordBytesMax);
  body.metadata_bytes = payload.metadata(health.metadata);
  return publish_payload(lane, speaker, health.event_time_ns, payload, body);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const ErrorReport& error) noexcept {
  if (!can_speak(speaker, error.event_time_ns)) return refuse(lane);
  ErrorBody body{
      .severity = error.severity.code(), .text_bytes = {}, .metadata_bytes = 0, .reserved = {}};
  Payload payload(body);
  body.text_bytes[0] = payload.text(error.code, kWordBytesMax);
  body.text_bytes[1] = payload.text(error.text, kErrorTextBytesMax);
  body.text_bytes[2] = payload.text(error.severity.other_text(), kWordBytesMax);
  body.metadata_bytes = payload.metadata(error.metadata);
  return publish_payload(lane, speaker, error.event_time_ns, payload, body);
}

}  // namespace ddt::detail
