// What Redis vouches for after it has forgotten something.
#include "sidecar/append/acknowledged.hpp"

#include <gtest/gtest.h>

namespace ddt::sidecar {
namespace {

using redis::LanePosition;

const model::LaneName kLane{.segment_id = {1}, .lane = 0};

redis::Positions redis_with(std::uint64_t position, std::uint64_t forgotten_to = 0) {
  return {{kLane, {kLane, position, forgotten_to}}};
}

class AcknowledgedTest : public ::testing::Test {
 protected:
  LanePosition connected(const redis::Positions& redis) {
    const std::vector<LanePosition> positions = acknowledged_.connected(redis);
    EXPECT_EQ(positions.size(), 1U);
    return positions.empty() ? LanePosition{} : positions.front();
  }
  LanePosition append(std::uint64_t to) {
    LanePosition position{kLane, to};
    acknowledged_.mark({&position, 1});
    acknowledged_.appended({&position, 1});
    return position;
  }
  Acknowledged acknowledged_;
};

TEST_F(AcknowledgedTest, AnIntactReconnectForgetsNothing) {
  append(100);
  EXPECT_EQ(connected(redis_with(100)).forgotten_to, 0U);
  EXPECT_EQ(connected(redis_with(120)).position, 120U) << "an answer that never came";
  EXPECT_EQ(append(150).forgotten_to, 0U);
}

TEST_F(AcknowledgedTest, AnEmptyRedisHasForgottenAllOfIt) {
  append(100);
  const LanePosition now = connected({});
  EXPECT_EQ(now.position, 0U);
  EXPECT_EQ(now.forgotten_to, 100U);
  EXPECT_EQ(append(150).forgotten_to, 100U) << "it lies above the hole";
}

TEST_F(AcknowledgedTest, AnOldRedisHasForgottenTheRest) {
  append(100);
  const LanePosition now = connected(redis_with(80));
  EXPECT_EQ(now.position, 80U);
  EXPECT_EQ(now.forgotten_to, 100U);
}

TEST_F(AcknowledgedTest, ASecondHoleReachesHigher) {
  append(100);
  connected({});
  append(150);
  EXPECT_EQ(connected(redis_with(120, 100)).forgotten_to, 150U);
}

TEST_F(AcknowledgedTest, ASuccessorKnowsTheHoleFromRedis) {
  EXPECT_EQ(connected(redis_with(150, 100)).forgotten_to, 100U);
  EXPECT_EQ(append(200).forgotten_to, 100U);
}

TEST_F(AcknowledgedTest, ARetiredLaneIsNotSpokenOf) {
  append(100);
  acknowledged_.forget(kLane);
  EXPECT_TRUE(acknowledged_.connected({}).empty());
}

}  // namespace
}  // namespace ddt::sidecar
