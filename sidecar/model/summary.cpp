#include "sidecar/model/summary.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "sidecar/model/ratio.hpp"

namespace ddt::model {
namespace {

// The buckets' first values; see the class comment for the rule. first[0] is unused: bucket 0 is zero.
constexpr std::size_t kBoundCount = 2'051;  // buckets 1 … 2,050 reach 2^63 − 1

constexpr std::uint64_t representative_of(std::uint64_t first) { return first + first / 100; }

struct Bounds {
  std::array<std::uint64_t, kBoundCount + 1> first{};
  // The bucket of the least magnitude of every cell: bits of a magnitude, then the six after its highest.
  std::array<std::uint16_t, 63 * 64> of_cell{};
};

constexpr std::size_t cell_of(std::uint64_t magnitude) {
  const auto width = static_cast<std::size_t>(std::bit_width(magnitude));
  return (width - 1) * 64 + ((magnitude << (64 - width)) >> 57) % 64;
}

// Of cells no magnitude falls into (below 64 most are) the next smaller whole one.
constexpr std::uint64_t least_of_cell(std::size_t cell) {
  const std::size_t width = cell / 64 + 1;
  const std::uint64_t leading = 64 + cell % 64;
  return width >= 7 ? leading << (width - 7) : leading >> (7 - width);
}

constexpr Bounds make_bounds() {
  Bounds bounds;
  std::uint64_t first = 1;
  for (std::size_t i = 1; i < kBoundCount; ++i) {
    bounds.first[i] = first;
    const std::uint64_t representative = representative_of(first);
    // floor(representative / 0.99) without overflow: r + floor(r / 99).
    first = representative + representative / 99 + 1;
  }
  bounds.first[kBoundCount] = first;
  std::size_t bucket = 1;
  for (std::size_t cell = 0; cell < bounds.of_cell.size(); ++cell) {
    while (bounds.first[bucket + 1] <= least_of_cell(cell)) ++bucket;
    bounds.of_cell[cell] = static_cast<std::uint16_t>(bucket);
  }
  return bounds;
}

constexpr Bounds kBounds = make_bounds();
static_assert(kBounds.first[kBoundCount] > (std::uint64_t{1} << 63) - 1);
static_assert(kBounds.first[kBoundCount - 1] <= (std::uint64_t{1} << 63) - 1);

// A cell is narrower than any bucket it meets, so it touches two at most: one comparison finds the bucket.
constexpr bool cells_touch_two_buckets() {
  for (std::size_t cell = 6 * 64; cell < kBounds.of_cell.size(); ++cell) {
    const std::size_t second = kBounds.of_cell[cell] + std::size_t{1};
    const std::uint64_t greatest = least_of_cell(cell) + (std::uint64_t{1} << (cell / 64 - 6)) - 1;
    if (second < kBoundCount && greatest >= kBounds.first[second + 1]) return false;
  }
  return true;
}
static_assert(cells_touch_two_buckets());
static_assert(kBoundCount - 1 == Buckets::kKeyMax);

std::int16_t bucket_of(std::uint64_t magnitude) {
  if (magnitude == 0) return 0;
  const std::size_t bucket = kBounds.of_cell[cell_of(magnitude)];
  return static_cast<std::int16_t>(bucket + (magnitude >= kBounds.first[bucket + 1] ? 1 : 0));
}

std::int16_t key_of(std::int64_t value) {
  if (value >= 0) return bucket_of(static_cast<std::uint64_t>(value));
  // −2^63 has no magnitude of its own among int64: it shares the last bucket.
  const auto magnitude = static_cast<std::uint64_t>(
      value == std::numeric_limits<std::int64_t>::min() ? std::numeric_limits<std::int64_t>::max()
                                                        : -value);
  return static_cast<std::int16_t>(-bucket_of(magnitude));
}

std::int64_t value_of(std::int16_t key) {
  if (key == 0) return 0;
  const std::uint64_t representative = std::min<std::uint64_t>(
      representative_of(kBounds.first[static_cast<std::size_t>(key < 0 ? -key : key)]),
      std::numeric_limits<std::int64_t>::max());
  const auto value = static_cast<std::int64_t>(representative);
  return key < 0 ? -value : value;
}

// Order in which buckets are kept: by magnitude, and of two equal ones the positive first.
int keep_rank(std::int16_t key) { return key > 0 ? 2 * key : -2 * key - 1; }

constexpr int128 kNsPerMs = 1'000'000;

std::int32_t outcome_key(std::int32_t outcome) {
  if (outcome < 0) return LatencySummary::kOutcomeBelow;
  return std::min(outcome, LatencySummary::kOutcomeAbove);
}

void add_outcome(std::vector<std::pair<std::int32_t, std::uint64_t>>& outcomes,
                 std::int32_t outcome, std::uint64_t times) {
  const auto at =
      std::lower_bound(outcomes.begin(), outcomes.end(), outcome,
                       [](const auto& entry, std::int32_t wanted) { return entry.first < wanted; });
  if (at != outcomes.end() && at->first == outcome) {
    at->second += times;
  } else {
    outcomes.insert(at, {outcome, times});
  }
}

}  // namespace

void QuantileSketch::add(std::int64_t value, std::uint64_t times) {
  if (times == 0) return;
  min_ = n_ == 0 ? value : std::min(min_, value);
  max_ = n_ == 0 ? value : std::max(max_, value);
  n_ += times;
  buckets_.add(key_of(value), times);
  if (buckets_.size() > kBucketsMax) collapse();
}

void QuantileSketch::merge(const QuantileSketch& other) {
  if (other.n_ == 0) return;
  min_ = n_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = n_ == 0 ? other.max_ : std::max(max_, other.max_);
  n_ += other.n_;
  buckets_.merge(other.buckets_);
  if (buckets_.size() > kBucketsMax) collapse();
}

// Keeps the kBucketsMax − 1 of greatest magnitude and counts the rest as zeros. What is dropped here would
// be dropped from any larger set too, so the order of merging does not matter.
void QuantileSketch::collapse() {
  std::vector<int> ranks;
  buckets_.visit([&](std::int16_t key, std::uint64_t) {
    if (key != 0) ranks.push_back(keep_rank(key));
    return true;
  });
  constexpr std::size_t kKept = kBucketsMax - 1;
  int least_kept = 0;
  if (ranks.size() > kKept) {
    const auto nth = ranks.begin() + static_cast<std::ptrdiff_t>(ranks.size() - kKept);
    std::nth_element(ranks.begin(), nth, ranks.end());
    least_kept = *nth;
  }
  Buckets kept;
  buckets_.visit([&](std::int16_t key, std::uint64_t count) {
    const bool is_kept = key != 0 && keep_rank(key) >= least_kept;
    kept.add(is_kept ? key : std::int16_t{0}, count);
    return true;
  });
  buckets_ = std::move(kept);
}

std::optional<std::int64_t> QuantileSketch::quantile(std::uint32_t permille) const noexcept {
  if (n_ == 0) return std::nullopt;
  const uint128 scaled = static_cast<uint128>(n_) * std::min<std::uint32_t>(permille, 1'000);
  const auto rank = static_cast<std::uint64_t>(std::max<uint128>((scaled + 999) / 1'000, 1));
  if (rank >= n_) return max_;
  if (rank == 1) return min_;
  std::uint64_t below = 0;
  std::int64_t value = max_;
  buckets_.visit([&](std::int16_t key, std::uint64_t count) {
    below += count;
    if (below < rank) return true;
    value = std::clamp(value_of(key), min_, max_);
    return false;
  });
  return value;
}

void QuantileSketch::encode(ByteWriter& writer) const {
  writer.varint(n_);
  if (n_ == 0) return;
  writer.zigzag(min_);
  writer.zigzag(max_);
  writer.varint(buckets_.size());
  std::int16_t previous = 0;
  buckets_.visit([&](std::int16_t key, std::uint64_t count) {
    writer.zigzag(key - previous);
    writer.varint(count);
    previous = key;
    return true;
  });
}

std::optional<QuantileSketch> QuantileSketch::decode(ByteReader& reader) {
  QuantileSketch sketch;
  sketch.n_ = reader.varint();
  if (!reader.ok()) return std::nullopt;
  if (sketch.n_ == 0) return sketch;
  sketch.min_ = reader.zigzag();
  sketch.max_ = reader.zigzag();
  const std::size_t buckets = reader.count(2);
  if (!reader.ok() || buckets == 0 || buckets > kBucketsMax || sketch.min_ > sketch.max_) {
    return std::nullopt;
  }
  std::int64_t key = 0;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    const std::int64_t step = reader.zigzag();
    const std::uint64_t count = reader.varint();
    // Keys grow, so that the order, and with it every search, holds.
    if (!reader.ok() || (i > 0 && step <= 0) || step < -Buckets::kKeyMax ||
        step > 2 * Buckets::kKeyMax) {
      return std::nullopt;
    }
    key += step;
    if (key > Buckets::kKeyMax || count == 0 || __builtin_add_overflow(total, count, &total)) {
      return std::nullopt;
    }
    sketch.buckets_.add(static_cast<std::int16_t>(key), count);
  }
  if (total != sketch.n_ || total > kSamplesMax) return std::nullopt;
  return sketch;
}

void LatencySummary::add(std::int64_t duration_ns, std::int32_t outcome) {
  durations.add(duration_ns);
  sum_ns += duration_ns;
  add_outcome(outcomes, outcome_key(outcome), 1);
}

void LatencySummary::merge(const LatencySummary& other) {
  durations.merge(other.durations);
  sum_ns += other.sum_ns;
  for (const auto& [outcome, times] : other.outcomes) add_outcome(outcomes, outcome, times);
}

std::uint64_t LatencySummary::errors() const noexcept {
  std::uint64_t total = 0;
  for (const auto& [outcome, times] : outcomes) {
    if (outcome == 0 || outcome >= 400) total += times;
  }
  return total;
}

std::uint64_t LatencySummary::count_of(std::int32_t outcome) const noexcept {
  for (const auto& [code, times] : outcomes) {
    if (code == outcome) return times;
  }
  return 0;
}

std::uint64_t LatencySummary::rate_limited() const noexcept { return count_of(429); }

std::optional<int128> LatencySummary::avg_ms_e8() const noexcept {
  if (n() == 0) return std::nullopt;
  return multiply_divide(sum_ns, kE8, static_cast<int128>(n()) * kNsPerMs);
}

std::optional<int128> LatencySummary::quantile_ms_e8(std::uint32_t permille) const noexcept {
  const auto value = durations.quantile(permille);
  if (!value) return std::nullopt;
  return int128{*value} * kE8 / kNsPerMs;  // exact: a nanosecond is 100 e8 of a millisecond
}

std::optional<int128> LatencySummary::min_ms_e8() const noexcept { return quantile_ms_e8(0); }
std::optional<int128> LatencySummary::max_ms_e8() const noexcept { return quantile_ms_e8(1'000); }

void LatencySummary::encode(ByteWriter& writer) const {
  durations.encode(writer);
  writer.i128(sum_ns);
  writer.varint(outcomes.size());
  for (const auto& [outcome, times] : outcomes) {
    writer.zigzag(outcome);
    writer.varint(times);
  }
}

std::optional<LatencySummary> LatencySummary::decode(ByteReader& reader) {
  auto durations = QuantileSketch::decode(reader);
  if (!durations) return std::nullopt;
  LatencySummary summary;
  summary.durations = std::move(*durations);
  summary.sum_ns = reader.i128();
  const std::size_t outcomes = reader.count(2);
  summary.outcomes.reserve(outcomes);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < outcomes; ++i) {
    const std::int32_t outcome = reader.i32();
    const std::uint64_t times = reader.varint();
    const bool ascends = i == 0 || outcome > summary.outcomes.back().first;
    if (!reader.ok() || !ascends || outcome != outcome_key(outcome) || times == 0 ||
        __builtin_add_overflow(total, times, &total)) {
      return std::nullopt;
    }
    summary.outcomes.emplace_back(outcome, times);
  }
  const int128 sum_limit = static_cast<int128>(summary.n()) << 63;
  if (!reader.ok() || total != summary.n() || summary.sum_ns > sum_limit ||
      summary.sum_ns < -sum_limit) {
    return std::nullopt;
  }
  return summary;
}

}  // namespace ddt::model
