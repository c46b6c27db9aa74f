// What a bot says through the public header, read back field by field out of its Segment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ddt/telemetry.hpp>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "shm/segment.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

using test::TempDirectory;
using testing::HasSubstr;

// One Record, taken apart as docs/formats/segment.md says and with none of the sidecar's code.
struct Found {
  RecordHead head;
  std::string payload;

  template <typename Body>
  Body body() const {
    EXPECT_EQ(head.kind, Body::kKind);
    Body body;
    std::memcpy(&body, payload.data(), sizeof body);
    return body;
  }
  // The i-th text behind the body.
  template <typename Body>
  std::string text(std::size_t i) const {
    const Body b = body<Body>();
    std::size_t offset = sizeof(Body);
    for (std::size_t k = 0; k < i; ++k) offset += b.text_bytes[k];
    return payload.substr(offset, b.text_bytes[i]);
  }
  template <typename Body>
  std::string metadata() const {
    const Body b = body<Body>();
    std::size_t offset = sizeof(Body);
    for (const std::uint8_t bytes : b.text_bytes) offset += bytes;
    return payload.substr(offset, b.metadata_bytes);
  }
};

template <typename T, std::size_t kCount>
bool all_zero(const T (&values)[kCount]) {
  for (const T value : values) {
    if (value != 0) return false;
  }
  return true;
}

constexpr std::int64_t kEventTime = 1'700'000'000'123'456'789;
constexpr std::int64_t kEntryTime = kEventTime - 60 * kNsPerSecond, kExitTime = kEventTime - 1;

class TelemetryTest : public testing::Test {
 protected:
  TelemetryOptions options() const {
    return {.profile_id = 7, .script_name = "order_monitor", .directory = directory.path()};
  }
  SegmentReader& segment() {
    if (!segment_) {
      const auto names = segment_names(directory.path());
      if (!names || names->size() != 1) throw std::runtime_error("not one Segment");
      auto opened = SegmentReader::open(directory.path(), names->front());
      if (!opened) throw std::runtime_error(opened.error().message);
      segment_.emplace(std::move(*opened));
      lane_ = segment_->lane(0, 0);
    }
    return *segment_;
  }
  // The next Record of the first Lane, which there must be.
  Found next() {
    segment();
    RecordCopy copy{};
    if (lane_.read(copy) != Peeked::record) throw std::runtime_error("no Record");
    return {copy.head,
            std::string(reinterpret_cast<const char*>(copy.payload.data()), copy.payload_bytes)};
  }
  bool is_empty() {
    segment();
    RecordCopy copy{};
    return lane_.read(copy) == Peeked::empty;
  }
  LaneControl& control() { return *segment().lane_control(0); }
  // Nothing was published, and that was counted.
  template <typename Said>
  void expect_refused(const Said& said, const char* why) {
    const std::uint64_t before = control().refused.load();
    EXPECT_EQ(telemetry.publish(said), Published::invalid) << why;
    EXPECT_EQ(control().refused.load(), before + 1) << why;
    EXPECT_TRUE(is_empty()) << why;
  }

  TempDirectory directory;
  std::optional<SegmentReader> segment_;
  LaneReader lane_;
  Telemetry telemetry{options()};
};

Signal some_signal() {
  return {.signal_id = "sig-1",
          .symbol = "SPY",
          .direction = "downward",
          .bar_strength_e8 = 1,
          .close_price_e8 = 2,
          .candle_size_e8 = 3,
          .volume_e8 = 4,
          .fate = "suppressed",
          .reason = "choppy",
          .event_time_ns = kEventTime,
          .metadata = R"({"a":1})"};
}
Order some_order() {
  return {.order_id = "o-1",
          .parent_order_id = "o-0",
          .signal_id = "sig-1",
          .symbol = "BRK.B",
          .order_type = "limit",
          .side = "long",
          .status = "cancelled",
          .quantity_e8 = 1,
          .filled_quantity_e8 = 2,
          .limit_price_e8 = 3,
          .filled_price_e8 = 4,
          .api_latency_ns = 5,
          .event_time_ns = kEventTime,
          .metadata = R"({"b":2})"};
}
Trade some_trade() {
  return {.symbol = "SPY131019C00172000",
          .trade_type = "breakout",
          .side = "buy",
          .quantity_e8 = 1,
          .multiplier_e8 = 2,
          .entry_price_e8 = 3,
          .exit_price_e8 = 4,
          .reference_price_e8 = 5,
          .fees_e8 = -6,
          .entry_time_ns = kEntryTime,
          .exit_time_ns = kExitTime,
          .exit_reason = "profit_target",
          .direction = "upward",
          .bar_strength_e8 = 9,
          .candle_size_e8 = 10,
          .trade_id = "t-1",
          .order_id = "o-1",
          .signal_id = "sig-1",
          .event_time_ns = kEventTime,
          .metadata = R"({"c":3})"};
}
Equity some_equity() { return {.account_equity_e8 = 1, .event_time_ns = kEventTime}; }
Position some_position() {
  return {.symbol = "SPY", .side = "sell", .quantity_e8 = 1, .event_time_ns = kEventTime};
}

// ── every struct, field by field ─────────────────────────────────────────────────────────────────

