// What the rollup writes into the tables of facts and states, batch by batch: repeats and corrections within a
// statement, across statements and across transactions.
#include <gtest/gtest.h>

#include <barrier>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "sidecar/model/time.hpp"
#include "sidecar/rollup/write_facts.hpp"
#include "sidecar/rollup/write_states.hpp"
#include "tests/support/migrated_mysql.hpp"

namespace ddt::sidecar {
namespace {

std::int64_t at(const std::string& text) { return *model::parse_time(text); }
constexpr std::int64_t e8(std::int64_t whole) { return whole * kE8; }

const std::int64_t kNine = at("2026-11-23T09:10:00Z");
const std::int64_t kTen = at("2026-11-23T10:10:00Z");

class RollupRowsTest : public test::MigratedMysqlTest {
 protected:
  void SetUp() override {
    profile_id_ += 10;
    mysql_.emplace(connect());
  }

  model::Origin origin(std::int64_t time_ns) {
    return {.profile_id = profile_id_,
            .script_name = "order_monitor",
            .position = ++position_,
            .event_time_ns = time_ns,
            .metadata = ""};
  }
  model::OrderEvent order(std::int64_t time_ns, const std::string& order_id, std::int64_t filled) {
    model::OrderEvent order;
    order.origin = origin(time_ns);
    order.order_id = order_id;
    order.symbol = "SPY";
    order.status = "filled";
    order.filled_quantity_e8 = e8(filled);
    return order;
  }
  model::TradeEvent trade(const std::string& trade_id, std::int64_t exit_price) {
    model::TradeEvent trade;
    trade.origin = origin(kTen);
    trade.symbol = "SPY";
    trade.trade_type = "breakout";
    trade.side = "buy";
    trade.trade_id = trade_id;
    trade.quantity_e8 = e8(1);
    trade.entry_price_e8 = e8(100);
    trade.exit_price_e8 = e8(exit_price);
    trade.exit_time_ns = kTen;
    return trade;
  }
  model::HealthEvent health(std::int64_t time_ns, const std::string& status, std::int64_t errors) {
    model::HealthEvent health;
    health.origin = origin(time_ns);
    health.status = status;
    health.error_count = errors;
    return health;
  }
  static model::LatencyMinute calls(const std::string& endpoint, std::int64_t time_ns) {
    model::LatencyMinute minute{.profile_id = profile_id_,
                                .script_name = "order_monitor",
                                .endpoint = endpoint,
                                .minute = model::unix_minute(time_ns),
                                .summary = {}};
    minute.summary.add(1'000'000, 200);
    return minute;
  }
  // Of each row of the profile, by hour and endpoint.
  std::vector<std::uint64_t> calls_stored() {
    const sql::Value profile = std::int64_t{profile_id_};
    const auto rows = mysql_->query(
        "SELECT state FROM dd_window_state WHERE profile_id = ? AND state IS NOT NULL ORDER BY "
        "window_start, name",
        std::span(&profile, 1));
    if (!rows) throw std::runtime_error(rows.error().message);
    std::vector<std::uint64_t> counts;
    for (const sql::Row& row : *rows) {
      model::ByteReader reader(row.text(0));
      counts.push_back(model::LatencySummary::decode(reader).value_or(model::LatencySummary()).n());
    }
    return counts;
  }
  static model::Block block_of(std::uint32_t lane, std::vector<model::Event> facts) {
    model::Block block;
    block.lane.lane = lane;
    block.fact_events = std::move(facts);
    return block;
  }

  // One transaction; what it has made stale.
  DirtyHours apply(const std::vector<model::Block>& blocks) {
    DirtyHours dirty;
    must(mysql_->begin());
    must(write_facts(*mysql_, facts_of(blocks), dirty));
    must(write_hour_states(*mysql_, blocks, reading_ids_, dirty));
    must(write_samples(*mysql_, blocks, dirty));
    must(mysql_->commit());
    return dirty;
  }
  DirtyHours apply_states(std::vector<model::Event> states) {
    model::Block block;
    block.hour_states = std::move(states);
    return apply({block});
  }
  bool is_stale(const DirtyHours& dirty, std::string_view metric_type, std::int64_t time_ns) const {
    return dirty.contains(
        {profile_id_, metric_type, model::hour_start_ns(model::unix_hour(time_ns))});
  }
  std::string one(const std::string& sql) {
    const sql::Value profile = std::int64_t{profile_id_};
    const auto rows = mysql_->query(sql, std::span(&profile, 1));
    if (!rows) return "error: " + rows.error().message;
    if (rows->size() != 1) return std::to_string(rows->size()) + " rows";
    return rows->front().is_null(0) ? "NULL" : std::string(rows->front().text(0));
  }

