// shm/record.hpp — Record formats, layout version 1: what lies in a Lane.
//
// A Record is 1 … kRecordLinesMax lines of 64 bytes. Every line begins with its own sequence word,
// the line's position + 1: never zero, and never equal to what an earlier lap left there.
//
//   first line                                                      later lines
//   0        8        16       24       32    33    34     36     40   0        8
//   ┌────────┬────────┬────────┬────────┬─────┬─────┬──────┬───────┐   ┌────────┬─────────────────┐
//   │sequence│ordinal │refused │ stamp  │kind │lines│script│profile│   │sequence│payload, 56 bytes│
//   └────────┴────────┴────────┴────────┴─────┴─────┴──────┴───────┘   └────────┴─────────────────┘
//   40 ┌──────────────────────────────┐ 64
//      │ payload, first 24 bytes      │       payload = body (one struct below) + texts + metadata
//      └──────────────────────────────┘
//
// ordinal   Records this Lane was asked to publish before this one, refused ones included.
// refused   those of them that were refused: ordinal − refused Records were published before this
//           one, so that what a gap in the positions has cost is known exactly.
// stamp     ticks at publish, or the bot's event time in wall nanoseconds (kEventTimeGiven).
// lines     low 6 bits: lines − 1; bit 6: kEventTimeGiven; bit 7: reserved, zero.
// script    index into the Segment's name table.
// Texts follow the body without padding, in the order of the body's text_bytes; metadata comes last.
// Byte order is the machine's: a Segment never leaves it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace ddt {

inline constexpr std::size_t kLineBytes = 64;
inline constexpr std::size_t kHeadBytes = 40;
inline constexpr std::size_t kFirstPayloadBytes = kLineBytes - kHeadBytes;
inline constexpr std::size_t kLaterPayloadBytes = kLineBytes - sizeof(std::uint64_t);
inline constexpr std::uint32_t kRecordLinesMax = 32;
inline constexpr std::size_t kPayloadBytesMax =
    kFirstPayloadBytes + (kRecordLinesMax - 1) * kLaterPayloadBytes;

inline constexpr std::size_t kSymbolBytesMax = 32;
inline constexpr std::size_t kIdBytesMax = 64;
inline constexpr std::size_t kErrorTextBytesMax = 200;
inline constexpr std::size_t kMetadataBytesMax = 1024;

inline constexpr std::uint8_t kLinesMask = 0x3F;
inline constexpr std::uint8_t kEventTimeGiven = 0x40;

enum class RecordKind : std::uint8_t {
  signal = 1,
  order = 2,
  trade = 3,
  error = 4,
  equity = 5,
  position = 6,
  rate_limit = 7,
  health = 8,
  latency = 9,
  metric = 10,
};

// Load shedding: samples are refused first, facts last.
enum class RecordClass : std::uint8_t { sample = 0, state = 1, fact = 2 };
inline constexpr std::size_t kRecordClasses = 3;

constexpr RecordClass class_of(RecordKind kind) noexcept {
  switch (kind) {
    case RecordKind::latency:
    case RecordKind::metric:
      return RecordClass::sample;
    case RecordKind::equity:
    case RecordKind::position:
    case RecordKind::rate_limit:
    case RecordKind::health:
      return RecordClass::state;
    default:
      return RecordClass::fact;
  }
}

struct RecordHead {
  std::uint64_t sequence;
  std::uint64_t ordinal;
  std::uint64_t refused;
  std::uint64_t stamp;
  RecordKind kind;
  std::uint8_t lines;
  std::uint16_t script;
  std::int32_t profile_id;
};
static_assert(sizeof(RecordHead) == kHeadBytes && std::is_trivially_copyable_v<RecordHead>);
static_assert(std::endian::native == std::endian::little);  // the writer packs words by shifting