TEST_F(TelemetryTest, PublishesASignalFieldByField) {
  ASSERT_EQ(telemetry.breakout_detector().signal(some_signal()), Published::ok);
  const Found found = next();
  EXPECT_EQ(found.head.profile_id, 7);
  EXPECT_EQ(found.head.stamp, static_cast<std::uint64_t>(kEventTime));
  EXPECT_EQ(found.head.lines & ~kLinesMask, kEventTimeGiven);
  EXPECT_EQ(segment().name_at(found.head.script), "order_monitor");
  const auto body = found.body<SignalBody>();
  EXPECT_EQ(body.bar_strength_e8, 1);
  EXPECT_EQ(body.close_price_e8, 2);
  EXPECT_EQ(body.candle_size_e8, 3);
  EXPECT_EQ(body.volume_e8, 4);
  EXPECT_EQ(Direction::known(body.direction), "downward");
  EXPECT_EQ(SignalFate::known(body.fate), "suppressed");
  EXPECT_EQ(found.text<SignalBody>(0), "sig-1");
  EXPECT_EQ(found.text<SignalBody>(1), "SPY");
  EXPECT_EQ(found.text<SignalBody>(2), "choppy");
  EXPECT_EQ(found.text<SignalBody>(3), "");
  EXPECT_EQ(found.text<SignalBody>(4), "");
  EXPECT_EQ(found.metadata<SignalBody>(), R"({"a":1})");
  EXPECT_EQ(body.reserved, 0);
  EXPECT_TRUE(all_zero(body.reserved2));
}

TEST_F(TelemetryTest, PublishesAnOrderFieldByField) {
  ASSERT_EQ(telemetry.order_monitor().order(some_order()), Published::ok);
  const Found found = next();
  const auto body = found.body<OrderBody>();
  EXPECT_EQ(body.quantity_e8, 1);
  EXPECT_EQ(body.filled_quantity_e8, 2);
  EXPECT_EQ(body.limit_price_e8, 3);
  EXPECT_EQ(body.filled_price_e8, 4);
  EXPECT_EQ(body.api_latency_ns, 5);
  EXPECT_EQ(OrderType::known(body.order_type), "limit");
  EXPECT_EQ(Side::known(body.side), "buy");
  EXPECT_EQ(OrderStatus::known(body.status), "canceled");
  EXPECT_EQ(found.text<OrderBody>(0), "o-1");
  EXPECT_EQ(found.text<OrderBody>(1), "o-0");
  EXPECT_EQ(found.text<OrderBody>(2), "sig-1");
  EXPECT_EQ(found.text<OrderBody>(3), "BRK.B");
  for (std::size_t i = 4; i < 7; ++i) EXPECT_EQ(found.text<OrderBody>(i), "");
  EXPECT_EQ(found.metadata<OrderBody>(), R"({"b":2})");
  EXPECT_TRUE(all_zero(body.reserved));
}

TEST_F(TelemetryTest, PublishesATradeFieldByField) {
  ASSERT_EQ(telemetry.order_monitor().trade(some_trade()), Published::ok);
  const Found found = next();
  const auto body = found.body<TradeBody>();
  EXPECT_EQ(body.quantity_e8, 1);
  EXPECT_EQ(body.multiplier_e8, 2);
  EXPECT_EQ(body.entry_price_e8, 3);
  EXPECT_EQ(body.exit_price_e8, 4);
  EXPECT_EQ(body.reference_price_e8, 5);
  EXPECT_EQ(body.fees_e8, -6);
  EXPECT_EQ(body.entry_time_ns, kEntryTime);
  EXPECT_EQ(body.exit_time_ns, kExitTime);
  EXPECT_EQ(body.bar_strength_e8, 9);
  EXPECT_EQ(body.candle_size_e8, 10);
  EXPECT_EQ(TradeType::known(body.trade_type), "breakout");
  EXPECT_EQ(Side::known(body.side), "buy");
  EXPECT_EQ(ExitReason::known(body.exit_reason), "profit_target");
  EXPECT_EQ(Direction::known(body.direction), "upward");
  EXPECT_EQ(found.text<TradeBody>(0), "SPY131019C00172000");
  EXPECT_EQ(found.text<TradeBody>(1), "t-1");
  EXPECT_EQ(found.text<TradeBody>(2), "o-1");
  EXPECT_EQ(found.text<TradeBody>(3), "sig-1");
  for (std::size_t i = 4; i < 8; ++i) EXPECT_EQ(found.text<TradeBody>(i), "");
  EXPECT_EQ(found.metadata<TradeBody>(), R"({"c":3})");
  EXPECT_TRUE(all_zero(body.reserved));
}

TEST_F(TelemetryTest, PublishesEquityFieldByField) {
  ASSERT_EQ(telemetry.equity_monitor().equity({.account_equity_e8 = 1,
                                               .unrealized_pnl_e8 = -2,
                                               .realized_pnl_e8 = 3,
                                               .margin_used_e8 = 4,
                                               .margin_available_e8 = 5,
                                               .cash_flow_e8 = -6,
                                               .open_positions_count = 7,
                                               .event_time_ns = kEventTime,
                                               .metadata = R"({"d":4})"}),
            Published::ok);
  const Found found = next();
  const auto body = found.body<EquityBody>();
  EXPECT_EQ(body.account_equity_e8, 1);
  EXPECT_EQ(body.unrealized_pnl_e8, -2);
  EXPECT_EQ(body.realized_pnl_e8, 3);
  EXPECT_EQ(body.margin_used_e8, 4);
  EXPECT_EQ(body.margin_available_e8, 5);
  EXPECT_EQ(body.cash_flow_e8, -6);
  EXPECT_EQ(body.open_positions_count, 7);
  EXPECT_EQ(found.metadata<EquityBody>(), R"({"d":4})");
  EXPECT_TRUE(all_zero(body.text_bytes));
  EXPECT_EQ(body.reserved, 0);
}

