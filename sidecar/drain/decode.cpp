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

  void next(std::string& text, std::size_t bytes, std::size_t bytes_max) {
    text.assign(cut(bytes, bytes_max));
    if (!is_utf8(text)) {
      ++counts_.texts_not_utf8;
      replace_non_ascii(text);
    }
  }
  template <typename Word>
  void word(std::string& text, std::uint8_t code, std::size_t bytes) {
    if (code == kOtherWord) {
      next(text, bytes, kWordBytesMax);
      ++counts_.other_words;
      return;
    }
    cut(bytes, kWordBytesMax);
    text.assign(Word::known(code));
  }
  void metadata(std::string& text, std::size_t bytes) {
    if (bytes == 0) return;
    const std::string_view said = cut(bytes, kMetadataBytesMax);
    if (!ok_) return;
    if (model::is_json_object(said)) {
      text.assign(said);
    } else {
      ++counts_.metadata_not_json;
    }
  }
  bool ok() const { return ok_; }

 private:
  std::string_view cut(std::size_t bytes, std::size_t bytes_max) {
    if (bytes > rest_.size() || bytes > bytes_max) {
      ok_ = false;
      return {};
    }
    const std::string_view text = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return text;
  }

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

// nullptr: it is an Event.
using Objection = const char*;
constexpr Objection kBadProfile = "profile";
constexpr Objection kBadNumber = "number";
constexpr Objection kBadText = "text length";
constexpr Objection kBadTime = "time";
constexpr Objection kBadSymbol = "symbol";

