// What a Lane's samples become must not depend on how their Summary was found: by indices, as most are, or by texts.
#include "sidecar/drain/block_builder.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace ddt::sidecar {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000'000'000;

// Indices 3 and 4 are one text: a bot may register a name twice.
std::string text_of(std::uint16_t index) {
  return "name-" + std::to_string(index == 4 ? 3 : index);
}

// Few names and many: slots are found, and pushed out of their places. Times go back and forth over minutes and hours.
Sample random_sample(std::mt19937_64& random, std::uint16_t names, std::uint64_t position) {
  const bool is_latency = random() % 2 == 0;
  return {.kind = is_latency ? RecordKind::latency : RecordKind::metric,
          .metric_kind = static_cast<model::MetricKind>(1 + random() % 3),
          .script = static_cast<std::uint16_t>(1 + random() % 2),
          .name = static_cast<std::uint16_t>(random() % names),
          .profile_id = static_cast<std::int32_t>(1 + random() % 3),
          .outcome = random() % 5 == 0 ? 429 : 200,
          .position = position,
          .event_time_ns = kNow +
                           static_cast<std::int64_t>(random() % 4) * (model::kNsPerHour / 3) +
                           static_cast<std::int64_t>(random() % 90) * model::kNsPerSecond,
          .value = static_cast<std::int64_t>(random() >> (20 + random() % 40))};
}

using SummaryKey = std::tuple<std::int32_t, std::string, std::string, std::int64_t>;

TEST(BlockBuilder, SumsSamplesUpAsTheirTextsAndTimesSay) {
  std::mt19937_64 random(11);
  for (const std::uint16_t names : {std::uint16_t{1}, std::uint16_t{5}, std::uint16_t{40}}) {
    BlockBuilder builder{model::Block{}};
    std::map<SummaryKey, model::LatencySummary> latencies;
    std::map<SummaryKey, model::MetricSummary> metrics;
    for (std::uint64_t position = 0; position < 20'000; ++position) {
      const Sample sample = random_sample(random, names, position);
      if (!builder.try_add(sample))
        builder.add(sample, text_of(sample.script), text_of(sample.name));
      const auto key = [&](std::int64_t unit_ns) {
        return SummaryKey{sample.profile_id, text_of(sample.script), text_of(sample.name),
                          sample.event_time_ns / unit_ns};
      };
      if (sample.kind == RecordKind::latency) {
        latencies[key(model::kNsPerMinute)].add(sample.value, sample.outcome);
      } else {
        metrics[key(model::kNsPerHour)].add(sample.metric_kind, sample.value, sample.event_time_ns,
                                            {.segment_id = {}, .lane = 0, .position = position});
      }
    }
    const model::Block block = builder.take(20'000, 20'000, {});
    EXPECT_EQ(block.samples, 20'000U);
    ASSERT_EQ(block.latency_minutes.size(), latencies.size());
    for (const auto& is : block.latency_minutes) {
      const SummaryKey key{is.profile_id, is.script_name, is.endpoint, is.minute};
      EXPECT_EQ(is.summary, latencies[key]);
    }
    ASSERT_EQ(block.metric_hours.size(), metrics.size());
    for (const auto& is : block.metric_hours) {
      const SummaryKey key{is.profile_id, is.script_name, is.name, is.hour};
      EXPECT_EQ(is.summary, metrics[key]);
    }
  }
}

// Its slots point into Summaries that have gone with the Block.
TEST(BlockBuilder, AsksForTextsAgainInTheNextBlock) {
  BlockBuilder builder{model::Block{}};
  Sample sample{};
  sample.kind = RecordKind::latency;
  sample.profile_id = 7;
  sample.event_time_ns = kNow;
  EXPECT_FALSE(builder.try_add(sample));
  builder.add(sample, "order_monitor", "submit");
  EXPECT_TRUE(builder.try_add(sample));
  EXPECT_EQ(builder.take(2, 2, {}).latency_minutes.front().summary.n(), 2U);
  EXPECT_FALSE(builder.try_add(sample));
}

// What MetricSummary::add does at once is what merging Summaries of one reading each does.
TEST(BlockBuilder, CountsAReadingAsAMergeOfOneReading) {
  std::mt19937_64 random(5);
  model::MetricSummary added, merged;
  for (std::uint64_t i = 0; i < 5'000; ++i) {
    const auto kind = static_cast<model::MetricKind>(1 + random() % 3);
    const auto value_e8 = static_cast<std::int64_t>(random() >> 30) - (1LL << 32);
    const auto time_ns = kNow + static_cast<std::int64_t>(random() % 8);  // ties, too
    const model::RecordName name{.segment_id = {}, .lane = 0, .position = random() % 4};
    model::MetricSummary one;
    one.add(kind, value_e8, time_ns, name);
    merged.merge(one);
    added.add(kind, value_e8, time_ns, name);
  }
  EXPECT_EQ(added, merged);
}

}  // namespace
}  // namespace ddt::sidecar
