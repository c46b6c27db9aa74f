#include "sidecar/model/codec.hpp"

#include <algorithm>
#include <type_traits>

namespace ddt::model {
namespace {

// One description of the fields serves writing and reading: `Put` and `Take` have the same calls.
class Put {
 public:
  explicit Put(ByteWriter& writer) : writer_(writer) {}
  void word(const std::string& text) { writer_.text(text); }
  void number(std::int64_t value) { writer_.nullable(value); }  // e8 or time: may be "not said"
  void integer(std::int64_t value) { writer_.zigzag(value); }
  void integer(std::int32_t value) { writer_.zigzag(value); }
  void natural(std::uint64_t value) { writer_.varint(value); }
  void natural(std::uint32_t value) { writer_.varint(value); }
  void kind(MetricKind kind) { writer_.u8(static_cast<std::uint8_t>(kind)); }
  void segment(const SegmentId& id) {
    for (const std::uint8_t byte : id) writer_.u8(byte);
  }

 private:
  ByteWriter& writer_;
};

class Take {
 public:
  explicit Take(ByteReader& reader) : reader_(reader) {}
  void word(std::string& text) { text = reader_.text(); }
  void number(std::int64_t& value) { value = reader_.nullable(); }
  void integer(std::int64_t& value) { value = reader_.zigzag(); }
  void integer(std::int32_t& value) { value = reader_.i32(); }
  void natural(std::uint64_t& value) { value = reader_.varint(); }
  void natural(std::uint32_t& value) { value = reader_.u32(); }
  void kind(MetricKind& kind) {
    const std::uint8_t byte = reader_.u8();
    if (byte < 1 || byte > 3) return reader_.fail();
    kind = static_cast<MetricKind>(byte);
  }
  void segment(SegmentId& id) {
    for (std::uint8_t& byte : id) byte = reader_.u8();
  }

