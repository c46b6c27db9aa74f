// Records with texts: what a bot says → body, texts, metadata, in words on the stack → Lane lines.
#include <cstddef>
#include <cstring>

#include "ddt/telemetry.hpp"

namespace ddt::detail {
namespace {

constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

// Little-endian bytes of a word, first to last.
template <typename... Bytes>
constexpr std::uint64_t pack(Bytes... bytes) noexcept {
  std::uint64_t word = 0;
  unsigned shift = 0;
  ((word |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes)) << shift, shift += 8U),
   ...);
  return word;
}
constexpr std::uint64_t pack_at(std::size_t byte, std::uint64_t value) noexcept {
  return value << (8U * byte);
}

// The payload of one Record being put together, in whole words (shm/lane.hpp says why): the body's,
// then texts and metadata without padding. Never longer than kPayloadBytesMax: every part is bounded.
template <typename Body>
class Payload {
 public:
  // The body's first words; those that hold lengths are set last.
  template <typename... Words>
  explicit Payload(Words... words) noexcept {
    static_assert(sizeof(Body) % kWordBytes == 0 && sizeof...(words) <= kBodyWords);
    std::size_t i = 0;  // the words beyond stay unset: two kilobytes to clear are not free
    ((words_[i++] = static_cast<std::uint64_t>(words)), ...);
  }

  std::uint8_t text(std::string_view value, std::size_t bytes_max) noexcept {
    if (value.empty()) return 0;
    value = utf8_prefix(value, bytes_max);
    append(value);
    return static_cast<std::uint8_t>(value.size());
  }
  // Metadata too long is left off; counted once the Record, which is kept, is published.
  std::uint16_t metadata(std::string_view value) noexcept {
    if (value.empty()) return 0;
    if (value.size() > kMetadataBytesMax) {
      is_metadata_left_off_ = true;
      return 0;
    }
    append(value);
    return static_cast<std::uint16_t>(value.size());
  }
  void set_word(std::size_t offset, std::uint64_t word) noexcept {
    words_[offset / kWordBytes] = word;
  }

  Published publish(LaneWriter& lane, Speaker speaker, std::int64_t event_time_ns) noexcept {
    if (pending_bytes_ != 0) words_[used_] = pending_;
    const std::size_t bytes = (used_ + (pending_bytes_ != 0 ? 1 : 0)) * kWordBytes;
    const Publish result =
        lane.try_publish(stamp_of(Body::kKind, speaker, event_time_ns), words_, bytes);
    if (is_metadata_left_off_ && result == Publish::ok) lane.count_metadata_left_off();
    return to_published(result);
  }

 private:
  static constexpr std::size_t kBodyWords = sizeof(Body) / kWordBytes;

  void append(std::string_view value) noexcept {
    const char* from = value.data();
    std::size_t bytes = value.size();
    for (; bytes >= kWordBytes; bytes -= kWordBytes, from += kWordBytes)
      append_bytes(load<std::uint64_t>(from), kWordBytes);
    if (bytes != 0) append_bytes(load_fewer(from, bytes), bytes);
  }
  // `bytes` 1 … 8 of a word whose other bytes are zero.
  void append_bytes(std::uint64_t word, std::size_t bytes) noexcept {
    pending_ |= word << (8U * pending_bytes_);
    if (pending_bytes_ + bytes < kWordBytes) {
      pending_bytes_ += bytes;
      return;
    }
    words_[used_++] = pending_;
    const std::size_t taken = kWordBytes - pending_bytes_;
    pending_ = taken < bytes ? word >> (8U * taken) : 0;
    pending_bytes_ = bytes - taken;
  }
  template <typename Word>
  static std::uint64_t load(const char* from) noexcept {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
  }
  // 1 … 7 bytes, by two loads that may overlap.
  static std::uint64_t load_fewer(const char* from, std::size_t bytes) noexcept {
    if (bytes >= 4) {
      return load<std::uint32_t>(from) | load<std::uint32_t>(from + bytes - 4)
                                             << (8U * (bytes - 4));
    }
    if (bytes >= 2) {
      return load<std::uint16_t>(from) | load<std::uint16_t>(from + bytes - 2)
                                             << (8U * (bytes - 2));
    }
    return load<std::uint8_t>(from);
  }

  std::uint64_t words_[kPayloadBytesMax / kWordBytes];
  std::size_t used_ = kBodyWords;
  std::uint64_t pending_ = 0;  // the word being filled
  std::size_t pending_bytes_ = 0;
  bool is_metadata_left_off_ = false;
};

template <typename... Numbers>
constexpr bool all_valid_or_unsaid(Numbers... values_e8) noexcept {
  return ((values_e8 != kInvalidE8) && ...);
}

// Words without a text of their own: one test for all of them.
template <typename... Words>
constexpr bool are_known(const Words&... words) noexcept {
  return (words.other_text().size() | ...) == 0;
}

