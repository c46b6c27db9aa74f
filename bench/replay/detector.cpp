#include "bench/replay/detector.hpp"

#include <algorithm>
#include <utility>

#include "bench/replay/profile.hpp"

namespace ddt::replay {
namespace {

constexpr std::size_t kQuietBars = 4;        // after a breakout, none of the same direction
constexpr std::size_t kReverseBarsMax = 15;  // an opposite one within these is a reversal
constexpr std::int64_t kHealthEveryMinutes = 5;

struct Range {
  std::int64_t low_e8 = 0, high_e8 = 0;
};

// Of the `count` bars before the newest.
Range range_before_last(const std::vector<Bar>& bars, std::size_t count) {
  const auto end = bars.end() - 1;
  Range range{(end - 1)->low_e8, (end - 1)->high_e8};
  for (auto bar = end - static_cast<std::ptrdiff_t>(count); bar != end; ++bar) {
    range.low_e8 = std::min(range.low_e8, bar->low_e8);
    range.high_e8 = std::max(range.high_e8, bar->high_e8);
  }
  return range;
}

}  // namespace

void Detector::begin_day(const Day& day, const std::string& tag) {
  for (Track& track : tracks_) track = {};
  open_ns_ = day.open_ns;
  close_ns_ = day.close_ns;
  tag_ = tag;
}

std::optional<Breakout> Detector::on_bar(const Bar& bar, const std::string& symbol) {
  if (bar.time_ns < open_ns_ || bar.time_ns >= close_ns_) return std::nullopt;
  Track& track = tracks_[bar.symbol];
  track.bars.push_back(bar);
  if (track.bars.size() <= kDetectorBars) return std::nullopt;
  const Range range = range_before_last(track.bars, kDetectorBars);
  const bool is_up = bar.close_e8 > range.high_e8;
  if (!is_up && bar.close_e8 >= range.low_e8) return std::nullopt;
  const std::size_t since = track.bars.size() - track.last_breakout_at;
  const bool follows_opposite = track.count > 0 && track.last_was_up != is_up;
  if (track.count > 0 && !follows_opposite && since <= kQuietBars) return std::nullopt;
  const bool is_reversal = follows_opposite && since <= kReverseBarsMax;
  track.last_breakout_at = track.bars.size();
  track.last_was_up = is_up;
  ++track.count;
  const std::int64_t beyond_e8 = is_up ? bar.close_e8 - range.high_e8 : range.low_e8 - bar.close_e8;
  const std::int64_t span_e8 = std::max(range.high_e8 - range.low_e8, kE8 / 100);
  return Breakout{
      .signal_id = "s-" + tag_ + "-" + symbol + "-" + std::to_string(track.count),
      .symbol = bar.symbol,
      .direction = std::string(is_reversal ? "reverse_" : "") + (is_up ? "upward" : "downward"),
      .is_up = is_up,
      .strength_e8 =
          static_cast<std::int64_t>(divide_rounded(int128{beyond_e8} * 100'000, span_e8)) * 1'000,
      .close_e8 = bar.close_e8,
      .candle_size_e8 = bar.high_e8 - bar.low_e8,
      .volume_e8 = bar.volume_e8};
}

bool Detector::has_left_range(std::uint32_t symbol, std::size_t bars, bool upward) const {
  const std::vector<Bar>& seen = tracks_[symbol].bars;
  if (seen.size() <= bars) return false;
  const Range range = range_before_last(seen, bars);
  return upward ? seen.back().close_e8 > range.high_e8 : seen.back().close_e8 < range.low_e8;
}

SignalRecord signal_record(const Breakout& breakout, const std::string& symbol, std::string fate,
                           std::string reason) {
  return {.signal_id = breakout.signal_id,
          .symbol = symbol,
          .direction = breakout.direction,
          .fate = std::move(fate),
          .reason = std::move(reason),
          .bar_strength_e8 = breakout.strength_e8,
          .close_price_e8 = breakout.close_e8,
          .candle_size_e8 = breakout.candle_size_e8,
          .volume_e8 = breakout.volume_e8};
}

DetectorScript::DetectorScript(const Market& market, Dice dice, RecordSink& sink)
    : market_(market), voice_(kDetectorProfile, market.symbols.size(), dice, sink), dice_(dice) {}

void DetectorScript::on_bar(const Bar& bar, const std::optional<Breakout>& breakout) {
  constexpr Script kScript = Script::breakout_detector;
  voice_.begin_bar(bar, 64);
  if (bar.time_ns != minute_ns_) {
    minute_ns_ = bar.time_ns;
    voice_.call(kScript, kBars);
    voice_.say(kScript, MetricRecord{"bars_processed", "counter", bars_ * kE8});
    voice_.say(kScript,
               MetricRecord{"scan_us", "distribution",
                            (40'000 + dice_.roll(static_cast<std::uint64_t>(minutes_), 900'000)) *
                                (kE8 / 1'000)});
    bars_ = 0;
    if (minutes_++ % kHealthEveryMinutes == 0) voice_.say_health(kScript, 60 * kHealthEveryMinutes);
  }
  ++bars_;
  if (breakout)
    voice_.say(kScript, signal_record(*breakout, market_.symbols[bar.symbol], "detected"),
               R"({"window_bars":)" + std::to_string(kDetectorBars) + "}");
}

}  // namespace ddt::replay
