#include "sidecar/drain/lane_account.hpp"

#include "sidecar/drain/lane_rules.hpp"

namespace ddt::sidecar {

LaneAccount::Objection LaneAccount::look(const LaneCounters& counters) noexcept {
  const auto is_possible = [](std::uint64_t before, std::uint64_t now) {
    return now >= before && now <= kCountMax;
  };
  for (std::size_t i = 0; i < kRecordClasses; ++i) {
    if (!is_possible(counters_.dropped[i], counters.dropped[i]))
      return "its drop counts are impossible";
  }
  if (!is_possible(counters_.refused, counters.refused)) return "its refused count is impossible";
  if (!is_possible(counters_.ordinals, counters.ordinals)) return "its ordinals are impossible";
  counters_ = counters;
  return nullptr;
}

// Why it is not the Record that was expected; nullptr where it is one all the same.
LaneAccount::Objection LaneAccount::look_closer(const RecordHead& head, std::uint64_t position,
                                                const LaneReader& lane) noexcept {
  if (head.refused > head.ordinal) return "a Record's ordinal is impossible";
  const std::uint64_t published = head.ordinal - head.refused;
  const bool agrees = has_read_
                          ? published == published_
                          : published <= position &&
                                published >= (position + kRecordLinesMax - 1) / kRecordLinesMax;
  if (!agrees) return "a Record's ordinal is impossible";
  if (head.refused < refused_before_) return "its Records say less than its drop counts";
  if (head.refused > refused_sum()) {
    if (const Objection objection = look(lane.counters())) return objection;
    if (head.refused > refused_sum()) return "its Records say more than its drop counts";
  }
  if (!has_read_) {
    has_read_ = true;
    published_ = published;
    mark(position);
  }
  return nullptr;
}

LaneAccount::Objection LaneAccount::dry() noexcept {
  // Two subtractions that cannot wrap: all of them are below kCountMax, or were read.
  if (has_read_ && counters_.ordinals > published_ + refused_sum())
    return "it is empty where Records were published";
  refused_before_ = std::max(refused_before_, refused_sum());
  return nullptr;
}

model::LaneCounts LaneAccount::counts() const noexcept {
  LaneCounters told = counters_;
  // Records that were published but not read yet are no part of it: they may never be.
  if (has_read_) told.ordinals = std::min(told.ordinals, published_ + refused_sum());
  return counts_of(told, {.ordinal = ordinal_, .published = has_read_ ? published_ : 0});
}

void LaneAccount::mark(std::uint64_t position) {
  if (!has_read_ || (!marks_.empty() && marks_.back().position >= position)) return;
  marks_.push_back({position, published_});
  if (marks_.size() > kMarksMax) marks_.pop_front();
}

std::optional<std::uint64_t> LaneAccount::published_before(std::uint64_t position) const noexcept {
  const auto found = std::ranges::lower_bound(marks_, position, {}, &Mark::position);
  if (found == marks_.end() || found->position != position) return std::nullopt;
  return found->published;
}

}  // namespace ddt::sidecar
