// Quantile sketch and Summaries of samples: error bound, merging, bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "sidecar/model/bytes.hpp"
#include "sidecar/model/summary.hpp"

namespace ddt::model {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

template <typename T>
std::string bytes_of(const T& summary) {
  std::string bytes;
  ByteWriter writer(bytes);
  summary.encode(writer);
  return bytes;
}

template <typename T>
std::optional<T> from_bytes(std::string_view bytes) {
  ByteReader reader(bytes);
  auto decoded = T::decode(reader);
  if (decoded && !reader.at_end()) return std::nullopt;
  return decoded;
}

QuantileSketch sketch_of(const std::vector<std::int64_t>& values) {
  QuantileSketch sketch;
  for (const std::int64_t value : values) sketch.add(value);
  return sketch;
}

template <typename T>
T merged(T a, const T& b) {
  a.merge(b);
  return a;
}

// Nearest rank among the values themselves.
std::int64_t exact_quantile(std::vector<std::int64_t> values, std::uint32_t permille) {
  std::sort(values.begin(), values.end());
  const std::size_t rank = (values.size() * permille + 999) / 1'000;
  return values[std::max<std::size_t>(rank, 1) - 1];
}

void expect_within_one_percent(const std::vector<std::int64_t>& values) {
  const QuantileSketch sketch = sketch_of(values);
  for (const std::uint32_t permille : {0U, 1U, 10U, 250U, 500U, 900U, 950U, 990U, 999U, 1'000U}) {
    const std::int64_t exact = exact_quantile(values, permille);
    const std::int64_t estimate = sketch.quantile(permille).value_or(-1);
    const int128 error = int128{estimate} - exact;
    const int128 magnitude = exact < 0 ? -int128{exact} : int128{exact};
    EXPECT_LE((error < 0 ? -error : error) * 100, magnitude)
        << permille << ": " << estimate << " for " << exact;
  }
}

TEST(QuantileSketch, SaysNothingWhenEmpty) {
  EXPECT_FALSE(QuantileSketch{}.quantile(500).has_value());
}

TEST(QuantileSketch, OneValueIsEveryQuantile) {
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-7}, std::int64_t{123'456'789},
                                   kMax, std::numeric_limits<std::int64_t>::min() + 2}) {
    const QuantileSketch sketch = sketch_of({value});
    for (const std::uint32_t permille : {0U, 500U, 1'000U}) {
      EXPECT_EQ(sketch.quantile(permille), value);
    }
  }
}

TEST(QuantileSketch, SmallIntegersAreExact) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = -40; i <= 40; ++i) values.push_back(i);
  const QuantileSketch sketch = sketch_of(values);
  for (std::uint32_t permille = 0; permille <= 1'000; permille += 25) {
    EXPECT_EQ(sketch.quantile(permille), exact_quantile(values, permille));
  }
}

TEST(QuantileSketch, IsWithinOnePercentOfExactQuantiles) {
  std::mt19937_64 random(3);
  std::lognormal_distribution<double> latency(13, 2);
  std::normal_distribution<double> around_zero(0, 1e9);
  std::uniform_real_distribution<double> exponent(0, 43.6);
  std::vector<std::int64_t> latencies, signed_values, wide;
  for (int i = 0; i < 20'000; ++i) {
    latencies.push_back(static_cast<std::int64_t>(latency(random)));
    signed_values.push_back(static_cast<std::int64_t>(around_zero(random)));
    wide.push_back(static_cast<std::int64_t>(std::exp(exponent(random))));
  }
  expect_within_one_percent(latencies);
  expect_within_one_percent(signed_values);
  expect_within_one_percent(wide);
  expect_within_one_percent({1, 2, 3});
}

TEST(QuantileSketch, EveryMagnitudeIsWithinOnePercentOfItsBucket) {
  // Three values with the probed one in the middle: the estimate is not clamped to it.
  std::mt19937_64 random(5);
  for (int i = 0; i < 50'000; ++i) {
    const auto value = static_cast<std::int64_t>(random() >> (1 + random() % 62));
    const QuantileSketch sketch = sketch_of({0, value, kMax});
    const int128 error = int128{sketch.quantile(500).value_or(-1)} - value;
    ASSERT_LE((error < 0 ? -error : error) * 100, int128{value}) << value;
  }
}

TEST(QuantileSketch, KeepsItsLimitByGivingUpTheSmallestMagnitudes) {
  QuantileSketch sketch;
  std::uint64_t n = 0;
  for (long double magnitude = 1; magnitude < 9.2e18L; magnitude *= 1.015L) {
    sketch.add(static_cast<std::int64_t>(magnitude));
    sketch.add(-static_cast<std::int64_t>(magnitude));
    n += 2;
  }
  EXPECT_EQ(sketch.n(), n);
  EXPECT_LE(sketch.bucket_count(), QuantileSketch::kBucketsMax);
  EXPECT_EQ(sketch.quantile(500), 0);  // small ones count as zero
  const auto high = sketch.quantile(900);
  ASSERT_TRUE(high.has_value());
  EXPECT_NEAR(std::log(static_cast<double>(*high)), 43.67 * 0.8, 0.1);
}

