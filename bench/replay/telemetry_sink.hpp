// bench/replay/telemetry_sink.hpp — Records out through the public header, and into the oracle.
//
// Publishes one script's Records and ignores the others. What is due later waits for its time; what is
// history waits for room instead of publishing into a full Lane.
#pragma once

#include <array>
#include <cstdint>
#include <ddt/telemetry.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "bench/replay/oracle.hpp"
#include "bench/replay/record.hpp"

namespace ddt::replay {

struct PublishCounts {
  std::array<std::int64_t, kKindCount> published{};
  std::int64_t refused = 0;
};

class TelemetrySink final : public RecordSink {
 public:
  // `telemetry` and `oracle` (may be null) must outlive it; `is_stopping` is asked while waiting.
  TelemetrySink(const Telemetry& telemetry, Script script, OracleFile* oracle,
                std::function<bool()> is_stopping);

  void accept(const Record& record) override;
  bool is_stopping() const override { return is_stopping_() || oracle_error_; }
  // Muted: nothing is published, accounts go on.
  void set_muted(bool muted) noexcept { is_muted_ = muted; }
  // What is due waits for room too: for a live day at full speed.
  void set_patient(bool patient) noexcept { is_patient_ = patient; }
  // Until most of the Lane is free again: a live day begins with room for what comes.
  void wait_until_drained();
  // Writes what the oracle still holds.
  Status flush();

  const PublishCounts& counts() const noexcept { return counts_; }
  const std::optional<Error>& oracle_error() const noexcept { return oracle_error_; }

 private:
  static constexpr std::uint32_t kRoomLines = 64;  // more than the longest Record
  void wait_until_due(std::int64_t due_ns);
  void wait_for_room(std::uint32_t lines);
  std::uint32_t room_for_samples() const { return telemetry_.lane_lines() / 2 + kRoomLines; }
  void flush_oracle();
  Published publish(const Record& record);
  NameId name_id(const std::string& name);

  const Telemetry& telemetry_;
  Script script_;
  OracleFile* oracle_;
  std::function<bool()> is_stopping_;
  bool is_muted_ = false, is_patient_ = false;
  std::map<std::string, NameId> names_;
  PublishCounts counts_;
  std::optional<Error> oracle_error_;
};

}  // namespace ddt::replay
