// Journal entries: identity of encode and decode, and no damage that gets through.
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "sidecar/model/codec.hpp"

namespace ddt::model {
namespace {

using Random = std::mt19937_64;

std::string word(Random& random) {
  std::string text(random() % 12, ' ');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

std::int64_t number(Random& random) {
  switch (random() % 5) {
    case 0:
      return kNullE8;
    case 1:
      return kMaxE8;
    case 2:
      return -static_cast<std::int64_t>(random() >> 1);
    default:
      return static_cast<std::int64_t>(random() % 1'000'000'000'000);
  }
}

Origin origin(Random& random) {
  return {.profile_id = static_cast<std::int32_t>(random()),
          .script_name = word(random),
          .position = random(),
          .event_time_ns = number(random),
          .metadata = word(random)};
}

Event random_event(Random& random, std::size_t kind) {
  const auto w = [&random] { return word(random); };
  const auto n = [&random] { return number(random); };
  const auto small = static_cast<std::int32_t>(random() % 600) - 1;
  switch (kind) {
    case 0:
      return SignalEvent{origin(random), w(), w(), w(), w(), w(), n(), n(), n(), n()};
    case 1:
      return OrderEvent{origin(random), w(), w(), w(), w(), w(), w(), w(), n(), n(), n(), n(), n()};
    case 2:
      return TradeEvent{origin(random),
                        w(),
                        w(),
                        w(),
                        w(),
                        w(),
                        w(),
                        w(),
                        w(),
                        n(),
                        n(),
                        n(),
                        n(),
                        n(),
                        n(),
                        n(),
                        n(),
                        n(),
                        n()};
    case 3:
      return ErrorEvent{origin(random), w(), w(), w()};
    case 4:
      return EquityEvent{origin(random), n(), n(), n(), n(), n(), n(), small};
    case 5:
      return PositionEvent{origin(random), w(), w(), n(), n(), n(), n(), n()};
    case 6:
      return RateLimitEvent{origin(random), n(), n(), n()};
    case 7:
      return HealthEvent{origin(random), w(), n(), n(), n(), n(), n()};
    case 8:
      return LatencyEvent{origin(random), w(), n(), small};
    default:
      return MetricEvent{origin(random), w(), static_cast<MetricKind>(1 + random() % 3), n()};
  }
}

EquityMinute equity(Random& random) {
  EquityMinute minute;
  for (std::uint64_t i = random() % 4; i > 0; --i) {
    EquityReading reading;
    reading.time_ns = static_cast<std::int64_t>(random() % 60'000'000'000);
    reading.account_equity_e8 = static_cast<std::int64_t>(random() % 1'000'000'000'000);
    reading.cash_flow_e8 = random() % 2 == 0 ? kNullE8 : 5;
    reading.metadata = word(random);
    minute.add(reading);
  }
  return minute;
}

Block random_block(Random& random) {
  Block block;
  for (auto& byte : block.lane.segment_id) byte = static_cast<std::uint8_t>(random());
  block.lane.lane = static_cast<std::uint32_t>(random());
  block.segment_name = word(random);
  block.owner_uid = static_cast<std::uint32_t>(random());
  block.profile_id = static_cast<std::int32_t>(random());
  block.script_name = word(random);
  block.from = random() % 1'000;
  block.to = block.from + random() % 1'000;
  block.ordinal_from = random() % 1'000;
  block.ordinal_to = block.ordinal_from + random() % 1'000;
  block.samples = random();
  block.states = random();
  block.facts = random();
  block.counts = {random(), random(), random(), random(), random()};
  for (std::uint64_t i = random() % 12; i > 0; --i) {
    block.fact_events.push_back(random_event(random, i % 10));
  }
  for (std::uint64_t i = random() % 4; i > 0; --i) {
    block.latest_states.push_back(random_event(random, 4 + i));
    block.hour_states.push_back(random_event(random, 6));
    block.equity_minutes.push_back({7, number(random), word(random), equity(random)});
    LatencyMinute latency{7, word(random), word(random), number(random), {}};
    latency.summary.add(static_cast<std::int64_t>(random() % 1'000'000), 200);
    block.latency_minutes.push_back(latency);
    MetricHour hour{7, word(random), word(random), number(random), {}};
    hour.summary.add(MetricKind::distribution, 5, 6, {});
    block.metric_hours.push_back(hour);
    block.rejected.push_back({random(), word(random), word(random)});
  }
  return block;
}

std::string bytes_of(const Event& event) {
  std::string bytes;
  ByteWriter writer(bytes);
  encode(event, writer);
  return bytes;
}

TEST(Codec, EveryKindOfEventComesBackAsItWas) {
  Random random(53);
  for (std::size_t i = 0; i < 5'000; ++i) {
    const Event event = random_event(random, i % 10);
    const std::string bytes = bytes_of(event);
    ByteReader reader(bytes);
    const auto decoded = decode_event(reader);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_TRUE(reader.at_end());
    EXPECT_EQ(decoded->index(), event.index());
    EXPECT_EQ(bytes_of(*decoded), bytes);
  }
}

TEST(Codec, FieldsOfATradeDoNotTradePlaces) {
  TradeEvent trade;
  trade.origin = {.profile_id = 7,
                  .script_name = "profile_listener",
                  .position = 9,
                  .event_time_ns = 11,
                  .metadata = "{}"};
  trade.symbol = "SPY";
  trade.side = "buy";
  trade.trade_id = "t1";
  trade.quantity_e8 = 1;
  trade.entry_price_e8 = 2;
  trade.exit_price_e8 = 3;
  trade.fees_e8 = 4;
  trade.entry_time_ns = 5;
  trade.exit_time_ns = 6;
  const std::string bytes = bytes_of(trade);
  ByteReader reader(bytes);
  const auto decoded = decode_event(reader);
  ASSERT_TRUE(decoded && std::holds_alternative<TradeEvent>(*decoded));
  const TradeEvent& back = std::get<TradeEvent>(*decoded);
  EXPECT_EQ(back.origin.profile_id, 7);
  EXPECT_EQ(back.origin.script_name, "profile_listener");
  EXPECT_EQ(back.origin.position, 9U);
  EXPECT_EQ(back.origin.event_time_ns, 11);
  EXPECT_EQ(back.symbol, "SPY");
  EXPECT_EQ(back.side, "buy");
  EXPECT_EQ(back.trade_id, "t1");
  EXPECT_EQ(back.quantity_e8, 1);
  EXPECT_EQ(back.multiplier_e8, kE8);
  EXPECT_EQ(back.entry_price_e8, 2);
  EXPECT_EQ(back.exit_price_e8, 3);
  EXPECT_EQ(back.reference_price_e8, kNullE8);
  EXPECT_EQ(back.fees_e8, 4);
  EXPECT_EQ(back.entry_time_ns, 5);
  EXPECT_EQ(back.exit_time_ns, 6);
}

TEST(Codec, LatestStatesStayOutOfTheJournal) {
  Random random(61);
  Block block = random_block(random);
  block.latest_states.clear();
  const std::string without = encode_entry({&block, 1});
  block.latest_states.push_back(random_event(random, 5));
  EXPECT_EQ(encode_entry({&block, 1}), without);
}

TEST(Codec, LatestStatesOfAnEntryFromBeforeAreRead) {
  Random random(67);
  const Block none;
  std::string bytes;
  ByteWriter writer(bytes);
  encode(none, writer);
  ASSERT_EQ(bytes.substr(bytes.size() - 7), std::string(7, '\0')) << "seven lists, all empty";
  bytes.resize(bytes.size() - 6);
  writer.varint(1);
  encode(random_event(random, 5), writer);
  bytes.append(5, '\0');
  ByteReader reader(bytes);
  const auto decoded = decode_block(reader);
  ASSERT_TRUE(decoded && reader.at_end());
  EXPECT_EQ(decoded->latest_states.size(), 1U);
}

TEST(Codec, EntriesComeBackAsTheyWere) {
  Random random(59);
  for (std::size_t i = 0; i < 200; ++i) {
    std::vector<Block> blocks;
    for (std::uint64_t n = random() % 4; n > 0; --n) blocks.push_back(random_block(random));
    const std::string bytes = encode_entry(blocks);
    const auto decoded = decode_entry(bytes);
    ASSERT_TRUE(decoded.has_value());
    ASSERT_EQ(decoded->size(), blocks.size());
    EXPECT_EQ(encode_entry(*decoded), bytes);
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const Block& was = blocks[b];
      const Block& is = (*decoded)[b];
      EXPECT_EQ(is.lane, was.lane);
      EXPECT_EQ(is.segment_name, was.segment_name);
      EXPECT_EQ(is.to, was.to);
      EXPECT_EQ(is.ordinal_from, was.ordinal_from);
      EXPECT_EQ(is.counts.produced, was.counts.produced);
      EXPECT_EQ(is.fact_events.size(), was.fact_events.size());
      ASSERT_EQ(is.equity_minutes.size(), was.equity_minutes.size());
      for (std::size_t m = 0; m < was.equity_minutes.size(); ++m) {
        EXPECT_EQ(is.equity_minutes[m].equity, was.equity_minutes[m].equity);
        EXPECT_EQ(is.latency_minutes[m].summary, was.latency_minutes[m].summary);
        EXPECT_EQ(is.metric_hours[m].summary, was.metric_hours[m].summary);
      }
    }
  }
}

TEST(Codec, TheEmptyEntryHasTheDrawnHeader) {
  const std::string entry = encode_entry({});
  ASSERT_EQ(entry.size(), kEntryHeaderBytes + 1);
  EXPECT_EQ(entry.substr(0, 5), std::string("DDJE\x01"));
  // CRC-32C of one zero byte, little endian.
  EXPECT_EQ(entry.substr(5), std::string("\x51\x53\x7D\x52\x00", 5));
}

TEST(Codec, EveryTruncationAndEveryFlippedBitIsRefused) {
  Random random(61);
  const std::string entry = encode_entry(std::vector<Block>{random_block(random)});
  for (std::size_t length = 0; length < entry.size(); ++length) {
    EXPECT_FALSE(decode_entry(std::string_view(entry).substr(0, length)).has_value());
  }
  for (std::size_t bit = 0; bit < entry.size() * 8; ++bit) {
    std::string damaged = entry;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_entry(damaged).has_value()) << bit;
  }
  EXPECT_FALSE(decode_entry(entry + "x").has_value());
}

// Behind the checksum, as a bug of ours or a clever neighbour would leave them.
TEST(Codec, DamagedBlocksWithAGoodChecksumNeverCrash) {
  Random random(67);
  std::vector<std::string> blocks;
  for (int i = 0; i < 20; ++i) {
    std::string& bytes = blocks.emplace_back();
    ByteWriter writer(bytes);
    encode(random_block(random), writer);
  }
  for (int i = 0; i < 60'000; ++i) {
    std::string bytes = blocks[random() % blocks.size()];
    for (std::uint64_t hits = 1 + random() % 4; hits > 0; --hits) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    ByteReader reader(bytes);
    (void)decode_block(reader);
  }
  for (int i = 0; i < 60'000; ++i) {
    std::string noise(random() % 64, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    ByteReader event(noise), block(noise);
    (void)decode_event(event);
    (void)decode_block(block);
    (void)decode_entry(noise);
  }
}

TEST(Codec, AClaimedCountNeverBecomesAnAllocation) {
  std::string bytes;
  ByteWriter writer(bytes);
  encode(Block{}, writer);
  bytes.resize(bytes.size() - 7);  // the seven empty lists
  ByteWriter again(bytes);
  again.varint(std::numeric_limits<std::uint64_t>::max());
  ByteReader reader(bytes);
  EXPECT_FALSE(decode_block(reader).has_value());
}

}  // namespace
}  // namespace ddt::model