 private:
  ByteReader& reader_;
};

template <typename Io, typename... Fields>
void words(Io& io, Fields&... fields) {
  (io.word(fields), ...);
}
template <typename Io, typename... Fields>
void numbers(Io& io, Fields&... fields) {
  (io.number(fields), ...);
}

// T is const when writing.
template <typename T, typename Wanted>
concept Either = std::is_same_v<std::remove_const_t<T>, Wanted>;

template <typename Io, Either<Origin> T>
void fields(Io& io, T& o) {
  io.integer(o.profile_id);
  io.word(o.script_name);
  io.natural(o.position);
  io.number(o.event_time_ns);
  io.word(o.metadata);
}

template <typename Io, Either<SignalEvent> T>
void fields(Io& io, T& e) {
  words(io, e.signal_id, e.symbol, e.direction, e.fate, e.reason);
  numbers(io, e.bar_strength_e8, e.close_price_e8, e.candle_size_e8, e.volume_e8);
}

template <typename Io, Either<OrderEvent> T>
void fields(Io& io, T& e) {
  words(io, e.order_id, e.parent_order_id, e.signal_id, e.symbol, e.order_type, e.side, e.status);
  numbers(io, e.quantity_e8, e.filled_quantity_e8, e.limit_price_e8, e.filled_price_e8,
          e.api_latency_ns);
}

template <typename Io, Either<TradeEvent> T>
void fields(Io& io, T& e) {
  words(io, e.symbol, e.trade_type, e.side, e.exit_reason, e.direction, e.trade_id, e.order_id,
        e.signal_id);
  numbers(io, e.quantity_e8, e.multiplier_e8, e.entry_price_e8, e.exit_price_e8,
          e.reference_price_e8, e.fees_e8, e.bar_strength_e8, e.candle_size_e8, e.entry_time_ns,
          e.exit_time_ns);
}

template <typename Io, Either<ErrorEvent> T>
void fields(Io& io, T& e) {
  words(io, e.severity, e.code, e.text);
}

template <typename Io, Either<EquityEvent> T>
void fields(Io& io, T& e) {
  numbers(io, e.account_equity_e8, e.unrealized_pnl_e8, e.realized_pnl_e8, e.margin_used_e8,
          e.margin_available_e8, e.cash_flow_e8);
  io.integer(e.open_positions_count);
}

template <typename Io, Either<PositionEvent> T>
void fields(Io& io, T& e) {
  words(io, e.symbol, e.side);
  numbers(io, e.quantity_e8, e.average_entry_e8, e.current_price_e8, e.market_value_e8,
          e.unrealized_pnl_e8);
}

template <typename Io, Either<RateLimitEvent> T>
void fields(Io& io, T& e) {
  io.integer(e.remaining);
  io.integer(e.limit);
  io.number(e.reset_time_ns);
}

template <typename Io, Either<HealthEvent> T>
void fields(Io& io, T& e) {
  io.word(e.status);
  io.integer(e.error_count);
  io.integer(e.warning_count);
  numbers(io, e.cpu_usage_pct_e8, e.memory_usage_mb_e8);
  io.integer(e.expected_interval_s);
}

template <typename Io, Either<LatencyEvent> T>
void fields(Io& io, T& e) {
  io.word(e.endpoint);
  io.integer(e.duration_ns);
  io.integer(e.outcome);
}

template <typename Io, Either<MetricEvent> T>
void fields(Io& io, T& e) {
  io.word(e.name);
  io.kind(e.kind);
  io.number(e.value_e8);
}

template <typename Io, Either<LaneCounts> T>
void fields(Io& io, T& c) {
  io.natural(c.dropped_samples);
  io.natural(c.dropped_states);
  io.natural(c.dropped_facts);
  io.natural(c.refused);
  io.natural(c.produced);
}

// Everything of a Block but its lists.
template <typename Io, Either<Block> T>
void fields(Io& io, T& b) {
  io.segment(b.lane.segment_id);
  io.natural(b.lane.lane);
  io.word(b.segment_name);
  io.natural(b.owner_uid);
  io.integer(b.profile_id);
  io.word(b.script_name);
  io.natural(b.from);
  io.natural(b.to);
  io.natural(b.ordinal_from);
  io.natural(b.ordinal_to);
  io.natural(b.samples);
  io.natural(b.states);
  io.natural(b.facts);
  fields(io, b.counts);
}

template <typename Io, Either<EquityMinuteOf> T>
void fields(Io& io, T& m) {
  io.integer(m.profile_id);
  io.integer(m.minute);
  io.word(m.script_name);
}

template <typename Io, Either<LatencyMinute> T>
void fields(Io& io, T& m) {
  io.integer(m.profile_id);
  words(io, m.script_name, m.endpoint);
  io.integer(m.minute);
}

template <typename Io, Either<MetricHour> T>
void fields(Io& io, T& m) {
  io.integer(m.profile_id);
  words(io, m.script_name, m.name);
  io.integer(m.hour);
}

template <typename Io, Either<Rejected> T>
void fields(Io& io, T& r) {
  io.natural(r.position);
  words(io, r.reason, r.payload);
}

// The Event whose alternative has this index, without its fields.
template <std::size_t Index = 0>
std::optional<Event> event_of(std::size_t index) {
  if constexpr (Index == std::variant_size_v<Event>) {
    return std::nullopt;
  } else {
    if (index == Index) return Event(std::in_place_index<Index>);
    return event_of<Index + 1>(index);
  }
}

// An element and what it summarises; the element's own fields come first.
void put(const Event& event, ByteWriter& writer) { encode(event, writer); }
template <typename Element>
void put(const Element& element, ByteWriter& writer) {
  Put io(writer);
  fields(io, element);
  if constexpr (requires { element.summary; }) element.summary.encode(writer);
  if constexpr (requires { element.equity; }) element.equity.encode(writer);
}

bool take(ByteReader& reader, Event& event) {
  auto decoded = decode_event(reader);
  if (decoded) event = std::move(*decoded);
  return decoded.has_value();
}
template <typename Part>
bool take_part(ByteReader& reader, Part& part) {
  auto decoded = Part::decode(reader);
  if (decoded) part = std::move(*decoded);
  return decoded.has_value();
}
template <typename Element>
bool take(ByteReader& reader, Element& element) {
  Take io(reader);
  fields(io, element);
  if constexpr (requires { element.summary; }) return take_part(reader, element.summary);
  if constexpr (requires { element.equity; }) return take_part(reader, element.equity);
  return reader.ok();
}

template <typename Element>
void put_list(const std::vector<Element>& list, ByteWriter& writer) {
  writer.varint(list.size());
  for (const Element& element : list) put(element, writer);
}

template <typename Element>
bool take_list(ByteReader& reader, std::vector<Element>& list) {
  constexpr std::size_t kLeastBytes = 3;  // of the shortest element, a Rejected
  const std::size_t count = reader.count(kLeastBytes);
  // Elements are far larger in memory than in bytes: grow as they are read, never by the count.
  list.reserve(std::min<std::size_t>(count, 64));
  for (std::size_t i = 0; i < count; ++i) {
    if (!take(reader, list.emplace_back())) return false;
  }
  return reader.ok();
}

void put_u32(std::uint32_t value, ByteWriter& writer) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    writer.u8(static_cast<std::uint8_t>(value >> shift));
  }
}

}  // namespace