  ReadingIds reading_ids_;
  static inline std::int32_t profile_id_ = 0;
  static inline std::uint64_t position_ = 0;
  std::optional<sql::Connection> mysql_;
};

constexpr const char* kOrderRow =
    "SELECT CONCAT(order_id, ' ', filled_quantity + 0, ' ', TIME(event_time)) FROM dd_orders WHERE "
    "profile_id = ? AND order_id = 'a'";

TEST_F(RollupRowsTest, AnOrdersStatusRepeatedInOneBatchIsOneRow) {
  apply({block_of(1, {order(kTen, "a", 1), order(kTen, "b", 1), order(kNine, "a", 3)})});
  EXPECT_EQ(one("SELECT COUNT(*) FROM dd_orders WHERE profile_id = ?"), "2");
  EXPECT_EQ(one(kOrderRow), "a 3.00000000 09:10:00.000000");
}

TEST_F(RollupRowsTest, AnOrderThatIsThereCostsTheNewOnesBesideItNothing) {
  apply({block_of(1, {order(kNine, "a", 1)})});
  const DirtyHours dirty =
      apply({block_of(1, {order(kTen, "b", 1), order(kTen, "a", 2), order(kTen, "c", 1)})});
  EXPECT_EQ(one("SELECT COUNT(*) FROM dd_orders WHERE profile_id = ?"), "3");
  EXPECT_EQ(one(kOrderRow), "a 2.00000000 09:10:00.000000");
  EXPECT_TRUE(is_stale(dirty, "order", kNine)) << "where the row lies that was told more";
}

TEST_F(RollupRowsTest, ARepeatThatTellsNothingLeavesTheHourOfItsRowAlone) {
  apply({block_of(1, {order(kNine, "a", 2)})});
  const DirtyHours dirty = apply({block_of(1, {order(kTen, "a", 2)})});
  EXPECT_FALSE(is_stale(dirty, "order", kNine));
}

TEST_F(RollupRowsTest, ATradeIsCorrectedAcrossTheStatementsOfOneBatch) {
  std::vector<model::Event> trades{trade("first", 101)};
  for (int i = 0; i < 600; ++i) trades.emplace_back(trade("t" + std::to_string(i), 102));
  trades.emplace_back(trade("first", 105));  // 512 rows are one statement
  apply({block_of(1, std::move(trades))});
  EXPECT_EQ(one("SELECT COUNT(*) FROM dd_trade_performance WHERE profile_id = ?"), "601");
  EXPECT_EQ(one("SELECT CONCAT(pnl + 0, ' ', revision) FROM dd_trade_performance WHERE "
                "profile_id = ? AND trade_id = 'first'"),
            "5.00000000 1");
}

TEST_F(RollupRowsTest, TheLaterOfTwoLanesCorrectsATradeWhoeverSpeaksBetween) {
  const model::TradeEvent first = trade("a", 101), second = trade("a", 103);
  model::TradeEvent smaller = trade("b", 101), larger = trade("b", 101);
  smaller.origin.profile_id -= 1;
  larger.origin.profile_id += 1;
  apply(
      {block_of(9, {first}), block_of(2, {larger}), block_of(3, {smaller}), block_of(1, {second})});
  EXPECT_EQ(one("SELECT pnl + 0 FROM dd_trade_performance WHERE profile_id = ?"), "3.00000000");
}

TEST_F(RollupRowsTest, AReadingOfAnHourIsWrittenOverInPlace) {
  const std::string newest_id =
      "SELECT MAX(id) FROM dd_system_health WHERE profile_id > 0 OR profile_id = ?";
  apply_states({health(kTen, "healthy", 1)});
  const std::int64_t first_id = std::stoll(one(newest_id));
  for (int second = 1; second <= 5; ++second)
    apply_states({health(kTen + second * model::kNsPerSecond, "degraded", 10 + second)});
  apply_states({health(kTen - model::kNsPerSecond, "late", 7)});
  EXPECT_EQ(one("SELECT status FROM dd_system_health WHERE profile_id = ? AND metric_name = "
                "'health'"),
            "degraded");
  EXPECT_EQ(one("SELECT metric_value + 0 FROM dd_system_health WHERE profile_id = ? AND "
                "metric_name = 'error_count'"),
            "15.00000000");
  // A row that is written and taken back would have used up an id.
  apply_states({health(kTen + model::kNsPerHour, "healthy", 1)});
  EXPECT_EQ(one(newest_id), std::to_string(first_id + 3));
}

TEST_F(RollupRowsTest, AReadingWhoseIdIsKnownIsNotLookedUp) {
  const auto selects = [this] {
    const auto rows = mysql_->query("SHOW SESSION STATUS LIKE 'Com_select'");
    return rows ? std::stoll(std::string(rows->front().text(1))) : -1;
  };
  apply_states({health(kTen, "healthy", 1)});
  apply_states({health(kTen + 1, "healthy", 2)});  // finds what the first has made
  EXPECT_EQ(reading_ids_.size(), 3U);
  const auto before = selects();
  apply_states({health(kTen + 2, "healthy", 3)});
  EXPECT_EQ(selects(), before);
  const std::string errors =
      "SELECT metric_value + 0 FROM dd_system_health WHERE profile_id = ? AND "
      "metric_name = 'error_count'";
  EXPECT_EQ(one(errors), "3.00000000");
  // Somebody has removed the row, and another host has written it anew meanwhile, or nobody has.
  const sql::Value profile = std::int64_t{profile_id_};
  const std::span<const sql::Value> of_profile(&profile, 1);
  ASSERT_TRUE(mysql_->execute("UPDATE dd_system_health SET id = id + 1000 WHERE profile_id = ?",
                              of_profile));
  apply_states({health(kTen + 2'000, "healthy", 4)});
  EXPECT_EQ(one(errors), "4.00000000");
  ASSERT_TRUE(mysql_->execute("DELETE FROM dd_system_health WHERE profile_id = ?", of_profile));
  apply_states({health(kTen + 3'000, "healthy", 5)});
  EXPECT_EQ(one(errors), "5.00000000");
}

TEST_F(RollupRowsTest, AReadingMakesTheHourStaleThatItIsOf) {
  const DirtyHours dirty = apply_states({health(kTen, "healthy", 1)});
  EXPECT_TRUE(is_stale(dirty, "system", kTen));
  EXPECT_EQ(dirty.size(), 1U);
}

// Both see that an hour has no row yet, and both make it: nobody's samples may be written over.
TEST_F(RollupRowsTest, TwoSidecarsShareARowThatIsNewToBoth) {
  constexpr int kHours = 60;
  std::barrier begin(2);
  const auto add_to_each_hour = [&] {
    auto mysql = connect();
    for (int hour = 0; hour < kHours; ++hour) {
      model::Block block;
      block.latency_minutes.push_back(calls("/orders", kTen + hour * model::kNsPerHour));
      begin.arrive_and_wait();
      while (true) {
        DirtyHours dirty;
        must(mysql.begin());
        const Status written = write_samples(mysql, std::span(&block, 1), dirty);
        if (written && mysql.commit()) break;
        if (!written && !written.error().is_retryable) return;  // its calls are missed below
        must(mysql.rollback());
      }
    }
  };
  std::thread other(add_to_each_hour);
  add_to_each_hour();
  other.join();
  const auto counts = calls_stored();
  EXPECT_EQ(counts.size(), std::size_t{kHours});
  for (const std::uint64_t count : counts) EXPECT_EQ(count, 2U);
}

TEST_F(RollupRowsTest, ASummaryIsMergedWithALookAtItsRowAlone) {
  const auto rows_read = [this] {
    std::int64_t sum = 0;
    const auto rows = mysql_->query("SHOW SESSION STATUS LIKE 'Handler_read%'");
    for (const sql::Row& row : *rows) sum += std::stoll(std::string(row.text(1)));
    return sum;
  };
  constexpr int kEndpoints = 64;
  model::Block block;
  for (int i = 0; i < kEndpoints; ++i)
    block.latency_minutes.push_back(calls("/orders/" + std::to_string(i), kTen));
  apply({block});
  for (const char* type : {"day", "week"}) {  // of the same profile, in other Windows
    ASSERT_TRUE(
        mysql_->execute("INSERT INTO dd_window_state (profile_id, metric_type, script_name, "
                        "name, window_type, window_start, window_end) SELECT profile_id, "
                        "metric_type, script_name, name, '" +
                            std::string(type) +
                            "', window_start, window_end FROM dd_window_state WHERE "
                            "window_type = 'hour'",
                        {}));
  }
  const std::int64_t before = rows_read();
  apply({block});
  // One of the locking read, one of the write; and what showing the status has read.
  EXPECT_LE(rows_read() - before, 2 * kEndpoints + 40);
}

TEST_F(RollupRowsTest, EndpointsThatDifferBeyondAHundredBytesShareARow) {
  model::Block block;
  for (const char* end : {"x", "y"})
    block.latency_minutes.push_back(calls(std::string(95, 'e') + end, kTen));
  for (int times = 0; times < 2; ++times) {
    const DirtyHours dirty = apply({block});
    EXPECT_TRUE(is_stale(dirty, "system", kTen));
    EXPECT_TRUE(is_stale(dirty, "order", kTen));
  }
  EXPECT_EQ(one("SELECT name FROM dd_window_state WHERE profile_id = ?"),
            "latency:" + std::string(92, 'e'));
  EXPECT_EQ(calls_stored(), std::vector<std::uint64_t>{4});
}

}  // namespace
}  // namespace ddt::sidecar
