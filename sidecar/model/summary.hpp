// sidecar/model/summary.hpp — Summaries of samples: what remains when the samples are gone.
//
// merge()   Commutative and associative, so a Block's Summaries make hours, hours make days, in any
// order
//           and any grouping, and any range over REST is a merge too.
// Units     Latencies in nanoseconds, own metrics as e8. Sums are exact in 128 bits.
// Formats   encode() writes what decode() reads (docs/formats/journal.md); decode() of any bytes
// gives a
//           Summary that holds its invariants, or nullopt.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "shm/base/decimal.hpp"
#include "sidecar/model/buckets.hpp"
#include "sidecar/model/bytes.hpp"
#include "sidecar/model/event.hpp"
#include "sidecar/model/identity.hpp"

namespace ddt::model {

// Samples one decoded Summary may claim: with it the sums of any number of them stay within 128 bits.
inline constexpr std::uint64_t kSamplesMax = std::uint64_t{1} << 48;

// Distribution of int64 values in log buckets, after DDSketch (Masson, Rim, Lee, VLDB 2019) but
// with whole bounds: bucket i holds [first(i), first(i+1)) and stands for s(i) =
// floor(1.01·first(i)), and the next begins above floor(s(i)/0.99). So |s − x| <= x/100 holds
// exactly for every x, on every machine. 2,050 such buckets reach 2^63 − 1, so only values spread
// over some 18 decimal orders can exceed the limit.
//
// Limit     kBucketsMax non-empty buckets; beyond, those of lowest magnitude are counted as zeros. Which
//           are kept depends on the set of values alone, so merge stays associative.
class QuantileSketch {
 public:
  static constexpr std::size_t kBucketsMax = 2'048;

  void add(std::int64_t value, std::uint64_t times = 1);
  void merge(const QuantileSketch& other);

  std::uint64_t n() const noexcept { return n_; }
  std::int64_t min() const noexcept { return min_; }  // exact; 0 while n() == 0
  std::int64_t max() const noexcept { return max_; }

  // Nearest-rank quantile: the ceil(n·permille/1000)-th smallest value within 1 %, clamped to [min,
  // max]. 500 is the median, 950 p95. nullopt when empty.
  std::optional<std::int64_t> quantile(std::uint32_t permille) const noexcept;

  std::size_t bucket_count() const noexcept { return buckets_.size(); }

  void encode(ByteWriter& writer) const;
  static std::optional<QuantileSketch> decode(ByteReader& reader);
  bool operator==(const QuantileSketch&) const = default;

 private:
  void collapse();

  Buckets buckets_;  // Signed keys: bucket 0 holds zeros, ±i magnitudes of bucket i.
  std::uint64_t n_ = 0;
  std::int64_t min_ = 0, max_ = 0;
};

// Latencies of one endpoint.
struct LatencySummary {
  // HTTP status → calls, sorted; 0 = timeout. Codes that are none are counted as one: kOutcomeBelow
  // when negative, kOutcomeAbove from 1000 on, so a scribbling bot cannot grow this beyond 1,002
  // entries.
  static constexpr std::int32_t kOutcomeBelow = -1, kOutcomeAbove = 1'000;

  QuantileSketch durations;  // ns
  int128 sum_ns = 0;         // exact
  std::vector<std::pair<std::int32_t, std::uint64_t>> outcomes;

  void add(std::int64_t duration_ns, std::int32_t outcome);
  void merge(const LatencySummary& other);

  std::uint64_t n() const noexcept { return durations.n(); }
  std::uint64_t errors() const noexcept;        // outcome 0 or >= 400
  std::uint64_t rate_limited() const noexcept;  // outcome 429
  std::uint64_t count_of(std::int32_t outcome) const noexcept;

  // Milliseconds as e8, half away from zero; nullopt when empty.
  std::optional<int128> avg_ms_e8() const noexcept;
  std::optional<int128> quantile_ms_e8(std::uint32_t permille) const noexcept;
  std::optional<int128> min_ms_e8() const noexcept;
  std::optional<int128> max_ms_e8() const noexcept;

  void encode(ByteWriter& writer) const;
  static std::optional<LatencySummary> decode(ByteReader& reader);
  bool operator==(const LatencySummary&) const = default;
};

// Readings of one own metric. One state for all kinds, because a bot may change its mind about the
// kind: `kind` is the last reading's; the sketch holds what was published as distribution.
struct MetricSummary {
  MetricKind kind = MetricKind::gauge;
  std::uint64_t n = 0;
  int128 sum_e8 = 0;  // exact; a counter's value
  std::int64_t min_e8 = 0, max_e8 = 0;
  std::int64_t last_e8 = 0, last_time_ns = kNoTime;
  RecordName last_name;  // decides among readings of one instant
  QuantileSketch distribution;

  void add(MetricKind reading_kind, std::int64_t value_e8, std::int64_t time_ns,
           const RecordName& name);
  void merge(const MetricSummary& other);

  std::optional<int128> avg_e8() const noexcept;  // half away from zero; nullopt when empty

  void encode(ByteWriter& writer) const;
  static std::optional<MetricSummary> decode(ByteReader& reader);
  bool operator==(const MetricSummary&) const = default;
};

}  // namespace ddt::model