TEST_F(TelemetryTest, PublishesAPositionFieldByField) {
  ASSERT_EQ(telemetry.equity_monitor().position({.symbol = "AAPL",
                                                 .side = "short",
                                                 .quantity_e8 = 1,
                                                 .average_entry_e8 = 2,
                                                 .current_price_e8 = 3,
                                                 .market_value_e8 = 4,
                                                 .unrealized_pnl_e8 = -5,
                                                 .event_time_ns = kEventTime,
                                                 .metadata = R"({"e":5})"}),
            Published::ok);
  const Found found = next();
  const auto body = found.body<PositionBody>();
  EXPECT_EQ(body.quantity_e8, 1);
  EXPECT_EQ(body.average_entry_e8, 2);
  EXPECT_EQ(body.current_price_e8, 3);
  EXPECT_EQ(body.market_value_e8, 4);
  EXPECT_EQ(body.unrealized_pnl_e8, -5);
  EXPECT_EQ(Side::known(body.side), "sell");
  EXPECT_EQ(found.text<PositionBody>(0), "AAPL");
  EXPECT_EQ(found.text<PositionBody>(1), "");
  EXPECT_EQ(found.metadata<PositionBody>(), R"({"e":5})");
  EXPECT_EQ(body.reserved, 0);
  EXPECT_TRUE(all_zero(body.reserved2));
}

TEST_F(TelemetryTest, PublishesARateLimitFieldByField) {
  ASSERT_EQ(telemetry.system().rate_limit({.remaining = 1,
                                           .limit = 200,
                                           .reset_time_ns = kEventTime + 1,
                                           .event_time_ns = kEventTime,
                                           .metadata = R"({"f":6})"}),
            Published::ok);
  const Found found = next();
  const auto body = found.body<RateLimitBody>();
  EXPECT_EQ(body.remaining, 1);
  EXPECT_EQ(body.limit, 200);
  EXPECT_EQ(body.reset_time_ns, kEventTime + 1);
  EXPECT_EQ(found.metadata<RateLimitBody>(), R"({"f":6})");
  EXPECT_TRUE(all_zero(body.text_bytes));
  EXPECT_EQ(body.reserved, 0);
  EXPECT_TRUE(all_zero(body.reserved2));
}

TEST_F(TelemetryTest, PublishesHealthFieldByField) {
  ASSERT_EQ(telemetry.system().health({.status = "ok",
                                       .error_count = 1,
                                       .warning_count = 2,
                                       .cpu_usage_pct_e8 = 3,
                                       .memory_usage_mb_e8 = 4,
                                       .expected_interval_s = 5,
                                       .event_time_ns = kEventTime,
                                       .metadata = R"({"g":7})"}),
            Published::ok);
  const Found found = next();
  const auto body = found.body<HealthBody>();
  EXPECT_EQ(body.error_count, 1);
  EXPECT_EQ(body.warning_count, 2);
  EXPECT_EQ(body.cpu_usage_pct_e8, 3);
  EXPECT_EQ(body.memory_usage_mb_e8, 4);
  EXPECT_EQ(body.expected_interval_s, 5);
  EXPECT_EQ(HealthStatus::known(body.status), "healthy");
  EXPECT_EQ(found.metadata<HealthBody>(), R"({"g":7})");
  EXPECT_TRUE(all_zero(body.reserved));
}

TEST_F(TelemetryTest, PublishesAnErrorFieldByFieldAndCutsItsText) {
  const std::string text = std::string(199, 'x') + "é";
  ASSERT_EQ(telemetry.system().error({.severity = "warn",
                                      .code = "E42",
                                      .text = text,
                                      .event_time_ns = kEventTime,
                                      .metadata = R"({"h":8})"}),
            Published::ok);
  const Found found = next();
  const auto body = found.body<ErrorBody>();
  EXPECT_EQ(Severity::known(body.severity), "warning");
  EXPECT_EQ(found.text<ErrorBody>(0), "E42");
  EXPECT_EQ(found.text<ErrorBody>(1), std::string(199, 'x'));
  EXPECT_EQ(found.text<ErrorBody>(2), "");
  EXPECT_EQ(found.metadata<ErrorBody>(), R"({"h":8})");
  EXPECT_TRUE(all_zero(body.reserved));
}

TEST_F(TelemetryTest, PublishesALatencyInOneLine) {
  const NameId endpoint = telemetry.name("POST /v2/orders");
  ASSERT_EQ(telemetry.system().latency({.endpoint = endpoint,
                                        .duration_ns = 1'234'567,
                                        .outcome = 429,
                                        .event_time_ns = kEventTime}),
            Published::ok);
  const Found found = next();
  const auto body = found.body<LatencyBody>();
  EXPECT_EQ(body.duration_ns, 1'234'567);
  EXPECT_EQ(segment().name_at(body.endpoint), "POST /v2/orders");
  EXPECT_EQ(body.outcome, 429);
  EXPECT_TRUE(all_zero(body.reserved));
  EXPECT_EQ(found.head.lines, kEventTimeGiven);  // lines − 1 = 0
  EXPECT_EQ(found.head.stamp, static_cast<std::uint64_t>(kEventTime));
}

TEST_F(TelemetryTest, PublishesAMetricInOneLine) {
  const NameId name = telemetry.name("queue_depth");
  ASSERT_EQ(
      telemetry.system().metric({.name = name, .type = MetricType::distribution, .value_e8 = -42}),
      Published::ok);
  const Found found = next();
  const auto body = found.body<MetricBody>();
  EXPECT_EQ(body.value_e8, -42);
  EXPECT_EQ(segment().name_at(body.name), "queue_depth");
  EXPECT_EQ(body.type, 3);
  EXPECT_TRUE(all_zero(body.reserved));
  EXPECT_EQ(found.head.lines, 0);
}

