// bench/replay/simulation.hpp — the market and its profiles, day by day. Deterministic and pure: the same
// market, seed and plans give the same Records, whoever asks.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/replay/bars.hpp"
#include "bench/replay/calendar.hpp"
#include "bench/replay/detector.hpp"
#include "bench/replay/trader.hpp"

namespace ddt::replay {

class Simulation {
 public:
  // `market` and `sink` must outlive it. Says what the detector and these profiles' scripts say.
  Simulation(const Market& market, std::uint64_t seed, const std::vector<std::int32_t>& profiles,
             RecordSink& sink);
  // Plays one day; accounts live on from day to day. Stops early when the sink is stopping.
  void play(const Day& day, const DayPlan& plan);

 private:
  const Market& market_;
  RecordSink& sink_;
  Detector detector_;
  DetectorScript detector_script_;
  std::vector<Trader> traders_;
};

}  // namespace ddt::replay