Objection fill(model::SignalEvent& e, const SignalBody& b, Texts& texts) {
  texts.next(e.signal_id, b.text_bytes[0], kIdBytesMax);
  texts.next(e.symbol, b.text_bytes[1], kSymbolBytesMax);
  texts.next(e.reason, b.text_bytes[2], kWordBytesMax);
  texts.word<Direction>(e.direction, b.direction, b.text_bytes[3]);
  texts.word<SignalFate>(e.fate, b.fate, b.text_bytes[4]);
  texts.metadata(e.origin.metadata, b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  if (!is_symbol(e.symbol)) return kBadSymbol;
  if (!are_numbers_or_unsaid({b.bar_strength_e8, b.close_price_e8, b.candle_size_e8, b.volume_e8}))
    return kBadNumber;
  e.bar_strength_e8 = b.bar_strength_e8;
  e.close_price_e8 = b.close_price_e8;
  e.candle_size_e8 = b.candle_size_e8;
  e.volume_e8 = b.volume_e8;
  return nullptr;
}

Objection fill(model::OrderEvent& e, const OrderBody& b, Texts& texts) {
  texts.next(e.order_id, b.text_bytes[0], kIdBytesMax);
  texts.next(e.parent_order_id, b.text_bytes[1], kIdBytesMax);
  texts.next(e.signal_id, b.text_bytes[2], kIdBytesMax);
  texts.next(e.symbol, b.text_bytes[3], kSymbolBytesMax);
  texts.word<OrderType>(e.order_type, b.order_type, b.text_bytes[4]);
  texts.word<Side>(e.side, b.side, b.text_bytes[5]);
  texts.word<OrderStatus>(e.status, b.status, b.text_bytes[6]);
  texts.metadata(e.origin.metadata, b.metadata_bytes);
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
  return nullptr;
}

Objection fill(model::TradeEvent& e, const TradeBody& b, Texts& texts) {
  texts.next(e.symbol, b.text_bytes[0], kSymbolBytesMax);
  texts.next(e.trade_id, b.text_bytes[1], kIdBytesMax);
  texts.next(e.order_id, b.text_bytes[2], kIdBytesMax);
  texts.next(e.signal_id, b.text_bytes[3], kIdBytesMax);
  texts.word<TradeType>(e.trade_type, b.trade_type, b.text_bytes[4]);
  texts.word<Side>(e.side, b.side, b.text_bytes[5]);
  texts.word<ExitReason>(e.exit_reason, b.exit_reason, b.text_bytes[6]);
  texts.word<Direction>(e.direction, b.direction, b.text_bytes[7]);
  texts.metadata(e.origin.metadata, b.metadata_bytes);
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
  e.exit_time_ns = b.exit_time_ns == kNoTime ? e.origin.event_time_ns : b.exit_time_ns;
  return nullptr;
}

Objection fill(model::ErrorEvent& e, const ErrorBody& b, Texts& texts) {
  texts.next(e.code, b.text_bytes[0], kWordBytesMax);
  texts.next(e.text, b.text_bytes[1], kErrorTextBytesMax);
  texts.word<Severity>(e.severity, b.severity, b.text_bytes[2]);
  texts.metadata(e.origin.metadata, b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  return nullptr;
}

Objection fill(model::EquityEvent& e, const EquityBody& b, Texts& texts) {
  texts.metadata(e.origin.metadata, b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  if (!is_valid_number(b.account_equity_e8) ||
      !are_numbers_or_unsaid({b.unrealized_pnl_e8, b.realized_pnl_e8, b.margin_used_e8,
                              b.margin_available_e8, b.cash_flow_e8})) {
    return kBadNumber;
  }
  e.account_equity_e8 = b.account_equity_e8;
  e.unrealized_pnl_e8 = b.unrealized_pnl_e8;
  e.realized_pnl_e8 = b.realized_pnl_e8;
  e.margin_used_e8 = b.margin_used_e8;
  e.margin_available_e8 = b.margin_available_e8;
  e.cash_flow_e8 = b.cash_flow_e8;
  e.open_positions_count = b.open_positions_count < 0 ? -1 : b.open_positions_count;
  return nullptr;
}

Objection fill(model::PositionEvent& e, const PositionBody& b, Texts& texts) {
  texts.next(e.symbol, b.text_bytes[0], kSymbolBytesMax);
  texts.word<Side>(e.side, b.side, b.text_bytes[1]);
  texts.metadata(e.origin.metadata, b.metadata_bytes);
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
  return nullptr;
}

Objection fill(model::RateLimitEvent& e, const RateLimitBody& b, Texts& texts) {
  texts.metadata(e.origin.metadata, b.metadata_bytes);
  if (!texts.ok()) return kBadText;
  constexpr std::int64_t kCountMax =
      1'000'000'000'000'000;  // what the metric_value column holds, with room
  if (b.remaining < -1 || b.limit < -1 || b.remaining > kCountMax || b.limit > kCountMax)
    return kBadNumber;
  if (!is_time_or_unsaid(b.reset_time_ns)) return kBadTime;
  e.remaining = b.remaining;
  e.limit = b.limit;
  e.reset_time_ns = b.reset_time_ns;
  return nullptr;
}

Objection fill(model::HealthEvent& e, const HealthBody& b, Texts& texts) {
  texts.word<HealthStatus>(e.status, b.status, b.text_bytes[0]);
  texts.metadata(e.origin.metadata, b.metadata_bytes);
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
  return nullptr;
}

Objection read_time(const RecordHead& head, const SegmentReader& segment, std::int64_t& time_ns) {
  if (head.profile_id < 1) return kBadProfile;
  const bool is_given = (head.lines & kEventTimeGiven) != 0;
  time_ns = is_given ? static_cast<std::int64_t>(head.stamp) : segment.wall_time_ns(head.stamp);
  return is_time(time_ns) ? nullptr : kBadTime;
}

Objection read_sample(const RecordCopy& record, const SegmentReader& segment, Sample& sample) {
  const RecordHead& head = record.head;
  if (const Objection bad = read_time(head, segment, sample.event_time_ns)) return bad;
  sample.kind = head.kind;
  sample.script = head.script;
  sample.profile_id = head.profile_id;
  sample.position = record.position;
  if (head.kind == RecordKind::latency) {
    LatencyBody body;
    if (!read_body(record, body)) return kBadText;
    sample.name = body.endpoint;
    sample.value = body.duration_ns;
    sample.outcome = body.outcome;
    return body.duration_ns < 0 ? kBadNumber : nullptr;
  }
  MetricBody body;
  if (!read_body(record, body)) return kBadText;
  sample.name = body.name;
  sample.value = body.value_e8;
  sample.metric_kind = static_cast<model::MetricKind>(body.type);
  return !is_valid_number(body.value_e8) || body.type < 1 || body.type > 3 ? kBadNumber : nullptr;
}

using Decoded = std::variant<model::Event, Undecodable>;

// Made where the caller wants it: a trade has ten strings to move.
template <typename Body, typename Event>
Decoded decode_as(const RecordCopy& record, SegmentReader& segment, DecodeCounts& counts) {
  Decoded decoded(std::in_place_type<model::Event>, std::in_place_type<Event>);
  Event& event = *std::get_if<Event>(std::get_if<model::Event>(&decoded));
  model::Origin& origin = event.origin;
  Objection objection = read_time(record.head, segment, origin.event_time_ns);
  Body body;
  if (objection == nullptr && !read_body(record, body)) objection = kBadText;
  if (objection == nullptr) {
    origin.profile_id = record.head.profile_id;
    origin.script_name = segment.script_at(record.head.script);
    origin.position = record.position;
    Texts texts(record, sizeof body, counts);
    objection = fill(event, body, texts);
  }
  if (objection != nullptr) decoded = Undecodable{objection};
  return decoded;
}

Decoded decode_as_sample(const RecordCopy& record, SegmentReader& segment) {
  Sample sample{};
  if (const Objection objection = read_sample(record, segment, sample))
    return Undecodable{objection};
  model::Origin origin{.profile_id = sample.profile_id,
                       .script_name = segment.script_at(sample.script),
                       .position = sample.position,
                       .event_time_ns = sample.event_time_ns,
                       .metadata = {}};
  const std::string& name = segment.name_at(sample.name);
  if (sample.kind == RecordKind::latency) {
    return model::LatencyEvent{.origin = std::move(origin),
                               .endpoint = name,
                               .duration_ns = sample.value,
                               .outcome = sample.outcome};
  }
  return model::MetricEvent{.origin = std::move(origin),
                            .name = name,
                            .kind = sample.metric_kind,
                            .value_e8 = sample.value};
}

}  // namespace

std::optional<Undecodable> decode_sample(const RecordCopy& record, const SegmentReader& segment,
                                         Sample& sample) {
  const Objection objection = read_sample(record, segment, sample);
  if (objection == nullptr) return std::nullopt;
  return Undecodable{objection};
}

std::variant<model::Event, Undecodable> decode(const RecordCopy& record, SegmentReader& segment,
                                               DecodeCounts& counts) {
  switch (record.head.kind) {
    case RecordKind::signal:
      return decode_as<SignalBody, model::SignalEvent>(record, segment, counts);
    case RecordKind::order:
      return decode_as<OrderBody, model::OrderEvent>(record, segment, counts);
    case RecordKind::trade:
      return decode_as<TradeBody, model::TradeEvent>(record, segment, counts);
    case RecordKind::error:
      return decode_as<ErrorBody, model::ErrorEvent>(record, segment, counts);
    case RecordKind::equity:
      return decode_as<EquityBody, model::EquityEvent>(record, segment, counts);
    case RecordKind::position:
      return decode_as<PositionBody, model::PositionEvent>(record, segment, counts);
    case RecordKind::rate_limit:
      return decode_as<RateLimitBody, model::RateLimitEvent>(record, segment, counts);
    case RecordKind::health:
      return decode_as<HealthBody, model::HealthEvent>(record, segment, counts);
    case RecordKind::latency:
    case RecordKind::metric:
      return decode_as_sample(record, segment);
  }
  return Undecodable{"kind " + std::to_string(static_cast<unsigned>(record.head.kind))};
}

}  // namespace ddt::sidecar
