// bench/harness/rows.hpp — what was timed, as rows of figures: p50, p99, p99.9, tm, and a curve.
//
// tm        mean of the fastest 99 % less that of an empty timing pair (timing.hpp, do_nothing), ns
// pNN       of the pair less the median of an empty pair, ns
// ratio     median over the rounds of tm / tm of another row in the same round
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness/timing.hpp"

namespace ddt::bench {

struct Figures {
  double p50 = 0, p99 = 0, p999 = 0;
  double tm = 0;  // mean of the fastest 99 %
};

struct Row {
  std::string name;
  std::vector<std::uint32_t> ticks = {};
  std::vector<std::size_t> rounds = {};
  std::vector<Figures> round_figures = {};  // ticks; of that round's block
  std::uint64_t refused = 0, repeated_blocks = 0, dirty_blocks = 0;

  void take(std::size_t round, const Block& block);
};

// Raw, in ns; sorts the row.
Figures figures_of(Row& row, double ticks_per_ns);
Figures less_empty(Figures figures, const Figures& empty);
// (percentile, ns less the empty pair's median) at some fifty percentiles up to 99.999.
std::vector<std::pair<double, double>> curve_of(const Row& sorted_row, double ticks_per_ns,
                                                double empty_p50);
// Over the rounds in which all three have a block.
double median_ratio(const Row& row, const Row& limit, const Row& empty);
// How far a figure of the row lies above the limit's, in ticks: the median over the rounds that both have.
double median_above(const Row& row, const Row& limit, double Figures::*figure);
double median(std::vector<double> values);

}  // namespace ddt::bench
