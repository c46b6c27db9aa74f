// tests/support/nth_record.hpp — Records that can be told apart: the n-th says n wherever it can.
#pragma once

#include <array>
#include <cstring>
#include <ddt/telemetry.hpp>

#include "shm/segment.hpp"

namespace ddt::test {

inline constexpr std::size_t kNthMetadataBytes = 600;

// The n-th Record says n wherever it can, over one line or a dozen.
inline Published publish_nth(const Telemetry& telemetry, std::int64_t n) {
  if (n % 3 != 0) {
    return telemetry.publish(Metric{.name = 0, .value_e8 = n, .event_time_ns = n});
  }
  std::array<char, kNthMetadataBytes> metadata;
  metadata.fill(static_cast<char>('a' + n % 26));
  return telemetry.publish(
      Trade{.symbol = "SPY",
            .trade_type = "breakout",
            .side = "buy",
            .quantity_e8 = n,
            .entry_price_e8 = n,
            .exit_price_e8 = n,
            .entry_time_ns = n,
            .exit_time_ns = n,
            .exit_reason = "profit_target",
            .event_time_ns = n,
            .metadata = {metadata.data(), static_cast<std::size_t>(n) % metadata.size()}});
}

inline bool is_whole_nth(const RecordCopy& copy, std::int64_t n) {
  if (copy.head.stamp != static_cast<std::uint64_t>(n)) return false;
  if (n % 3 != 0) {
    MetricBody body;
    std::memcpy(&body, copy.payload.data(), sizeof body);
    return copy.head.kind == RecordKind::metric && copy.lines == 1 && body.value_e8 == n;
  }
  TradeBody body;
  std::memcpy(&body, copy.payload.data(), sizeof body);
  if (copy.head.kind != RecordKind::trade || body.quantity_e8 != n || body.exit_time_ns != n ||
      body.metadata_bytes != static_cast<std::size_t>(n) % kNthMetadataBytes)
    return false;
  const std::size_t texts = sizeof body + 3;  // behind "SPY"
  for (std::size_t i = 0; i < body.metadata_bytes; ++i) {
    if (copy.payload[texts + i] != static_cast<std::byte>('a' + n % 26)) return false;
  }
  return true;
}

// Reads what is there; false at the first Record that is not the whole next one.
class NthRecordChecker {
 public:
  // Does not give it back.
  bool read_all(LaneReader& lane) {
    for (;;) {
      const Peeked peeked = lane.read(copy_);
      if (peeked == Peeked::empty) break;
      if (peeked == Peeked::corrupt) return false;
      // The bot repeats what was refused: the Records that were published are 0, 1, 2, …
      if (copy_.head.ordinal - copy_.head.refused != count_) return false;
      if (!is_whole_nth(copy_, static_cast<std::int64_t>(count_))) return false;
      ++count_;
    }
    return true;
  }
  std::uint64_t count() const { return count_; }

 private:
  RecordCopy copy_{};
  std::uint64_t count_ = 0;
};

}  // namespace ddt::test