TEST_F(TelemetryTest, MarksWhatIsNotSaid) {
  ASSERT_EQ(telemetry.publish(Order{.symbol = "SPY"}), Published::ok);
  const auto order = next().body<OrderBody>();
  EXPECT_EQ(order.quantity_e8, kNullE8);
  EXPECT_EQ(order.filled_price_e8, kNullE8);
  EXPECT_EQ(order.api_latency_ns, kNoTime);
  EXPECT_EQ(order.side, kNoWord);
  EXPECT_TRUE(all_zero(order.text_bytes) || order.text_bytes[3] == 3);
  ASSERT_EQ(telemetry.publish(Equity{.account_equity_e8 = 5}), Published::ok);
  const auto equity = next().body<EquityBody>();
  EXPECT_EQ(equity.cash_flow_e8, kNullE8);
  EXPECT_EQ(equity.open_positions_count, -1);
  ASSERT_EQ(telemetry.publish(RateLimit{}), Published::ok);
  const auto rate_limit = next().body<RateLimitBody>();
  EXPECT_EQ(rate_limit.remaining, -1);
  EXPECT_EQ(rate_limit.reset_time_ns, kNoTime);
}

TEST_F(TelemetryTest, KeepsUnknownWordsVerbatim) {
  Trade trade = some_trade();
  trade.trade_type = "scalp";
  trade.side = "buy_to_open";
  trade.exit_reason = "gut feeling";
  trade.direction = "sideways";
  ASSERT_EQ(telemetry.publish(trade), Published::ok);
  const Found found = next();
  const auto body = found.body<TradeBody>();
  EXPECT_EQ(body.trade_type, kOtherWord);
  EXPECT_EQ(body.side, kOtherWord);
  EXPECT_EQ(found.text<TradeBody>(4), "scalp");
  EXPECT_EQ(found.text<TradeBody>(5), "buy_to_open");
  EXPECT_EQ(found.text<TradeBody>(6), "gut feeling");
  EXPECT_EQ(found.text<TradeBody>(7), "sideways");
  EXPECT_EQ(found.metadata<TradeBody>(), R"({"c":3})");
}

TEST_F(TelemetryTest, CarriesTheLongestTradeThereCanBe) {
  const std::string symbol(kSymbolBytesMax, 'S'), id(kIdBytesMax, 'i'), word(kWordBytesMax, 'w'),
      metadata(kMetadataBytesMax, 'm');
  Trade trade = some_trade();
  trade.symbol = symbol;
  trade.trade_id = trade.order_id = trade.signal_id = id;
  trade.trade_type = word;
  trade.side = word;
  trade.exit_reason = word;
  trade.direction = word;
  trade.metadata = metadata;
  ASSERT_EQ(telemetry.publish(trade), Published::ok);
  const Found found = next();
  EXPECT_EQ(found.text<TradeBody>(0), symbol);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(found.text<TradeBody>(i), id);
  for (std::size_t i = 4; i < 8; ++i) EXPECT_EQ(found.text<TradeBody>(i), word);
  EXPECT_EQ(found.metadata<TradeBody>(), metadata);
}

TEST_F(TelemetryTest, CarriesTextsOfEveryLengthIntact) {
  const std::string digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_:";
  for (std::size_t symbol = 1; symbol <= kSymbolBytesMax; ++symbol) {
    for (std::size_t id = 0; id <= kIdBytesMax; ++id) {
      Order order{.order_id = std::string_view(digits).substr(0, id),
                  .symbol = std::string_view(digits).substr(1, symbol),
                  .status = "filled",
                  .metadata = std::string_view(digits).substr(0, (id * 7 + symbol) % 60)};
      ASSERT_EQ(telemetry.publish(order), Published::ok);
      const Found found = next();
      ASSERT_EQ(found.text<OrderBody>(0), order.order_id);
      ASSERT_EQ(found.text<OrderBody>(3), order.symbol);
      ASSERT_EQ(found.metadata<OrderBody>(), order.metadata);
      lane_.release(lane_.next());
    }
  }
}

// ── refused and counted ──────────────────────────────────────────────────────────────────────────

TEST_F(TelemetryTest, RefusesNumbersThatAreNone) {
  for (const std::int64_t bad :
       {kInvalidE8, e8_from_double(std::nan("")), e8_from_double(HUGE_VAL), e8_from_double(1e30)}) {
    const auto refuse = [&](auto said, std::int64_t decltype(said)::*field, const char* what) {
      said.*field = bad;
      expect_refused(said, what);
    };
    refuse(some_signal(), &Signal::bar_strength_e8, "bar strength");
    refuse(some_signal(), &Signal::close_price_e8, "close price");
    refuse(some_signal(), &Signal::candle_size_e8, "candle size");
    refuse(some_signal(), &Signal::volume_e8, "volume");
    refuse(some_order(), &Order::quantity_e8, "order quantity");
    refuse(some_order(), &Order::filled_quantity_e8, "filled quantity");
    refuse(some_order(), &Order::limit_price_e8, "limit price");
    refuse(some_order(), &Order::filled_price_e8, "filled price");
    refuse(some_trade(), &Trade::quantity_e8, "trade quantity");
    refuse(some_trade(), &Trade::multiplier_e8, "multiplier");
    refuse(some_trade(), &Trade::entry_price_e8, "entry price");
    refuse(some_trade(), &Trade::exit_price_e8, "exit price");
    refuse(some_trade(), &Trade::reference_price_e8, "reference price");
    refuse(some_trade(), &Trade::fees_e8, "fees");
    refuse(some_trade(), &Trade::bar_strength_e8, "trade's bar strength");
    refuse(some_trade(), &Trade::candle_size_e8, "trade's candle size");
    refuse(some_equity(), &Equity::account_equity_e8, "equity");
    refuse(some_equity(), &Equity::unrealized_pnl_e8, "unrealized");
    refuse(some_equity(), &Equity::realized_pnl_e8, "realized");
    refuse(some_equity(), &Equity::margin_used_e8, "margin used");
    refuse(some_equity(), &Equity::margin_available_e8, "margin available");
    refuse(some_equity(), &Equity::cash_flow_e8, "cash flow");
    refuse(some_position(), &Position::quantity_e8, "position quantity");
    refuse(some_position(), &Position::average_entry_e8, "average entry");
    refuse(some_position(), &Position::current_price_e8, "current price");
    refuse(some_position(), &Position::market_value_e8, "market value");
    refuse(some_position(), &Position::unrealized_pnl_e8, "position's unrealized");
    refuse(Health{}, &Health::cpu_usage_pct_e8, "cpu");
    refuse(Health{}, &Health::memory_usage_mb_e8, "memory");
    refuse(Metric{}, &Metric::value_e8, "metric");
  }
}

