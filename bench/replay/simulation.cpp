#include "bench/replay/simulation.hpp"

#include <optional>

namespace ddt::replay {

Simulation::Simulation(const Market& market, std::uint64_t seed,
                       const std::vector<std::int32_t>& profiles, RecordSink& sink)
    : market_(market),
      sink_(sink),
      detector_(market.symbols.size()),
      detector_script_(market, Dice(seed).of(kDetectorProfile), sink) {
  traders_.reserve(profiles.size());
  for (const std::int32_t profile_id : profiles) {
    const Dice dice = Dice(seed).of(static_cast<std::uint64_t>(profile_id));
    traders_.emplace_back(market, profile_settings(profile_id, market, dice.of(0)), dice, sink);
  }
}

void Simulation::play(const Day& day, const DayPlan& plan) {
  detector_.begin_day(day, plan.tag);
  detector_script_.begin_day(plan);
  for (Trader& trader : traders_) trader.begin_day(day, plan);
  for (const Bar& bar : day.bars) {
    if (sink_.is_stopping()) return;
    const std::optional<Breakout> breakout = detector_.on_bar(bar, market_.symbols[bar.symbol]);
    detector_script_.on_bar(bar, breakout);
    for (Trader& trader : traders_) trader.on_bar(bar, breakout, detector_);
  }
  for (Trader& trader : traders_) trader.end_day();
}

}  // namespace ddt::replay