// Bodies. *_e8: decimal·10^8, kNullE8 = not said. *_ns: nanoseconds, kNoTime = not said. Codes:
// shm/words.hpp; an other word's text is among the texts.
struct SignalBody {
  static constexpr RecordKind kKind = RecordKind::signal;
  std::int64_t bar_strength_e8, close_price_e8, candle_size_e8, volume_e8;
  std::uint8_t direction, fate;
  std::uint8_t text_bytes[5];  // signal_id, symbol, reason, direction, fate
  std::uint8_t reserved;
  std::uint16_t metadata_bytes;
  std::uint8_t reserved2[6];
};
struct OrderBody {
  static constexpr RecordKind kKind = RecordKind::order;
  std::int64_t quantity_e8, filled_quantity_e8, limit_price_e8, filled_price_e8, api_latency_ns;
  std::uint8_t order_type, side, status;
  std::uint8_t
      text_bytes[7];  // order_id, parent_order_id, signal_id, symbol, order_type, side, status
  std::uint16_t metadata_bytes;
  std::uint8_t reserved[4];
};
struct TradeBody {
  static constexpr RecordKind kKind = RecordKind::trade;
  std::int64_t quantity_e8, multiplier_e8, entry_price_e8, exit_price_e8, reference_price_e8,
      fees_e8;
  std::int64_t entry_time_ns, exit_time_ns, bar_strength_e8, candle_size_e8;
  std::uint8_t trade_type, side, exit_reason, direction;
  std::uint8_t text_bytes[8];  // symbol, trade_id, order_id, signal_id, trade_type, side,
                               // exit_reason, direction
  std::uint16_t metadata_bytes;
  std::uint8_t reserved[2];
};
struct ErrorBody {
  static constexpr RecordKind kKind = RecordKind::error;
  std::uint8_t severity;
  std::uint8_t text_bytes[3];  // code, text, severity
  std::uint16_t metadata_bytes;
  std::uint8_t reserved[2];
};
struct EquityBody {
  static constexpr RecordKind kKind = RecordKind::equity;
  std::int64_t account_equity_e8, unrealized_pnl_e8, realized_pnl_e8;
  std::int64_t margin_used_e8, margin_available_e8, cash_flow_e8;
  std::int32_t open_positions_count;
  std::uint8_t text_bytes[1];  // none used: zero
  std::uint8_t reserved;
  std::uint16_t metadata_bytes;
};
struct PositionBody {
  static constexpr RecordKind kKind = RecordKind::position;
  std::int64_t quantity_e8, average_entry_e8, current_price_e8, market_value_e8, unrealized_pnl_e8;
  std::uint8_t side;
  std::uint8_t text_bytes[2];  // symbol, side
  std::uint8_t reserved;
  std::uint16_t metadata_bytes;
  std::uint8_t reserved2[2];
};
struct RateLimitBody {
  static constexpr RecordKind kKind = RecordKind::rate_limit;
  std::int64_t remaining, limit, reset_time_ns;  // remaining, limit: -1 = not said
  std::uint8_t text_bytes[1];                    // none used: zero
  std::uint8_t reserved;
  std::uint16_t metadata_bytes;
  std::uint8_t reserved2[4];
};
struct HealthBody {
  static constexpr RecordKind kKind = RecordKind::health;
  std::int64_t error_count, warning_count, cpu_usage_pct_e8, memory_usage_mb_e8,
      expected_interval_s;
  std::uint8_t status;
  std::uint8_t text_bytes[1];  // status
  std::uint16_t metadata_bytes;
  std::uint8_t reserved[4];
};
struct LatencyBody {
  static constexpr RecordKind kKind = RecordKind::latency;
  std::int64_t duration_ns;
  std::uint16_t endpoint, outcome;  // name table index; HTTP status, 0 = timeout
  std::uint8_t reserved[12];
};
struct MetricBody {
  static constexpr RecordKind kKind = RecordKind::metric;
  std::int64_t value_e8;
  std::uint16_t name;
  std::uint8_t type;
  std::uint8_t reserved[13];
};

template <typename Body>
inline constexpr bool kIsBody =
    std::is_trivially_copyable_v<Body>&& std::is_standard_layout_v<Body>&&
        std::has_unique_object_representations_v<Body>;  // no hidden padding
static_assert(kIsBody<SignalBody> && sizeof(SignalBody) == 48);
static_assert(kIsBody<OrderBody> && sizeof(OrderBody) == 56);
static_assert(kIsBody<TradeBody> && sizeof(TradeBody) == 96);
static_assert(kIsBody<ErrorBody> && sizeof(ErrorBody) == 8);
static_assert(kIsBody<EquityBody> && sizeof(EquityBody) == 56);
static_assert(kIsBody<PositionBody> && sizeof(PositionBody) == 48);
static_assert(kIsBody<RateLimitBody> && sizeof(RateLimitBody) == 32);
static_assert(kIsBody<HealthBody> && sizeof(HealthBody) == 48);
static_assert(kIsBody<LatencyBody> &&
              sizeof(LatencyBody) == kFirstPayloadBytes);  // one line, always
static_assert(kIsBody<MetricBody> && sizeof(MetricBody) == kFirstPayloadBytes);

constexpr std::uint32_t lines_for(std::size_t payload_bytes) noexcept {
  if (payload_bytes <= kFirstPayloadBytes) return 1;
  return static_cast<std::uint32_t>(
      1 + (payload_bytes - kFirstPayloadBytes + kLaterPayloadBytes - 1) / kLaterPayloadBytes);
}

// Symbols: [A-Za-z0-9./_:-]{1,32}.
constexpr bool is_symbol(std::string_view text) noexcept {
  if (text.empty() || text.size() > kSymbolBytesMax) return false;
  for (const char c : text) {
    const bool ok = (c >= '-' && c <= ':') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '_';  // '-'…':' is - . / 0-9 :
    if (!ok) return false;
  }
  return true;
}

}  // namespace ddt