TEST_F(TelemetryTest, RefusesWhatMustBeSaidAndIsNot) {
  for (std::int64_t Trade::*field :
       {&Trade::quantity_e8, &Trade::entry_price_e8, &Trade::exit_price_e8, &Trade::fees_e8}) {
    Trade trade = some_trade();
    trade.*field = kNullE8;
    expect_refused(trade, "a trade without it has no P&L");
  }
  expect_refused(Equity{}, "no equity");
  expect_refused(Position{.symbol = "SPY"}, "no quantity");
  expect_refused(Metric{}, "no value");
}

TEST_F(TelemetryTest, RefusesNegativeCountsAndDurations) {
  expect_refused(Latency{.duration_ns = -1}, "duration");
  expect_refused(Health{.error_count = -1}, "errors");
  expect_refused(Health{.warning_count = -1}, "warnings");
  expect_refused(Health{.expected_interval_s = -2}, "interval");
  expect_refused(RateLimit{.remaining = -2}, "remaining");
  expect_refused(RateLimit{.limit = -2}, "limit");
  Order order = some_order();
  order.api_latency_ns = -1;
  expect_refused(order, "API latency");
}

TEST_F(TelemetryTest, RefusesImpossibleTimes) {
  for (const std::int64_t bad :
       {std::int64_t{-1}, detail::kLatestTimeNs, std::int64_t{INT64_MAX}, kNoTime + 1}) {
    const auto refuse = [&](auto said) {
      said.event_time_ns = bad;
      expect_refused(said, "event time");
    };
    refuse(some_signal());
    refuse(some_order());
    refuse(some_trade());
    refuse(some_equity());
    refuse(some_position());
    refuse(RateLimit{});
    refuse(Health{});
    refuse(ErrorReport{});
    refuse(Latency{});
    refuse(Metric{.value_e8 = 1});
    Trade trade = some_trade();
    trade.entry_time_ns = bad;
    expect_refused(trade, "entry time");
    trade = some_trade();
    trade.exit_time_ns = bad;
    expect_refused(trade, "exit time");
    expect_refused(RateLimit{.reset_time_ns = bad}, "reset time");
  }
  EXPECT_EQ(telemetry.publish(Latency{.event_time_ns = 0}), Published::ok);
  EXPECT_EQ(telemetry.publish(Latency{.event_time_ns = detail::kLatestTimeNs - 1}), Published::ok);
}

TEST_F(TelemetryTest, RefusesSymbolsThatAreNone) {
  const std::string too_long(kSymbolBytesMax + 1, 'S');
  for (const std::string_view bad :
       {std::string_view(""), std::string_view(too_long), std::string_view("SP Y"),
        std::string_view("SPY\n"), std::string_view("SP\0Y", 4), std::string_view("ÄPFEL"),
        std::string_view("SPY,"), std::string_view("SPY'")}) {
    Signal signal = some_signal();
    signal.symbol = bad;
    expect_refused(signal, "signal");
    Order order = some_order();
    order.symbol = bad;
    expect_refused(order, "order");
    Trade trade = some_trade();
    trade.symbol = bad;
    expect_refused(trade, "trade");
    Position position = some_position();
    position.symbol = bad;
    expect_refused(position, "position");
  }
  for (const char* good : {"S", "BRK.B", "ES/Z3", "BTC-USD", "a_b:c9"}) {
    Trade trade = some_trade();
    trade.symbol = good;
    EXPECT_EQ(telemetry.publish(trade), Published::ok) << good;
  }
}

TEST_F(TelemetryTest, RefusesProfilesThatAreNone) {
  for (const std::int32_t bad : {-1, INT32_MIN}) {
    const auto orders = telemetry.order_monitor(bad);
    EXPECT_EQ(orders.trade(some_trade()), Published::invalid);
    EXPECT_EQ(orders.latency({}), Published::invalid);
    EXPECT_EQ(orders.metric({.value_e8 = 1}), Published::invalid);
  }
  EXPECT_EQ(control().refused.load(), 6U);
  EXPECT_TRUE(is_empty());
}

TEST_F(TelemetryTest, CountsRefusalsInTheOrdinals) {
  expect_refused(Latency{.duration_ns = -1}, "duration");
  expect_refused(Latency{.duration_ns = -1}, "duration");
  ASSERT_EQ(telemetry.publish(Latency{}), Published::ok);
  const Found found = next();
  EXPECT_EQ(found.head.ordinal, 2U);
  EXPECT_EQ(found.head.refused, 2U);
}

TEST_F(TelemetryTest, LeavesOffMetadataThatIsTooLongAndKeepsTheRecord) {
  const std::string metadata(kMetadataBytesMax + 1, ' ');
  Trade trade = some_trade();
  trade.metadata = metadata;
  ASSERT_EQ(telemetry.publish(trade), Published::ok);
  const Found found = next();
  EXPECT_EQ(found.metadata<TradeBody>(), "");
  EXPECT_EQ(found.text<TradeBody>(3), "sig-1");
  EXPECT_EQ(control().metadata_left_off.load(), 1U);
  trade.quantity_e8 = kInvalidE8;  // no Record, nothing to leave off
  expect_refused(trade, "quantity");
  EXPECT_EQ(control().metadata_left_off.load(), 1U);
}