TEST(QuantileSketch, MergesInAnyOrderAndGroupingEvenBeyondTheLimit) {
  std::mt19937_64 random(9);
  const auto part = [&random](bool wide) {
    std::vector<std::int64_t> values;
    for (int i = 0; i < (wide ? 3'000 : 40); ++i) {
      const auto magnitude = static_cast<std::int64_t>(random() >> (1 + random() % 62));
      values.push_back(random() % 2 == 0 ? magnitude : -magnitude);
    }
    return values;
  };
  for (int round = 0; round < 40; ++round) {
    const auto x = part(round % 2 == 0), y = part(round % 3 == 0), z = part(round % 5 == 0);
    const QuantileSketch a = sketch_of(x), b = sketch_of(y), c = sketch_of(z);
    std::vector<std::int64_t> all(x);
    all.insert(all.end(), y.begin(), y.end());
    all.insert(all.end(), z.begin(), z.end());
    EXPECT_EQ(merged(a, b), merged(b, a));
    EXPECT_EQ(merged(merged(a, b), c), merged(a, merged(b, c)));
    EXPECT_EQ(merged(merged(a, b), c), sketch_of(all));
    EXPECT_EQ(merged(a, QuantileSketch{}), a);
    EXPECT_EQ(merged(QuantileSketch{}, a), a);
  }
}

LatencySummary latencies(std::mt19937_64& random, int count) {
  constexpr std::int32_t kOutcomes[] = {200, 200, 200, 429, 500, 0, 404, -3, 99'999, 399};
  LatencySummary summary;
  for (int i = 0; i < count; ++i) {
    summary.add(static_cast<std::int64_t>(random() % 1'000'000'000), kOutcomes[random() % 10]);
  }
  return summary;
}

TEST(LatencySummary, CountsOutcomesAndErrors) {
  LatencySummary summary;
  for (const std::int32_t outcome : {200, 200, 0, 399, 400, 429, 429, 503, -5, 12'345}) {
    summary.add(1'000'000, outcome);
  }
  EXPECT_EQ(summary.n(), 10U);
  EXPECT_EQ(summary.errors(), 6U);  // 0, 400, 429 twice, 503 and what is above all codes
  EXPECT_EQ(summary.rate_limited(), 2U);
  EXPECT_EQ(summary.count_of(200), 2U);
  EXPECT_EQ(summary.count_of(LatencySummary::kOutcomeBelow), 1U);
  EXPECT_EQ(summary.count_of(LatencySummary::kOutcomeAbove), 1U);
}

TEST(LatencySummary, AveragesExactly) {
  LatencySummary summary;
  EXPECT_FALSE(summary.avg_ms_e8().has_value());
  summary.add(1'500'000, 200);
  summary.add(1'500'001, 200);
  summary.add(2'000'000, 200);
  EXPECT_EQ(decimal_string(summary.avg_ms_e8().value_or(0), 8), "1.666667");
  EXPECT_EQ(decimal_string(summary.max_ms_e8().value_or(0), 8), "2");
  EXPECT_EQ(decimal_string(summary.min_ms_e8().value_or(0), 8), "1.5");
}

TEST(LatencySummary, MergesInAnyOrderAndGrouping) {
  std::mt19937_64 random(13);
  for (int round = 0; round < 50; ++round) {
    const LatencySummary a = latencies(random, round), b = latencies(random, 30),
                         c = latencies(random, 5);
    EXPECT_EQ(merged(a, b), merged(b, a));
    EXPECT_EQ(merged(merged(a, b), c), merged(a, merged(b, c)));
  }
}

MetricSummary metric(std::mt19937_64& random, int count) {
  MetricSummary summary;
  for (int i = 0; i < count; ++i) {
    RecordName name;
    name.lane = static_cast<std::uint32_t>(random() % 2);
    name.position = random() % 1'000;
    summary.add(static_cast<MetricKind>(1 + random() % 3),
                static_cast<std::int64_t>(random() % 2'000) - 1'000,
                static_cast<std::int64_t>(random() % 4), name);
  }
  return summary;
}

TEST(MetricSummary, LastIsOfTheGreatestTimeThenPosition) {
  MetricSummary summary;
  RecordName early, late;
  early.position = 1;
  late.position = 2;
  summary.add(MetricKind::gauge, 10, 100, late);
  summary.add(MetricKind::gauge, 20, 100, early);
  EXPECT_EQ(summary.last_e8, 10);
  summary.add(MetricKind::counter, 5, 99, late);
  EXPECT_EQ(summary.last_e8, 10);
  EXPECT_EQ(summary.kind, MetricKind::gauge);
  EXPECT_EQ(summary.n, 3U);
  EXPECT_TRUE(summary.sum_e8 == 35);
  EXPECT_EQ(summary.distribution.n(), 0U);
}

TEST(MetricSummary, MergesInAnyOrderAndGrouping) {
  std::mt19937_64 random(17);
  for (int round = 0; round < 100; ++round) {
    const MetricSummary a = metric(random, round % 7), b = metric(random, 6), c = metric(random, 3);
    EXPECT_EQ(merged(a, b), merged(b, a));
    EXPECT_EQ(merged(merged(a, b), c), merged(a, merged(b, c)));
  }
}

TEST(SummaryBytes, DecodeGivesBackWhatWasEncoded) {
  std::mt19937_64 random(19);
  for (int count : {0, 1, 2, 500}) {
    const LatencySummary latency = latencies(random, count);
    EXPECT_EQ(from_bytes<LatencySummary>(bytes_of(latency)), latency);
    const MetricSummary own = metric(random, count);
    EXPECT_EQ(from_bytes<MetricSummary>(bytes_of(own)), own);
    EXPECT_EQ(from_bytes<QuantileSketch>(bytes_of(own.distribution)), own.distribution);
  }
}

TEST(SummaryBytes, EveryTruncationIsRefused) {
  std::mt19937_64 random(23);
  const std::string whole = bytes_of(latencies(random, 50));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(from_bytes<LatencySummary>(std::string_view(whole).substr(0, length)));
  }
}

TEST(SummaryBytes, DamagedBytesNeverCrashAndWhatDecodesStillMerges) {
  std::mt19937_64 random(29);
  const std::string latency = bytes_of(latencies(random, 40));
  const std::string own = bytes_of(metric(random, 40));
  for (int i = 0; i < 20'000; ++i) {
    for (std::string bytes : {latency, own}) {
      for (std::uint64_t hits = 1 + random() % 3; hits > 0; --hits) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      if (auto decoded = from_bytes<LatencySummary>(bytes)) {
        decoded->merge(*decoded);
        (void)decoded->quantile_ms_e8(990);
        (void)decoded->avg_ms_e8();
      }
      if (auto decoded = from_bytes<MetricSummary>(bytes)) {
        decoded->merge(*decoded);
        (void)decoded->avg_e8();
      }
    }
  }
}

TEST(Bytes, ReadsBackTheEdgesOfEveryEncoding) {
  std::string bytes;
  ByteWriter writer(bytes);
  const int128 widest = (((int128{1} << 126) - 1) << 1) + 1;
  writer.varint(std::numeric_limits<std::uint64_t>::max());
  writer.zigzag(std::numeric_limits<std::int64_t>::min());
  writer.nullable(std::numeric_limits<std::int64_t>::min());
  writer.nullable(kMax);
  writer.i128(widest);
  writer.i128(-widest - 1);
  writer.text("päron");
  ByteReader reader(bytes);
  EXPECT_EQ(reader.varint(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(reader.zigzag(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(reader.nullable(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(reader.nullable(), kMax);
  EXPECT_TRUE(reader.i128() == widest);
  EXPECT_TRUE(reader.i128() == -widest - 1);
  EXPECT_EQ(reader.text(), "päron");
  EXPECT_TRUE(reader.ok() && reader.at_end());
}

TEST(Bytes, ImpossibleReadsFailOnceAndForAll) {
  ByteReader beyond(
      std::string_view("\x05"
                       "ab",
                       3));
  EXPECT_EQ(beyond.text(), "");
  EXPECT_FALSE(beyond.ok());
  EXPECT_EQ(beyond.u8(), 0);
  const std::string endless(20, '\xFF');
  ByteReader varint(endless), wide(endless);
  EXPECT_EQ(varint.varint(), 0U);
  EXPECT_FALSE(varint.ok());
  EXPECT_TRUE(wide.i128() == 0);
  EXPECT_FALSE(wide.ok());
  ByteReader count(std::string_view("\xFF\xFF\x7Fxyz", 6));
  EXPECT_EQ(count.count(1), 0U);
  EXPECT_FALSE(count.ok());
}

TEST(Bytes, Crc32cIsCastagnolis) { EXPECT_EQ(crc32c("123456789"), 0xE3069283U); }

TEST(Bytes, Crc32cIsThatOfItsBitsAtEveryLengthAndAlignment) {
  std::string bytes;
  for (int i = 0; i < 64; ++i) bytes.push_back(static_cast<char>(i * 37 + 11));
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t length = 0; from + length <= bytes.size(); ++length) {
      const std::string_view part = std::string_view(bytes).substr(from, length);
      std::uint32_t crc = ~std::uint32_t{0};
      for (const char c : part) {
        crc ^= static_cast<std::uint8_t>(c);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78 : 0);
      }
      ASSERT_EQ(crc32c(part), ~crc) << from << ' ' << length;
    }
  }
}

}  // namespace
}  // namespace ddt::model