bool can_speak(Speaker speaker, std::int64_t event_time_ns) noexcept {
  return speaker.can_speak() && is_possible_or_unsaid_time(event_time_ns);
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
  static_assert(offsetof(SignalBody, direction) == 32 && offsetof(SignalBody, text_bytes) == 34 &&
                offsetof(SignalBody, metadata_bytes) == 40);
  Payload<SignalBody> payload(signal.bar_strength_e8, signal.close_price_e8, signal.candle_size_e8,
                              signal.volume_e8);
  const std::uint8_t id = payload.text(signal.signal_id, kIdBytesMax);
  const std::uint8_t symbol = payload.text(signal.symbol, kSymbolBytesMax);
  const std::uint8_t reason = payload.text(signal.reason, kWordBytesMax);
  const std::uint8_t direction = payload.text(signal.direction.other_text(), kWordBytesMax);
  const std::uint8_t fate = payload.text(signal.fate.other_text(), kWordBytesMax);
  payload.set_word(
      32, pack(signal.direction.code(), signal.fate.code(), id, symbol, reason, direction, fate));
  payload.set_word(40, payload.metadata(signal.metadata));
  return payload.publish(lane, speaker, signal.event_time_ns);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const Order& order) noexcept {
  const bool latency_ok = order.api_latency_ns == kNoTime || order.api_latency_ns >= 0;
  if (!can_speak(speaker, order.event_time_ns) || !is_symbol(order.symbol) || !latency_ok ||
      !all_valid_or_unsaid(order.quantity_e8, order.filled_quantity_e8, order.limit_price_e8,
                           order.filled_price_e8)) {
    return refuse(lane);
  }
  static_assert(offsetof(OrderBody, order_type) == 40 && offsetof(OrderBody, text_bytes) == 43 &&
                offsetof(OrderBody, metadata_bytes) == 50);
  Payload<OrderBody> payload(order.quantity_e8, order.filled_quantity_e8, order.limit_price_e8,
                             order.filled_price_e8, order.api_latency_ns);
  const std::uint8_t id = payload.text(order.order_id, kIdBytesMax);
  const std::uint8_t parent = payload.text(order.parent_order_id, kIdBytesMax);
  const std::uint8_t signal = payload.text(order.signal_id, kIdBytesMax);
  const std::uint8_t symbol = payload.text(order.symbol, kSymbolBytesMax);
  const std::uint8_t type = payload.text(order.order_type.other_text(), kWordBytesMax);
  const std::uint8_t side = payload.text(order.side.other_text(), kWordBytesMax);
  const std::uint8_t status = payload.text(order.status.other_text(), kWordBytesMax);
  const std::uint16_t metadata = payload.metadata(order.metadata);
  payload.set_word(40, pack(order.order_type.code(), order.side.code(), order.status.code(), id,
                            parent, signal, symbol, type));
  payload.set_word(48, pack(side, status) | pack_at(2, metadata));
  return payload.publish(lane, speaker, order.event_time_ns);
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
  static_assert(offsetof(TradeBody, trade_type) == 80 && offsetof(TradeBody, text_bytes) == 84 &&
                offsetof(TradeBody, metadata_bytes) == 92);
  Payload<TradeBody> payload(trade.quantity_e8, trade.multiplier_e8, trade.entry_price_e8,
                             trade.exit_price_e8, trade.reference_price_e8, trade.fees_e8,
                             trade.entry_time_ns, trade.exit_time_ns, trade.bar_strength_e8,
                             trade.candle_size_e8);
  const std::uint8_t symbol = payload.text(trade.symbol, kSymbolBytesMax);
  const std::uint8_t id = payload.text(trade.trade_id, kIdBytesMax);
  const std::uint8_t order = payload.text(trade.order_id, kIdBytesMax);
  const std::uint8_t signal = payload.text(trade.signal_id, kIdBytesMax);
  std::uint8_t type = 0, side = 0, reason = 0, direction = 0;
  if (!are_known(trade.trade_type, trade.side, trade.exit_reason, trade.direction)) [[unlikely]] {
    type = payload.text(trade.trade_type.other_text(), kWordBytesMax);
    side = payload.text(trade.side.other_text(), kWordBytesMax);
    reason = payload.text(trade.exit_reason.other_text(), kWordBytesMax);
    direction = payload.text(trade.direction.other_text(), kWordBytesMax);
  }
  const std::uint16_t metadata = payload.metadata(trade.metadata);
  payload.set_word(80, pack(trade.trade_type.code(), trade.side.code(), trade.exit_reason.code(),
                            trade.direction.code(), symbol, id, order, signal));
  payload.set_word(88, pack(type, side, reason, direction) | pack_at(4, metadata));
  return payload.publish(lane, speaker, trade.event_time_ns);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const Equity& equity) noexcept {
  if (!can_speak(speaker, equity.event_time_ns) || !is_valid_number(equity.account_equity_e8) ||
      !all_valid_or_unsaid(equity.unrealized_pnl_e8, equity.realized_pnl_e8, equity.margin_used_e8,
                           equity.margin_available_e8, equity.cash_flow_e8)) {
    return refuse(lane);
  }
  static_assert(offsetof(EquityBody, open_positions_count) == 48 &&
                offsetof(EquityBody, metadata_bytes) == 54);
  Payload<EquityBody> payload(equity.account_equity_e8, equity.unrealized_pnl_e8,
                              equity.realized_pnl_e8, equity.margin_used_e8,
                              equity.margin_available_e8, equity.cash_flow_e8);
  const std::uint16_t metadata = payload.metadata(equity.metadata);
  payload.set_word(48,
                   static_cast<std::uint32_t>(equity.open_positions_count) | pack_at(6, metadata));
  return payload.publish(lane, speaker, equity.event_time_ns);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const Position& position) noexcept {
  if (!can_speak(speaker, position.event_time_ns) || !is_symbol(position.symbol) ||
      !is_valid_number(position.quantity_e8) ||
      !all_valid_or_unsaid(position.average_entry_e8, position.current_price_e8,
                           position.market_value_e8, position.unrealized_pnl_e8)) {
    return refuse(lane);
  }
  static_assert(offsetof(PositionBody, side) == 40 && offsetof(PositionBody, text_bytes) == 41 &&
                offsetof(PositionBody, metadata_bytes) == 44);
  Payload<PositionBody> payload(position.quantity_e8, position.average_entry_e8,
                                position.current_price_e8, position.market_value_e8,
                                position.unrealized_pnl_e8);
  const std::uint8_t symbol = payload.text(position.symbol, kSymbolBytesMax);
  const std::uint8_t side = payload.text(position.side.other_text(), kWordBytesMax);
  const std::uint16_t metadata = payload.metadata(position.metadata);
  payload.set_word(40, pack(position.side.code(), symbol, side) | pack_at(4, metadata));
  return payload.publish(lane, speaker, position.event_time_ns);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const RateLimit& rate_limit) noexcept {
  if (!can_speak(speaker, rate_limit.event_time_ns) || rate_limit.remaining < -1 ||
      rate_limit.limit < -1 || !is_possible_or_unsaid_time(rate_limit.reset_time_ns)) {
    return refuse(lane);
  }
  static_assert(offsetof(RateLimitBody, text_bytes) == 24 &&
                offsetof(RateLimitBody, metadata_bytes) == 26);
  Payload<RateLimitBody> payload(rate_limit.remaining, rate_limit.limit, rate_limit.reset_time_ns);
  payload.set_word(24, pack_at(2, payload.metadata(rate_limit.metadata)));
  return payload.publish(lane, speaker, rate_limit.event_time_ns);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const Health& health) noexcept {
  if (!can_speak(speaker, health.event_time_ns) || health.error_count < 0 ||
      health.warning_count < 0 ||
      !all_valid_or_unsaid(health.cpu_usage_pct_e8, health.memory_usage_mb_e8) ||
      health.expected_interval_s < -1) {
    return refuse(lane);
  }
  static_assert(offsetof(HealthBody, status) == 40 && offsetof(HealthBody, text_bytes) == 41 &&
                offsetof(HealthBody, metadata_bytes) == 42);
  Payload<HealthBody> payload(health.error_count, health.warning_count, health.cpu_usage_pct_e8,
                              health.memory_usage_mb_e8, health.expected_interval_s);
  const std::uint8_t status = payload.text(health.status.other_text(), kWordBytesMax);
  const std::uint16_t metadata = payload.metadata(health.metadata);
  payload.set_word(40, pack(health.status.code(), status) | pack_at(2, metadata));
  return payload.publish(lane, speaker, health.event_time_ns);
}

Published publish_record(LaneWriter& lane, Speaker speaker, const ErrorReport& error) noexcept {
  if (!can_speak(speaker, error.event_time_ns)) return refuse(lane);
  static_assert(offsetof(ErrorBody, severity) == 0 && offsetof(ErrorBody, text_bytes) == 1 &&
                offsetof(ErrorBody, metadata_bytes) == 4);
  Payload<ErrorBody> payload;
  const std::uint8_t code = payload.text(error.code, kWordBytesMax);
  const std::uint8_t text = payload.text(error.text, kErrorTextBytesMax);
  const std::uint8_t severity = payload.text(error.severity.other_text(), kWordBytesMax);
  const std::uint16_t metadata = payload.metadata(error.metadata);
  payload.set_word(0, pack(error.severity.code(), code, text, severity) | pack_at(4, metadata));
  return payload.publish(lane, speaker, error.event_time_ns);
}

}  // namespace ddt::detail
