// tests/support/record_kinds.hpp — one Record of every kind, and how to know it again to the last byte.
#pragma once

#include <cstring>
#include <ddt/telemetry.hpp>
#include <ostream>
#include <string>
#include <string_view>

#include "shm/segment.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt::test {

inline constexpr std::int64_t kSaidAtNs = 1'700'000'000'123'456'789;

struct Saying {
  const char* name;
  RecordKind kind;
  Published (*say)(const Telemetry&);
};
inline std::ostream& operator<<(std::ostream& out, const Saying& saying) {
  return out << saying.name;
}

inline const std::string kLongMetadata(kMetadataBytesMax, 'm');
inline const std::string kTooLongMetadata(kMetadataBytesMax + 1, 'm');
inline const std::string kLongId(kIdBytesMax, 'i');
inline const std::string kLongWord(kWordBytesMax, 'w');
inline const std::string kLongText(kErrorTextBytesMax, 'e');

inline Trade some_trade(std::string_view metadata) {
  return {.symbol = "SPY131019C00172000",
          .trade_type = "breakout",
          .side = "buy",
          .quantity_e8 = 1,
          .entry_price_e8 = 2,
          .exit_price_e8 = 3,
          .entry_time_ns = kSaidAtNs - 2,
          .exit_time_ns = kSaidAtNs - 1,
          .exit_reason = "profit_target",
          .trade_id = "t-1",
          .event_time_ns = kSaidAtNs,
          .metadata = metadata};
}

inline Published say_signal(const Telemetry& telemetry) {
  return telemetry.publish(Signal{.signal_id = "sig-1",
                                  .symbol = "SPY",
                                  .direction = "downward",
                                  .bar_strength_e8 = 1,
                                  .close_price_e8 = 2,
                                  .fate = "suppressed",
                                  .reason = "choppy",
                                  .event_time_ns = kSaidAtNs});
}
inline Published say_order(const Telemetry& telemetry) {
  return telemetry.publish(Order{.order_id = "o-1",
                                 .symbol = "BRK.B",
                                 .order_type = "limit",
                                 .side = "buy",
                                 .status = "new",
                                 .quantity_e8 = 1,
                                 .event_time_ns = kSaidAtNs,
                                 .metadata = R"({"b":2})"});
}
inline Published say_trade(const Telemetry& telemetry) {
  return telemetry.publish(some_trade(R"({"c":3})"));
}
inline Published say_longest_trade(const Telemetry& telemetry) {
  Trade trade = some_trade(kLongMetadata);
  trade.trade_type = std::string_view(kLongWord);
  trade.exit_reason = std::string_view(kLongWord);
  trade.trade_id = trade.order_id = trade.signal_id = kLongId;
  return telemetry.publish(trade);
}
inline Published say_error(const Telemetry& telemetry) {
  return telemetry.publish(
      ErrorReport{.code = "E42", .text = kLongText, .event_time_ns = kSaidAtNs});
}
inline Published say_equity(const Telemetry& telemetry) {
  return telemetry.publish(
      Equity{.account_equity_e8 = 1, .cash_flow_e8 = -6, .event_time_ns = kSaidAtNs});
}
inline Published say_position(const Telemetry& telemetry) {
  return telemetry.publish(
      Position{.symbol = "SPY", .side = "sell", .quantity_e8 = 1, .event_time_ns = kSaidAtNs});
}
inline Published say_rate_limit(const Telemetry& telemetry) {
  return telemetry.publish(RateLimit{.remaining = 1, .limit = 200, .event_time_ns = kSaidAtNs});
}
inline Published say_health(const Telemetry& telemetry) {
  return telemetry.publish(Health{.status = "ok", .error_count = 1, .event_time_ns = kSaidAtNs});
}
inline Published say_latency(const Telemetry& telemetry) {
  return telemetry.publish(
      Latency{.duration_ns = 1'234'567, .outcome = 429, .event_time_ns = kSaidAtNs});
}
inline Published say_metric(const Telemetry& telemetry) {
  return telemetry.publish(Metric{.value_e8 = -42, .event_time_ns = kSaidAtNs});
}

inline constexpr Saying kSayings[] = {
    {"signal", RecordKind::signal, &say_signal},
    {"order", RecordKind::order, &say_order},
    {"trade", RecordKind::trade, &say_trade},
    {"longest_trade", RecordKind::trade, &say_longest_trade},
    {"error", RecordKind::error, &say_error},
    {"equity", RecordKind::equity, &say_equity},
    {"position", RecordKind::position, &say_position},
    {"rate_limit", RecordKind::rate_limit, &say_rate_limit},
    {"health", RecordKind::health, &say_health},
    {"latency", RecordKind::latency, &say_latency},
    {"metric", RecordKind::metric, &say_metric},
};

// What a body says of the bytes it and its texts take.
template <typename Body>
std::size_t payload_bytes_of(const RecordCopy& copy) {
  Body body;
  std::memcpy(&body, copy.payload.data(), sizeof body);
  std::size_t bytes = sizeof body;
  if constexpr (requires { body.text_bytes; }) {
    for (const std::uint8_t text : body.text_bytes) bytes += text;
    bytes += body.metadata_bytes;
  }
  return bytes;
}
inline std::size_t payload_bytes_of(const RecordCopy& copy) {
  switch (copy.head.kind) {
    case RecordKind::signal:
      return payload_bytes_of<SignalBody>(copy);
    case RecordKind::order:
      return payload_bytes_of<OrderBody>(copy);
    case RecordKind::trade:
      return payload_bytes_of<TradeBody>(copy);
    case RecordKind::error:
      return payload_bytes_of<ErrorBody>(copy);
    case RecordKind::equity:
      return payload_bytes_of<EquityBody>(copy);
    case RecordKind::position:
      return payload_bytes_of<PositionBody>(copy);
    case RecordKind::rate_limit:
      return payload_bytes_of<RateLimitBody>(copy);
    case RecordKind::health:
      return payload_bytes_of<HealthBody>(copy);
    default:
      return kFirstPayloadBytes;
  }
}

// Opens the only Segment of a directory; an Error where there is not exactly one.
inline Result<SegmentReader> open_only_segment(const std::string& directory) {
  const auto names = segment_names(directory);
  if (!names) return names.error();
  if (names->size() != 1)
    return Error{.message = std::to_string(names->size()) + " Segments in " + directory};
  return SegmentReader::open(directory, names->front());
}

// The Record as it lies in a Lane in which nothing else was ever said.
inline RecordCopy as_said_undisturbed(const Saying& saying) {
  RecordCopy copy{};
  const TempDirectory directory;
  const Telemetry telemetry(
      {.profile_id = 7, .script_name = "bot", .directory = directory.path(), .lane_lines = 128});
  if (saying.say(telemetry) != Published::ok) return copy;
  auto segment = open_only_segment(directory.path());
  if (segment) static_cast<void>(segment->lane(0, 0).read(copy));
  return copy;
}

// The same Record to the last byte it uses, whatever an earlier lap left behind them. Where it lies and
// its ordinal are another question.
inline bool is_same_record(const RecordCopy& a, const RecordCopy& b) {
  const std::size_t bytes = payload_bytes_of(b);
  return a.head.stamp == b.head.stamp && a.head.kind == b.head.kind &&
         a.head.lines == b.head.lines && a.head.script == b.head.script &&
         a.head.profile_id == b.head.profile_id && payload_bytes_of(a) == bytes &&
         bytes <= b.payload_bytes && std::memcmp(a.payload.data(), b.payload.data(), bytes) == 0;
}

}  // namespace ddt::test