void encode(const Event& event, ByteWriter& writer) {
  writer.u8(static_cast<std::uint8_t>(event.index()));
  Put io(writer);
  fields(io, origin_of(event));
  std::visit([&io](const auto& e) { fields(io, e); }, event);
}

std::optional<Event> decode_event(ByteReader& reader) {
  std::optional<Event> event = event_of(reader.u8());
  if (!event || !reader.ok()) return std::nullopt;
  Take io(reader);
  std::visit(
      [&io](auto& e) {
        fields(io, e.origin);
        fields(io, e);
      },
      *event);
  if (!reader.ok()) return std::nullopt;
  return event;
}

void encode(const Block& block, ByteWriter& writer) {
  Put io(writer);
  fields(io, block);
  put_list(block.fact_events, writer);
  writer.varint(
      0);  // latest_states: live keys are made of them, nobody reads them from the journal
  put_list(block.hour_states, writer);
  put_list(block.equity_minutes, writer);
  put_list(block.latency_minutes, writer);
  put_list(block.metric_hours, writer);
  put_list(block.rejected, writer);
}

std::optional<Block> decode_block(ByteReader& reader) {
  Block block;
  Take io(reader);
  fields(io, block);
  const bool whole =
      reader.ok() && block.from <= block.to && block.ordinal_from <= block.ordinal_to &&
      take_list(reader, block.fact_events) && take_list(reader, block.latest_states) &&
      take_list(reader, block.hour_states) && take_list(reader, block.equity_minutes) &&
      take_list(reader, block.latency_minutes) && take_list(reader, block.metric_hours) &&
      take_list(reader, block.rejected);
  if (!whole) return std::nullopt;
  return block;
}

std::string encode_entry(std::span<const Block> blocks) {
  std::string body;
  ByteWriter body_writer(body);
  body_writer.varint(blocks.size());
  std::string bytes;
  for (const Block& block : blocks) {
    bytes.clear();
    ByteWriter block_writer(bytes);
    encode(block, block_writer);
    body_writer.text(bytes);
  }
  std::string entry;
  entry.reserve(kEntryHeaderBytes + body.size());
  ByteWriter writer(entry);
  writer.raw(kEntryMagic);
  writer.u8(kEntryVersion);
  put_u32(crc32c(body), writer);
  writer.raw(body);
  return entry;
}

std::optional<std::vector<Block>> decode_entry(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.raw(kEntryMagic.size()) != kEntryMagic || reader.u8() != kEntryVersion) {
    return std::nullopt;
  }
  std::uint32_t checksum = 0;
  for (unsigned shift = 0; shift < 32; shift += 8) {
    checksum |= static_cast<std::uint32_t>(reader.u8()) << shift;
  }
  if (!reader.ok() || checksum != crc32c(bytes.substr(kEntryHeaderBytes))) return std::nullopt;
  const std::size_t count = reader.count(1);
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < count; ++i) {
    ByteReader block_reader(reader.text_view());
    auto block = decode_block(block_reader);
    if (!block || !block_reader.at_end()) return std::nullopt;
    blocks.push_back(std::move(*block));
  }
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return blocks;
}

}  // namespace ddt::model
