// A sketch's buckets change their form as they become more; nothing of that may show, whatever the order of adding
// and merging. Sizes run from none to several times the few that lie in the object itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sidecar/model/buckets.hpp"
#include "sidecar/model/bytes.hpp"
#include "sidecar/model/summary.hpp"

namespace ddt::model {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kSizeMax = 40;

using Additions = std::vector<std::pair<std::int64_t, std::uint64_t>>;  // value or key, times

template <typename T>
T made_of(const Additions& additions) {
  T made;
  for (const auto& [what, times] : additions) {
    if constexpr (std::is_same_v<T, Buckets>) {
      made.add(static_cast<std::int16_t>(what), times);
    } else {
      made.add(what, times);
    }
  }
  return made;
}

// The additions split at random, each part made by itself, and the parts merged into one another at random.
template <typename T>
T merged_of(const Additions& additions, std::mt19937_64& random) {
  std::vector<Additions> parts(1 + random() % 6);
  for (const auto& addition : additions) parts[random() % parts.size()].push_back(addition);
  std::vector<T> made;
  for (const Additions& part : parts) made.push_back(made_of<T>(part));
  while (made.size() > 1) {
    std::shuffle(made.begin(), made.end(), random);
    const T last = std::move(made.back());
    made.pop_back();
    made.back().merge(last);
  }
  return made.front();
}

Additions contents_of(const Buckets& buckets) {
  Additions contents;
  buckets.visit([&](std::int16_t key, std::uint64_t count) {
    contents.emplace_back(key, count);
    return true;
  });
  return contents;
}

std::string bytes_of(const QuantileSketch& sketch) {
  std::string bytes;
  ByteWriter writer(bytes);
  sketch.encode(writer);
  return bytes;
}

std::optional<QuantileSketch> from_bytes(std::string_view bytes) {
  ByteReader reader(bytes);
  auto decoded = QuantileSketch::decode(reader);
  return reader.at_end() ? decoded : std::nullopt;
}

// `size` different ones of `drawn()`, some of them more than once, each up to 1,000 times.
template <typename Draw>
Additions additions_of(std::size_t size, std::mt19937_64& random, Draw drawn) {
  std::map<std::int64_t, std::uint64_t> different;
  while (different.size() < size) different[drawn()] = 1 + random() % 1'000;
  Additions additions(different.begin(), different.end());
  for (std::size_t i = 0; i < size; i += 1 + random() % 3) additions.push_back(additions[i]);
  std::shuffle(additions.begin(), additions.end(), random);
  return additions;
}

Additions keys_of(std::size_t size, std::mt19937_64& random) {
  const std::int64_t edges[] = {0, 1, -1, Buckets::kKeyMax, -Buckets::kKeyMax};
  return additions_of(size, random, [&]() -> std::int64_t {
    if (random() % 4 == 0) return edges[random() % 5];
    return static_cast<std::int64_t>(random() % 4'101) - Buckets::kKeyMax;
  });
}

Additions values_of(std::size_t size, std::mt19937_64& random) {
  const std::int64_t edges[] = {0, 1, -1, kMax, kMin, kMin + 1};
  return additions_of(size, random, [&]() -> std::int64_t {
    if (random() % 4 == 0) return edges[random() % 6];
    const auto magnitude = static_cast<std::int64_t>(random() >> (1 + random() % 62));
    return random() % 2 == 0 ? magnitude : -magnitude;
  });
}

// What the bucket of a value stands for: with the least and the greatest beside it, it is the median.
std::int64_t stands_for(std::int64_t value) {
  return made_of<QuantileSketch>({{kMin, 1}, {value, 1}, {kMax, 1}}).quantile(500).value_or(-1);
}

std::int64_t expected_quantile(const std::map<std::int64_t, std::uint64_t>& times_of,
                               std::uint64_t n, std::uint32_t permille) {
  const std::int64_t min = times_of.begin()->first, max = times_of.rbegin()->first;
  const std::uint64_t rank = std::max<std::uint64_t>((n * permille + 999) / 1'000, 1);
  if (rank == 1) return min;
  if (rank == n) return max;
  std::uint64_t below = 0;
  for (const auto& [value, times] : times_of) {
    below += times;
    if (below >= rank) return std::clamp(stands_for(value), min, max);
  }
  return max;
}

void expect_quantiles(const QuantileSketch& sketch, const Additions& additions) {
  std::map<std::int64_t, std::uint64_t> times_of;
  std::uint64_t n = 0;
  for (const auto& [value, times] : additions) {
    times_of[value] += times;
    n += times;
  }
  ASSERT_EQ(sketch.n(), n);
  if (n == 0) return;
  EXPECT_EQ(sketch.min(), times_of.begin()->first);
  EXPECT_EQ(sketch.max(), times_of.rbegin()->first);
  for (const std::uint32_t permille : {0U, 1U, 50U, 250U, 500U, 900U, 950U, 999U, 1'000U}) {
    EXPECT_EQ(sketch.quantile(permille), expected_quantile(times_of, n, permille)) << permille;
  }
}

TEST(Buckets, HoldWhatAMapWould) {
  std::mt19937_64 random(31);
  for (std::size_t size = 0; size <= kSizeMax; ++size) {
    for (int round = 0; round < 20; ++round) {
      Additions additions = keys_of(size, random);
      std::map<std::int64_t, std::uint64_t> expected;
      for (const auto& [key, times] : additions) expected[key] += times;
      const Buckets buckets = made_of<Buckets>(additions);
      EXPECT_EQ(buckets.size(), size);
      EXPECT_EQ(contents_of(buckets), Additions(expected.begin(), expected.end()));
      std::shuffle(additions.begin(), additions.end(), random);
      EXPECT_EQ(made_of<Buckets>(additions), buckets);
      EXPECT_EQ(merged_of<Buckets>(additions, random), buckets);
    }
  }
}

TEST(Buckets, AreEqualOnlyWithTheSameKeysAndCounts) {
  std::mt19937_64 random(37);
  for (std::size_t size = 1; size <= kSizeMax; ++size) {
    const Additions additions = keys_of(size, random);
    const Buckets buckets = made_of<Buckets>(additions);
    Additions other = additions;
    ++other[random() % other.size()].second;
    EXPECT_NE(made_of<Buckets>(other), buckets);
    EXPECT_NE(made_of<Buckets>({}), buckets);
  }
}

TEST(Buckets, VisitEndsWhenToldTo) {
  std::mt19937_64 random(41);
  for (std::size_t size = 1; size <= kSizeMax; ++size) {
    const Buckets buckets = made_of<Buckets>(keys_of(size, random));
    const std::size_t wanted = 1 + random() % size;
    std::size_t visited = 0;
    buckets.visit([&](std::int16_t, std::uint64_t) { return ++visited < wanted; });
    EXPECT_EQ(visited, wanted);
  }
}

TEST(Buckets, MergeWithThemselvesDoublesEveryCount) {
  std::mt19937_64 random(43);
  for (std::size_t size = 0; size <= kSizeMax; ++size) {
    Additions additions = keys_of(size, random);
    Buckets buckets = made_of<Buckets>(additions);
    buckets.merge(buckets);
    for (auto& [key, times] : additions) times *= 2;
    EXPECT_EQ(buckets, made_of<Buckets>(additions));
  }
}

TEST(QuantileSketch, IsTheSameHoweverItsSamplesCame) {
  std::mt19937_64 random(47);
  for (std::size_t size = 0; size <= kSizeMax; ++size) {
    for (int round = 0; round < 20; ++round) {
      Additions additions = values_of(size, random);
      const QuantileSketch sketch = made_of<QuantileSketch>(additions);
      expect_quantiles(sketch, additions);
      const std::string bytes = bytes_of(sketch);
      EXPECT_EQ(from_bytes(bytes), sketch);
      std::shuffle(additions.begin(), additions.end(), random);
      EXPECT_EQ(made_of<QuantileSketch>(additions), sketch);
      const QuantileSketch merged = merged_of<QuantileSketch>(additions, random);
      EXPECT_EQ(merged, sketch);
      EXPECT_EQ(bytes_of(merged), bytes);
    }
  }
}

TEST(QuantileSketch, EncodesItsBucketsInOrderOfKey) {
  std::mt19937_64 random(53);
  for (std::size_t size = 1; size <= kSizeMax; ++size) {
    const Additions additions = additions_of(size, random, [&] {
      return static_cast<std::int64_t>(random() % 99) - 49;  // so small that each is its own key
    });
    std::map<std::int64_t, std::uint64_t> expected;
    std::uint64_t n = 0;
    for (const auto& [value, times] : additions) {
      expected[value] += times;
      n += times;
    }
    std::string bytes;
    ByteWriter writer(bytes);
    writer.varint(n);
    writer.zigzag(expected.begin()->first);
    writer.zigzag(expected.rbegin()->first);
    writer.varint(expected.size());
    std::int64_t previous = 0;
    for (const auto& [key, count] : expected) {
      writer.zigzag(key - std::exchange(previous, key));
      writer.varint(count);
    }
    EXPECT_EQ(bytes_of(made_of<QuantileSketch>(additions)), bytes);
  }
}

TEST(QuantileSketch, NoneIsOneByte) {
  EXPECT_EQ(bytes_of({}), std::string(1, '\0'));
  EXPECT_EQ(from_bytes(std::string(1, '\0')), QuantileSketch{});
  QuantileSketch merged;
  merged.merge({});
  EXPECT_EQ(merged, QuantileSketch{});
}

TEST(QuantileSketch, MayBeAssignedToOnceItWasMovedFrom) {
  std::mt19937_64 random(61);
  for (std::size_t size = 0; size <= kSizeMax; ++size) {
    const Additions additions = values_of(size, random);
    const Additions others = values_of(random() % kSizeMax, random);
    const QuantileSketch expected = made_of<QuantileSketch>(additions);
    QuantileSketch from = expected;
    QuantileSketch to = std::move(from);
    EXPECT_EQ(to, expected);
    from = made_of<QuantileSketch>(others);
    EXPECT_EQ(from, made_of<QuantileSketch>(others));
    std::swap(from, to);
    EXPECT_EQ(from, expected);
    to = from;
    to.merge(from);
    from = std::move(to);
    to = expected;
    to.merge(expected);
    EXPECT_EQ(from, to);
    const QuantileSketch gone = std::move(from);  // and what it was moved from dies here
  }
}

}  // namespace
}  // namespace ddt::model
