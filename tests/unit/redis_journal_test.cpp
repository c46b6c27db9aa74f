// What of the Journal needs no server.
#include <gtest/gtest.h>

#include "sidecar/redis/journal.hpp"

namespace ddt::redis {
namespace {

TEST(EntryIds, AreOrderedByTimeThenNumber) {
  EXPECT_EQ(compare_ids("5-1", "5-1"), 0);
  EXPECT_EQ(compare_ids("5", "5-0"), 0);
  EXPECT_LT(compare_ids("9-9", "10-0"), 0);
  EXPECT_GT(compare_ids("10-10", "10-9"), 0);
  EXPECT_GT(compare_ids("18446744073709551615-18446744073709551615", "1700000000000-0"), 0);
  EXPECT_LT(compare_ids("no id", "0-0"), 0);
  EXPECT_LT(compare_ids("", "0-0"), 0);
  EXPECT_LT(compare_ids("1-", "0-0"), 0);
  EXPECT_EQ(id_time_ms("1700000000000-3"), 1700000000000);
  EXPECT_EQ(id_time_ms("x"), 0);
}

TEST(LaneField, IsReadBack) {
  model::LaneName lane;
  for (std::size_t i = 0; i < 16; ++i) lane.segment_id[i] = static_cast<std::uint8_t>(i * 17);
  lane.lane = 4'294'967'295U;
  EXPECT_EQ(lane_field(lane), "00112233445566778899aabbccddeeff:4294967295");
  EXPECT_EQ(lane_of_field(lane_field(lane)), lane);
}

TEST(LaneField, RefusesWhatIsNone) {
  for (const char* text :
       {"", ":", "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff:",
        "00112233445566778899aabbccddeeff:-1", "00112233445566778899aabbccddeeff:1x",
        "0x112233445566778899aabbccddeeff:1", "00112233445566778899aabbccddeeff:4294967296",
        "00112233445566778899aabbccddeef:1", "+0112233445566778899aabbccddeeff:1"}) {
    EXPECT_FALSE(lane_of_field(text)) << text;
  }
}

TEST(Keys, AreTheDocumentedNames) {
  const LiveKeys keys("telemetry");
  EXPECT_EQ(keys.equity(7), "telemetry:equity:7:latest");
  EXPECT_EQ(keys.health(7, "order_monitor"), "telemetry:health:7:order_monitor:latest");
  EXPECT_EQ(keys.rate_limit(7, "order_monitor"), "telemetry:rate_limit:7:order_monitor");
  EXPECT_EQ(keys.order(7, "o-1"), "telemetry:orders:7:o-1");
  EXPECT_EQ(keys.signals(7), "telemetry:breakout:7:signals");
  EXPECT_EQ(keys.errors(7, "order_monitor"), "telemetry:errors:7:order_monitor");
  EXPECT_EQ(keys.latency_stats(7, "order_monitor"), "telemetry:latency_stats:7:order_monitor");
  EXPECT_EQ(keys.positions(7), "telemetry:positions:7");
  EXPECT_EQ(keys.scripts(7), "telemetry:scripts:7");
  EXPECT_EQ(keys.profiles(), "telemetry:profiles");
  EXPECT_EQ(keys.channel(7), "telemetry:live:7");
  EXPECT_EQ(SidecarKeys("a").journal, "ddt:{a}:journal");
  EXPECT_TRUE(is_sidecar_id("host-1.a_b"));
  for (const char* id : {"", "a}b", "a b", "a:b"}) EXPECT_FALSE(is_sidecar_id(id)) << id;
  EXPECT_FALSE(is_sidecar_id(std::string(65, 'a')));
  EXPECT_TRUE(is_live_prefix("env:telemetry"));
  for (const char* prefix : {"", "a*", "a b", "a\"b"})
    EXPECT_FALSE(is_live_prefix(prefix)) << prefix;
}

TEST(TrimPlan, KeepsByAge) {
  TrimPlan plan(1'000, 1'000'000);
  plan.committed("10-0", 5, 100);
  plan.committed("11-0", 5, 600);
  EXPECT_FALSE(plan.due(1'099));
  EXPECT_EQ(plan.due(1'100), "10-1");
  EXPECT_FALSE(plan.due(1'100));
  EXPECT_EQ(plan.kept_bytes(), 5U);
}

TEST(TrimPlan, KeepsNoMoreBytesThanItsLimit) {
  TrimPlan plan(1'000'000, 10);
  plan.committed("10-0", 6, 0);
  EXPECT_FALSE(plan.due(0));
  plan.committed("10-1", 6, 0);
  EXPECT_EQ(plan.due(0), "10-1");
  plan.committed("10-1", 6, 0);  // read again: known already
  EXPECT_EQ(plan.kept_bytes(), 6U);
  plan.committed("10-2", 60, 0);
  EXPECT_EQ(plan.due(0), "10-3") << "an entry above the limit goes as well";
}

}  // namespace
}  // namespace ddt::redis
