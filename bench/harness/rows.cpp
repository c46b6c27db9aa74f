#include "bench/harness/rows.hpp"

#include <algorithm>

namespace ddt::bench {
namespace {

double mean_of_sorted(const std::vector<std::uint32_t>& sorted) {
  const std::size_t kept = sorted.size() - sorted.size() / 100;
  double sum = 0;
  for (std::size_t i = 0; i < kept; ++i) sum += sorted[i];
  return kept == 0 ? 0 : sum / static_cast<double>(kept);
}

double at(const std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

// Rounds are taken in order.
const Figures* figures_in_round(const Row& row, std::size_t round) {
  const auto at = std::lower_bound(row.rounds.begin(), row.rounds.end(), round);
  if (at == row.rounds.end() || *at != round) return nullptr;
  return &row.round_figures[static_cast<std::size_t>(at - row.rounds.begin())];
}

Figures figures_of_sorted(const std::vector<std::uint32_t>& sorted) {
  return {at(sorted, 0.5), at(sorted, 0.99), at(sorted, 0.999), mean_of_sorted(sorted)};
}

}  // namespace

void Row::take(std::size_t round, const Block& block) {
  refused += block.refused;
  if (block.messages == 0) return;  // no room at all: nothing was timed
  ticks.insert(ticks.end(), block.ticks.begin(), block.ticks.begin() + block.messages);
  rounds.push_back(round);
  std::vector<std::uint32_t> sorted(block.ticks.begin(), block.ticks.begin() + block.messages);
  std::sort(sorted.begin(), sorted.end());
  round_figures.push_back(figures_of_sorted(sorted));
}

Figures figures_of(Row& row, double ticks_per_ns) {
  std::sort(row.ticks.begin(), row.ticks.end());
  const Figures ticks = figures_of_sorted(row.ticks);
  return {ticks.p50 / ticks_per_ns, ticks.p99 / ticks_per_ns, ticks.p999 / ticks_per_ns,
          ticks.tm / ticks_per_ns};
}

Figures less_empty(Figures figures, const Figures& empty) {
  return {figures.p50 - empty.p50, figures.p99 - empty.p50, figures.p999 - empty.p50,
          figures.tm - empty.tm};
}

std::vector<std::pair<double, double>> curve_of(const Row& row, double ticks_per_ns,
                                                double empty_p50) {
  std::vector<std::pair<double, double>> curve;
  for (double share = 0; share < 0.9; share += 0.05) curve.emplace_back(share, 0);
  for (double left = 0.1; left > 1.5e-5; left /= 1.3) curve.emplace_back(1 - left, 0);
  for (auto& [share, ns] : curve) {
    ns = std::max(at(row.ticks, share) / ticks_per_ns - empty_p50, 0.0);
    share *= 100;
  }
  return curve;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double median_ratio(const Row& row, const Row& limit, const Row& empty) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < row.rounds.size(); ++i) {
    const Figures* base = figures_in_round(limit, row.rounds[i]);
    const Figures* none = figures_in_round(empty, row.rounds[i]);
    if (base != nullptr && none != nullptr && base->tm > none->tm)
      ratios.push_back((row.round_figures[i].tm - none->tm) / (base->tm - none->tm));
  }
  return median(std::move(ratios));
}

double median_above(const Row& row, const Row& limit, double Figures::*figure) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < row.rounds.size(); ++i) {
    if (const Figures* base = figures_in_round(limit, row.rounds[i]))
      differences.push_back(row.round_figures[i].*figure - base->*figure);
  }
  return median(std::move(differences));
}

}  // namespace ddt::bench
