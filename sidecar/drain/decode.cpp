#include "sidecar/drain/decode.hpp"

#include <cstring>
#include <initializer_list>

#include "shm/base/utf8.hpp"
#include "shm/words.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/trades.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::int64_t kLatestTimeNs = 7'258'118'400'000'000'000;  // 2200, as at publish

bool is_time(std::int64_t time_ns) { return time_ns >= 0 && time_ns < kLatestTimeNs; }
bool is_time_or_unsaid(std::int64_t time_ns) { return time_ns == kNoTime || is_time(time_ns); }
bool are_numbers(std::initializer_list<std::int64_t> values_e8) {
  for (const std::int64_t value_e8 : values_e8) {
    if (!is_valid_number(value_e8)) return false;
  }
  return true;
}
bool are_numbers_or_unsaid(std::initializer_list<std::int64_t> values_e8) {
  for (const std::int64_t value_e8 : values_e8) {
    if (value_e8 == kInvalidE8) return false;
  }
  return true;
}

// Reads the texts behind a body in their order. Running out of bytes makes the whole Record undecodable, and so does
// a text that is longer than a bot can publish: MySQL would refuse its row, at everybody's cost.
class Texts {
 public:
  Texts(const RecordCopy& record, std::size_t body_bytes, DecodeCounts& counts)
      : rest_(reinterpret_cast<const char*>(record.payload.data()) + body_bytes,
              record.payload_bytes - body_bytes),
        counts_(counts) {}

  std::string next(std::size_t bytes, std::size_t bytes_max) {
    if (bytes > rest_.size() || bytes > bytes_max) {
      ok_ = false;
      return {};
    }
    std::string text(rest_.substr(0, bytes));
    rest_.remove_prefix(bytes);
    if (!is_utf8(text)) {
      ++counts_.texts_not_utf8;
      replace_non_ascii(text);
    }
    return text;
  }
  template <typename Word>
  std::string word(std::uint8_t code, std::size_t bytes) {
    std::string text = next(bytes, kWordBytesMax);
    if (code == kOtherWord) {
      ++counts_.other_words;
      return text;
    }
    return std::string(Word::known(code));
  }
  std::string metadata(std::size_t bytes) {
    if (bytes == 0) return {};
    if (bytes > rest_.size() || bytes > kMetadataBytesMax) {
      ok_ = false;
      return {};
    }
    const std::string_view text = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    if (model::is_json_object(text)) return std::string(text);
    ++counts_.metadata_not_json;
    return {};
  }
  bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  DecodeCounts& counts_;
  bool ok_ = true;
};

template <typename Body>
bool read_body(const RecordCopy& record, Body& body) {
  if (record.payload_bytes < sizeof body) return false;
  std::memcpy(&body, record.payload.data(), sizeof body);
  return true;
}

using Decoded = std::variant<model::Event, Undecodable>;
const Decoded kBadNumber = Undecodable{"number"};
const Decoded kBadText = Undecodable{"text length"};
const Decoded kBadTime = Undecodable{"time"};
const Decoded kBadSymbol = Undecodable{"symbol"};