TEST_F(TelemetryTest, CutsIdsAtTheirLimit) {
  const std::string id(kIdBytesMax + 10, 'i');
  ASSERT_EQ(telemetry.publish(Order{.order_id = id, .symbol = "SPY"}), Published::ok);
  EXPECT_EQ(next().text<OrderBody>(0), id.substr(0, kIdBytesMax));
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

TEST_F(TelemetryTest, StampsWithTicksWhatHasNoTimeOfItsOwn) {
  const std::uint64_t before = ticks_now();
  ASSERT_EQ(telemetry.publish(Latency{}), Published::ok);
  ASSERT_EQ(telemetry.publish(Order{.symbol = "SPY"}), Published::ok);
  const std::uint64_t after = ticks_now();
  for (int i = 0; i < 2; ++i) {
    const Found found = next();
    EXPECT_EQ(found.head.lines & ~kLinesMask, 0);
    EXPECT_GE(found.head.stamp, before);
    EXPECT_LE(found.head.stamp, after);
  }
}

TEST_F(TelemetryTest, TakesTheTicksTheBotHasTakenAlready) {
  ASSERT_EQ(telemetry.publish(Latency{.duration_ns = 1, .stamp_ticks = 4'711}), Published::ok);
  ASSERT_EQ(telemetry.publish(Metric{.value_e8 = 1, .stamp_ticks = 4'712}), Published::ok);
  for (const std::uint64_t ticks : {4'711U, 4'712U}) {
    const Found found = next();
    EXPECT_EQ(found.head.lines & kEventTimeGiven, 0);
    EXPECT_EQ(found.head.stamp, ticks);
  }
}

TEST_F(TelemetryTest, PrefersTheEventTimeToTicks) {
  ASSERT_EQ(telemetry.publish(Latency{.event_time_ns = kEventTime, .stamp_ticks = 4'711}),
            Published::ok);
  const Found found = next();
  EXPECT_EQ(found.head.lines & kEventTimeGiven, kEventTimeGiven);
  EXPECT_EQ(found.head.stamp, static_cast<std::uint64_t>(kEventTime));
}

TEST_F(TelemetryTest, TimesACallAndTellsHowItEnded) {
  const NameId endpoint = telemetry.name("GET /v2/account");
  const auto orders = telemetry.order_monitor();
  const std::int64_t start = monotonic_ns();
  {
    auto timer = orders.time(endpoint);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    timer.outcome(503);
  }
  { const auto timed_out = orders.time(endpoint); }
  const std::int64_t end = monotonic_ns();
  const auto ended = next().body<LatencyBody>();
  EXPECT_EQ(ended.endpoint, endpoint);
  EXPECT_EQ(ended.outcome, 503);
  EXPECT_GE(ended.duration_ns, 2'000'000);
  EXPECT_LE(ended.duration_ns, end - start);
  EXPECT_EQ(next().body<LatencyBody>().outcome, 0);
}

// ── profiles and names ───────────────────────────────────────────────────────────────────────────

TEST_F(TelemetryTest, SpeaksForTheProfileOfTheCollector) {
  ASSERT_EQ(telemetry.profile_listener(42).order(some_order()), Published::ok);
  ASSERT_EQ(telemetry.profile_listener().signal(some_signal()), Published::ok);
  EXPECT_EQ(next().head.profile_id, 42);
  EXPECT_EQ(next().head.profile_id, 7);
}

TEST_F(TelemetryTest, RegistersANameOnce) {
  const NameId first = telemetry.name("a");
  EXPECT_EQ(telemetry.name("a"), first);
  EXPECT_NE(telemetry.name("b"), first);
  EXPECT_EQ(telemetry.name(""), 0);
  EXPECT_EQ(segment().name_at(first), "a");
}

TEST_F(TelemetryTest, CallsNamesBeyondTheTableOverflow) {
  NameId last = 0;
  for (int i = 0; i < 600; ++i) last = telemetry.name("name " + std::to_string(i));
  EXPECT_EQ(segment().name_at(last), "__overflow__");
  EXPECT_EQ(telemetry.name("name 0"), 3);  // those that were there stay what they are
  EXPECT_EQ(segment().name_at(3), "name 0");
}

TEST_F(TelemetryTest, HasItsScriptInTheSegmentFromTheFirstMoment) {
  EXPECT_EQ(segment().script_name(), "order_monitor");
}

// ── attached or not ──────────────────────────────────────────────────────────────────────────────

TEST_F(TelemetryTest, SaysThatItIsAttachedAndWhere) {
  EXPECT_TRUE(telemetry.is_attached());
  EXPECT_EQ(telemetry.status_text(), "attached to " + directory.path() + "/" + segment().name());
  EXPECT_EQ(telemetry.lane_lines(), kLaneLinesDefault);
}

TEST_F(TelemetryTest, GoesOnDetachedWhereNoDirectoryCanBe) {
  std::ofstream(directory / "file").flush();
  const std::string below = directory / "file/ddt";
  const Telemetry detached({.profile_id = 7, .script_name = "bot", .directory = below});
  EXPECT_FALSE(detached.is_attached());
  EXPECT_FALSE(detached.attach_thread());
  EXPECT_THAT(detached.status_text(), HasSubstr("detached: "));
  EXPECT_THAT(detached.status_text(), HasSubstr(below));
  EXPECT_EQ(detached.publish(some_trade()), Published::detached);
  EXPECT_EQ(detached.publish(Latency{}), Published::detached);
  EXPECT_EQ(detached.lines_free(), 0U);
  EXPECT_EQ(detached.lane_lines(), 0U);
  EXPECT_EQ(detached.name("x"), 3);  // names work, they have just nowhere to go
  { auto timer = detached.system().time(3); }
}

TEST_F(TelemetryTest, GoesOnDetachedWhereItMayNotWrite) {
  // As an ordinary user: root may write anywhere, so root becomes somebody else.
  const int code = test::run_in_child([&] {
    const std::string closed = directory / "closed";
    ::mkdir(closed.c_str(), 0500);
    if (::geteuid() == 0) {
      ::chmod(directory.path().c_str(), 0711);
      if (::chown(closed.c_str(), 65'534, 65'534) != 0 || ::setresuid(65'534, 65'534, 65'534) != 0)
        return 1;
    }
    const Telemetry detached({.profile_id = 7, .script_name = "bot", .directory = closed});
    if (detached.is_attached()) return 2;
    if (detached.publish(some_trade()) != Published::detached) return 3;
    return detached.status_text().find("Permission denied") == std::string::npos ? 4 : 0;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(TelemetryTest, IsDetachedWithImpossibleLaneLines) {
  TelemetryOptions wrong = options();
  wrong.lane_lines = 1000;
  const Telemetry detached(wrong);
  EXPECT_FALSE(detached.is_attached());
  EXPECT_THAT(detached.status_text(), HasSubstr("power of two"));
}

TEST_F(TelemetryTest, DoesNothingWhenDisabled) {
  const TempDirectory untouched;
  const Telemetry disabled(
      {.profile_id = 7, .script_name = "bot", .directory = untouched.path(), .enabled = false});
  EXPECT_FALSE(disabled.is_attached());
  EXPECT_FALSE(disabled.attach_thread());
  EXPECT_EQ(disabled.status_text(), "disabled");
  EXPECT_EQ(disabled.publish(some_trade()), Published::detached);
  EXPECT_EQ(disabled.name("x"), 0);
  EXPECT_EQ(disabled.lines_free(), 0U);
  { auto timer = disabled.system().time(0); }
  EXPECT_TRUE(segment_names(untouched.path())->empty());
}

TEST_F(TelemetryTest, TakesItsDirectoryFromTheEnvironment) {
  const TempDirectory elsewhere;
  ASSERT_EQ(::setenv("DDT_DIR", elsewhere.path().c_str(), 1), 0);
  const Telemetry other({.profile_id = 7, .script_name = "bot"});
  ::unsetenv("DDT_DIR");
  EXPECT_TRUE(other.is_attached());
  const auto names = segment_names(elsewhere.path());
  ASSERT_TRUE(names);
  EXPECT_EQ(names->size(), 1U);
}

// ── Lanes of threads ─────────────────────────────────────────────────────────────────────────────

TEST_F(TelemetryTest, SaysHowManyLinesAreFree) {
  TelemetryOptions small = options();
  const TempDirectory elsewhere;
  small.directory = elsewhere.path();
  small.lane_lines = 256;
  const Telemetry bot(small);
  EXPECT_EQ(bot.lines_free(), 256U);
  for (int i = 0; i < 10; ++i) bot.publish(Latency{});
  EXPECT_EQ(bot.lines_free(), 246U);
  EXPECT_EQ(bot.lane_lines(), 256U);
  while (bot.publish(Latency{}) == Published::ok) {
  }
  EXPECT_EQ(bot.lines_free(), 128U);  // a sample is refused at half
  EXPECT_EQ(bot.publish(some_equity()), Published::ok);
  EXPECT_EQ(bot.publish(some_trade()), Published::ok);
}

TEST_F(TelemetryTest, GivesEveryThreadALaneOfItsOwn) {
  constexpr int kThreads = 8;
  test::Pipe go;
  std::vector<std::thread> threads;
  std::atomic<int> attached{0};
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_TRUE(telemetry.attach_thread());
      attached.fetch_add(1);
      go.receive();  // all hold their Lanes at once
      EXPECT_EQ(telemetry.publish(Latency{.duration_ns = i}), Published::ok);
    });
  }
  while (attached.load() != kThreads) std::this_thread::yield();
  for (int i = 0; i < kThreads; ++i) go.send('g');
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(segment().lane_count(), kThreads + 1U);  // and the constructing thread's
  std::int64_t sum = 0;
  for (std::uint32_t lane = 1; lane <= kThreads; ++lane) {
    LaneReader reader = segment().lane(lane, 0);
    RecordCopy copy{};
    ASSERT_EQ(reader.read(copy), Peeked::record);
    std::int64_t duration;
    std::memcpy(&duration, copy.payload.data(), sizeof duration);
    sum += duration;
    EXPECT_EQ(reader.read(copy), Peeked::empty);
  }
  EXPECT_EQ(sum, kThreads * (kThreads - 1) / 2);
}

TEST_F(TelemetryTest, ReusesTheLanesOfThreadsThatEnded) {
  constexpr int kThreads = 1'000;
  for (int i = 0; i < kThreads; ++i) {
    std::thread([&] {
      EXPECT_EQ(telemetry.publish(Latency{.duration_ns = i}), Published::ok);
    }).join();
  }
  ASSERT_EQ(segment().lane_count(), 2U);
  LaneReader reader = segment().lane(1, 0);
  RecordCopy copy{};
  for (std::uint64_t i = 0; i < kThreads; ++i) {  // position and ordinal grow on
    ASSERT_EQ(reader.read(copy), Peeked::record);
    EXPECT_EQ(copy.head.ordinal, i);
    std::uint64_t duration;
    std::memcpy(&duration, copy.payload.data(), sizeof duration);
    EXPECT_EQ(duration, i);
  }
}

TEST_F(TelemetryTest, DetachesThreadsBeyondTheLaneTableAndNoOthers) {
  TelemetryOptions small = options();
  const TempDirectory elsewhere;
  small.directory = elsewhere.path();
  small.lane_lines = kLaneLinesMin;
  const Telemetry bot(small);
  std::atomic<std::uint32_t> attached{0}, refused{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kLanesMax + 3; ++i) {
    threads.emplace_back([&] {
      (bot.publish(Latency{}) == Published::ok ? attached : refused).fetch_add(1);
      while (!done.load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  }
  while (attached.load() + refused.load() != kLanesMax + 3) std::this_thread::yield();
  done.store(true);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(attached.load(), kLanesMax - 1);  // the constructing thread has one
  EXPECT_EQ(refused.load(), 4U);
  EXPECT_EQ(bot.publish(Latency{}), Published::ok);
  EXPECT_TRUE(bot.is_attached());
  EXPECT_THAT(bot.status_text(), HasSubstr("Lanes"));
}

TEST_F(TelemetryTest, KeepsTwoTelemetriesOfOneThreadApart) {
  const TempDirectory elsewhere;
  const Telemetry other(
      {.profile_id = 8, .script_name = "equity_monitor", .directory = elsewhere.path()});
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(telemetry.publish(Latency{.duration_ns = i}), Published::ok);
    ASSERT_EQ(other.publish(Latency{.duration_ns = 100 + i}), Published::ok);
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(next().body<LatencyBody>().duration_ns, i);
  EXPECT_EQ(segment().lane_count(), 1U);
}

TEST_F(TelemetryTest, GivesItsSegmentBackWhenItGoes) {
  const TempDirectory elsewhere;
  std::optional<SegmentReader> reader;
  {
    const Telemetry other({.profile_id = 8, .script_name = "x", .directory = elsewhere.path()});
    ASSERT_EQ(other.publish(Latency{}), Published::ok);
    const auto names = segment_names(elsewhere.path());
    ASSERT_EQ(names->size(), 1U);
    auto opened = SegmentReader::open(elsewhere.path(), names->front());
    ASSERT_TRUE(opened);
    reader.emplace(std::move(*opened));
    EXPECT_EQ(reader->owner_lock(), LockState::held);
  }
  EXPECT_EQ(reader->owner_lock(), LockState::free);
  RecordCopy copy{};
  EXPECT_EQ(reader->lane(0, 0).read(copy), Peeked::record);  // and what it said is still there
}

// ── awkward moments ──────────────────────────────────────────────────────────────────────────────

// A thread-local that outlives this thread's leases: made before them, destroyed after them.
struct SpeaksAtTheEnd {
  const Telemetry* telemetry = nullptr;
  Published* result = nullptr;
  ~SpeaksAtTheEnd() {
    if (telemetry != nullptr) *result = telemetry->publish(Latency{});
  }
};
thread_local SpeaksAtTheEnd t_speaks_at_the_end;

TEST_F(TelemetryTest, RefusesAPublishFromAThreadThatHasGivenItsLaneBack) {
  Published result = Published::ok;
  std::thread([&] {
    t_speaks_at_the_end.telemetry = &telemetry;
    t_speaks_at_the_end.result = &result;
    EXPECT_EQ(telemetry.publish(Latency{}), Published::ok);
  }).join();
  EXPECT_EQ(result, Published::detached);
}

TEST_F(TelemetryTest, SurvivesAPublishFromAStaticDestructor) {
  const int code = test::run_in_child([&] {
    static const Telemetry outlives_main(options());
    static const struct Last {
      ~Last() { ::_exit(outlives_main.publish(Latency{}) == Published::detached ? 0 : 5); }
    } last;
    if (outlives_main.publish(Latency{}) != Published::ok) return 6;
    std::exit(7);
  });
  EXPECT_EQ(code, 0);
}

const Telemetry* signaled_telemetry = nullptr;
std::atomic<int> published_in_handler{0};  // lock-free: the handler may use it

TEST_F(TelemetryTest, LosesNoOrdinalToASignalHandlerThatPublishes) {
  signaled_telemetry = &telemetry;
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {
    if (signaled_telemetry->publish(Latency{.duration_ns = 1}) == Published::ok)
      published_in_handler = published_in_handler + 1;
    signaled_telemetry->publish(Latency{.duration_ns = -1});
  };
  ASSERT_EQ(::sigaction(SIGALRM, &action, &before), 0);
  const itimerval often{.it_interval = {.tv_sec = 0, .tv_usec = 50},
                        .it_value = {.tv_sec = 0, .tv_usec = 50}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
  segment();
  RecordCopy copy{};
  std::uint64_t published = 0, drained = 0, next_published = 0, wrong = 0;
  const auto drain = [&] {
    while (lane_.read(copy) == Peeked::record) {
      if (copy.head.ordinal - copy.head.refused != next_published++) ++wrong;
      ++drained;
    }
    lane_.release(lane_.next());
  };
  const std::int64_t end = monotonic_ns() + kNsPerSecond / 5;
  while (monotonic_ns() < end) {
    for (int i = 0; i < 100; ++i)
      published += telemetry.publish(some_trade()) == Published::ok ? 1 : 0;
    drain();
  }
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  drain();
  EXPECT_GT(published_in_handler, 0);
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(drained, published + static_cast<std::uint64_t>(published_in_handler));
  ASSERT_EQ(telemetry.publish(Latency{}), Published::ok);
  ASSERT_EQ(lane_.read(copy), Peeked::record);
  std::uint64_t dropped = control().refused.load();
  for (const auto& count : control().dropped) dropped += count.load();
  EXPECT_EQ(copy.head.ordinal, drained + dropped);
  EXPECT_EQ(copy.head.refused, dropped);
}

}  // namespace
}  // namespace ddt
