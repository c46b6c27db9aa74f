// bench/replay/detector.hpp — breakouts: a close beyond the high or low of the session's last bars.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/replay/bars.hpp"
#include "bench/replay/calendar.hpp"
#include "bench/replay/voice.hpp"

namespace ddt::replay {

struct Breakout {
  std::string signal_id;
  std::uint32_t symbol = 0;
  std::string direction;  // upward, downward; reverse_… when it follows the opposite one closely
  bool is_up = true;
  std::int64_t strength_e8 = 0;  // how far beyond, in ranges of the window
  std::int64_t close_e8 = 0, candle_size_e8 = 0, volume_e8 = 0;
};

inline constexpr std::size_t kDetectorBars = 10;

// Pure: bars in, breakouts out. Profiles look further back on their own (has_left_range).
class Detector {
 public:
  explicit Detector(std::size_t symbol_count) : tracks_(symbol_count) {}
  void begin_day(const Day& day, const std::string& tag);
  std::optional<Breakout> on_bar(const Bar& bar, const std::string& symbol);
  // Whether the newest bar of the symbol closed beyond the `bars` before it; false while there are fewer.
  bool has_left_range(std::uint32_t symbol, std::size_t bars, bool upward) const;
  std::size_t bars_seen(std::uint32_t symbol) const { return tracks_[symbol].bars.size(); }

 private:
  struct Track {
    std::vector<Bar> bars;  // of the session
    std::size_t last_breakout_at = 0;
    bool last_was_up = false;
    int count = 0;
  };
  std::vector<Track> tracks_;
  std::int64_t open_ns_ = 0, close_ns_ = 0;
  std::string tag_;
};

// What the breakout_detector's process says: signals, its data calls, health, own metrics.
class DetectorScript {
 public:
  DetectorScript(const Market& market, Dice dice, RecordSink& sink);
  void begin_day(const DayPlan& plan) { voice_.begin_day(plan); }
  void on_bar(const Bar& bar, const std::optional<Breakout>& breakout);

 private:
  const Market& market_;
  Voice voice_;
  Dice dice_;
  std::int64_t minute_ns_ = 0;
  std::int64_t minutes_ = 0, bars_ = 0;
};

SignalRecord signal_record(const Breakout& breakout, const std::string& symbol, std::string fate,
                           std::string reason = {});

}  // namespace ddt::replay