Decoded make(const SignalBody& b, Texts& texts, model::Origin origin, SegmentReader&) {
  model::SignalEvent e;
  e.signal_id = texts.next(b.text_bytes[0], kIdBytesMax);
  e.symbol = texts.next(b.text_bytes[1], kSymbolBytesMax);
  e.reason = texts.next(b.text_bytes[2], kWordBytesMax);
  e.direction = texts.word<Direction>(b.direction, b.text_bytes[3]);
  e.fate = texts.word<SignalFate>(b.fate, b.text_bytes[4]);
  origin.metadata = texts.metadata(b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  if (!is_symbol(e.symbol)) return kBadSymbol;
  if (!are_numbers_or_unsaid({b.bar_strength_e8, b.close_price_e8, b.candle_size_e8, b.volume_e8}))
    return kBadNumber;
  e.bar_strength_e8 = b.bar_strength_e8;
  e.close_price_e8 = b.close_price_e8;
  e.candle_size_e8 = b.candle_size_e8;
  e.volume_e8 = b.volume_e8;
  e.origin = std::move(origin);
  return e;
}

Decoded make(const OrderBody& b, Texts& texts, model::Origin origin, SegmentReader&) {
  model::OrderEvent e;
  e.order_id = texts.next(b.text_bytes[0], kIdBytesMax);
  e.parent_order_id = texts.next(b.text_bytes[1], kIdBytesMax);
  e.signal_id = texts.next(b.text_bytes[2], kIdBytesMax);
  e.symbol = texts.next(b.text_bytes[3], kSymbolBytesMax);
  e.order_type = texts.word<OrderType>(b.order_type, b.text_bytes[4]);
  e.side = texts.word<Side>(b.side, b.text_bytes[5]);
  e.status = texts.word<OrderStatus>(b.status, b.text_bytes[6]);
  origin.metadata = texts.metadata(b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  if (!is_symbol(e.symbol)) return kBadSymbol;
  if (!are_numbers_or_unsaid(
          {b.quantity_e8, b.filled_quantity_e8, b.limit_price_e8, b.filled_price_e8}))
    return kBadNumber;
  if (b.api_latency_ns < 0 && b.api_latency_ns != kNoTime) return kBadNumber;
  e.quantity_e8 = b.quantity_e8;
  e.filled_quantity_e8 = b.filled_quantity_e8;
  e.limit_price_e8 = b.limit_price_e8;
  e.filled_price_e8 = b.filled_price_e8;
  e.api_latency_ns = b.api_latency_ns;
  e.origin = std::move(origin);
  return e;
}

Decoded make(const TradeBody& b, Texts& texts, model::Origin origin, SegmentReader&) {
  model::TradeEvent e;
  e.symbol = texts.next(b.text_bytes[0], kSymbolBytesMax);
  e.trade_id = texts.next(b.text_bytes[1], kIdBytesMax);
  e.order_id = texts.next(b.text_bytes[2], kIdBytesMax);
  e.signal_id = texts.next(b.text_bytes[3], kIdBytesMax);
  e.trade_type = texts.word<TradeType>(b.trade_type, b.text_bytes[4]);
  e.side = texts.word<Side>(b.side, b.text_bytes[5]);
  e.exit_reason = texts.word<ExitReason>(b.exit_reason, b.text_bytes[6]);
  e.direction = texts.word<Direction>(b.direction, b.text_bytes[7]);
  origin.metadata = texts.metadata(b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  if (!is_symbol(e.symbol)) return kBadSymbol;
  if (!are_numbers({b.quantity_e8, b.entry_price_e8, b.exit_price_e8, b.fees_e8}) ||
      !are_numbers_or_unsaid(
          {b.multiplier_e8, b.reference_price_e8, b.bar_strength_e8, b.candle_size_e8})) {
    return kBadNumber;
  }
  if (!is_time_or_unsaid(b.entry_time_ns) || !is_time_or_unsaid(b.exit_time_ns)) return kBadTime;
  e.quantity_e8 = b.quantity_e8;
  e.multiplier_e8 =
      is_null(b.multiplier_e8) ? model::default_multiplier_e8(e.symbol) : b.multiplier_e8;
  e.entry_price_e8 = b.entry_price_e8;
  e.exit_price_e8 = b.exit_price_e8;
  e.reference_price_e8 = b.reference_price_e8;
  e.fees_e8 = b.fees_e8;
  e.bar_strength_e8 = b.bar_strength_e8;
  e.candle_size_e8 = b.candle_size_e8;
  e.entry_time_ns = b.entry_time_ns;
  e.exit_time_ns = b.exit_time_ns == kNoTime ? origin.event_time_ns : b.exit_time_ns;
  e.origin = std::move(origin);
  return e;
}

Decoded make(const ErrorBody& b, Texts& texts, model::Origin origin, SegmentReader&) {
  model::ErrorEvent e;
  e.code = texts.next(b.text_bytes[0], kWordBytesMax);
  e.text = texts.next(b.text_bytes[1], kErrorTextBytesMax);
  e.severity = texts.word<Severity>(b.severity, b.text_bytes[2]);
  origin.metadata = texts.metadata(b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  e.origin = std::move(origin);
  return e;
}

Decoded make(const EquityBody& b, Texts& texts, model::Origin origin, SegmentReader&) {
  origin.metadata = texts.metadata(b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  if (!is_valid_number(b.account_equity_e8) ||
      !are_numbers_or_unsaid({b.unrealized_pnl_e8, b.realized_pnl_e8, b.margin_used_e8,
                              b.margin_available_e8, b.cash_flow_e8})) {
    return kBadNumber;
  }
  model::EquityEvent e;
  e.origin = std::move(origin);
  e.account_equity_e8 = b.account_equity_e8;
  e.unrealized_pnl_e8 = b.unrealized_pnl_e8;
  e.realized_pnl_e8 = b.realized_pnl_e8;
  e.margin_used_e8 = b.margin_used_e8;
  e.margin_available_e8 = b.margin_available_e8;
  e.cash_flow_e8 = b.cash_flow_e8;
  e.open_positions_count = b.open_positions_count < 0 ? -1 : b.open_positions_count;
  return e;
}

Decoded make(const PositionBody& b, Texts& texts, model::Origin origin, SegmentReader&) {
  model::PositionEvent e;
  e.symbol = texts.next(b.text_bytes[0], kSymbolBytesMax);
  e.side = texts.word<Side>(b.side, b.text_bytes[1]);
  origin.metadata = texts.metadata(b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  if (!is_symbol(e.symbol)) return kBadSymbol;
  if (!is_valid_number(b.quantity_e8) ||
      !are_numbers_or_unsaid(
          {b.average_entry_e8, b.current_price_e8, b.market_value_e8, b.unrealized_pnl_e8})) {
    return kBadNumber;
  }
  e.quantity_e8 = b.quantity_e8;
  e.average_entry_e8 = b.average_entry_e8;
  e.current_price_e8 = b.current_price_e8;
  e.market_value_e8 = b.market_value_e8;
  e.unrealized_pnl_e8 = b.unrealized_pnl_e8;
  e.origin = std::move(origin);
  return e;
}

Decoded make(const RateLimitBody& b, Texts& texts, model::Origin origin, SegmentReader&) {
  origin.metadata = texts.metadata(b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  constexpr std::int64_t kCountMax =
      1'000'000'000'000'000;  // what the metric_value column holds, with room
  if (b.remaining < -1 || b.limit < -1 || b.remaining > kCountMax || b.limit > kCountMax)
    return kBadNumber;
  if (!is_time_or_unsaid(b.reset_time_ns)) return kBadTime;
  model::RateLimitEvent e;
  e.origin = std::move(origin);
  e.remaining = b.remaining;
  e.limit = b.limit;
  e.reset_time_ns = b.reset_time_ns;
  return e;
}

Decoded make(const HealthBody& b, Texts& texts, model::Origin origin, SegmentReader&) {
  model::HealthEvent e;
  e.status = texts.word<HealthStatus>(b.status, b.text_bytes[0]);
  origin.metadata = texts.metadata(b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  constexpr std::int64_t kCountMax = 1'000'000'000'000'000;
  if (b.error_count < 0 || b.warning_count < 0 || b.error_count > kCountMax ||
      b.warning_count > kCountMax || b.expected_interval_s < -1 ||
      !are_numbers_or_unsaid({b.cpu_usage_pct_e8, b.memory_usage_mb_e8})) {
    return kBadNumber;
  }
  e.error_count = b.error_count;
  e.warning_count = b.warning_count;
  e.cpu_usage_pct_e8 = b.cpu_usage_pct_e8;
  e.memory_usage_mb_e8 = b.memory_usage_mb_e8;
  e.expected_interval_s = b.expected_interval_s;
  e.origin = std::move(origin);
  return e;
}

Decoded make(const LatencyBody& b, Texts&, model::Origin origin, SegmentReader& segment) {
  if (b.duration_ns < 0) return kBadNumber;
  model::LatencyEvent e;
  e.endpoint = segment.name_at(b.endpoint);
  e.duration_ns = b.duration_ns;
  e.outcome = b.outcome;
  e.origin = std::move(origin);
  return e;
}

Decoded make(const MetricBody& b, Texts&, model::Origin origin, SegmentReader& segment) {
  if (!is_valid_number(b.value_e8) || b.type < 1 || b.type > 3) return kBadNumber;
  model::MetricEvent e;
  e.name = segment.name_at(b.name);
  e.kind = static_cast<model::MetricKind>(b.type);
  e.value_e8 = b.value_e8;
  e.origin = std::move(origin);
  return e;
}

template <typename Body>
Decoded decode_as(const RecordCopy& record, SegmentReader& segment, model::Origin origin,
                  DecodeCounts& counts) {
  Body body;
  if (!read_body(record, body)) return kBadText;
  Texts texts(record, sizeof body, counts);
  return make(body, texts, std::move(origin), segment);
}

}  // namespace

std::variant<model::Event, Undecodable> decode(const RecordCopy& record, SegmentReader& segment,
                                               DecodeCounts& counts) {
  const RecordHead& head = record.head;
  if (head.profile_id < 1) return Undecodable{"profile"};
  const bool given = (head.lines & kEventTimeGiven) != 0;
  const std::int64_t time_ns =
      given ? static_cast<std::int64_t>(head.stamp) : segment.wall_time_ns(head.stamp);
  if (!is_time(time_ns)) return kBadTime;
  model::Origin origin{.profile_id = head.profile_id,
                       .script_name = segment.script_at(head.script),
                       .position = record.position,
                       .event_time_ns = time_ns,
                       .metadata = {}};
  switch (head.kind) {
    case RecordKind::signal:
      return decode_as<SignalBody>(record, segment, std::move(origin), counts);
    case RecordKind::order:
      return decode_as<OrderBody>(record, segment, std::move(origin), counts);
    case RecordKind::trade:
      return decode_as<TradeBody>(record, segment, std::move(origin), counts);
    case RecordKind::error:
      return decode_as<ErrorBody>(record, segment, std::move(origin), counts);
    case RecordKind::equity:
      return decode_as<EquityBody>(record, segment, std::move(origin), counts);
    case RecordKind::position:
      return decode_as<PositionBody>(record, segment, std::move(origin), counts);
    case RecordKind::rate_limit:
      return decode_as<RateLimitBody>(record, segment, std::move(origin), counts);
    case RecordKind::health:
      return decode_as<HealthBody>(record, segment, std::move(origin), counts);
    case RecordKind::latency:
      return decode_as<LatencyBody>(record, segment, std::move(origin), counts);
    case RecordKind::metric:
      return decode_as<MetricBody>(record, segment, std::move(origin), counts);
  }
  return Undecodable{"kind " + std::to_string(static_cast<unsigned>(head.kind))};
}

}  // namespace ddt::sidecar
