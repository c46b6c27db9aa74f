#include "sidecar/drain/block_builder.hpp"

#include <utility>

#include "shm/record.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::size_t kFactBytesEstimate = 600;  // an Event with its strings
constexpr std::size_t kFoldedBytesEstimate = 40;
// The first of its minute, name or symbol: a bot that scribbles makes every Record such a one.
constexpr std::size_t kSummaryBytesEstimate = 500;

// Keeps the newer of two readings in place; the one that came later in the Lane wins a tie. True for the first one.
template <typename Map, typename Key>
bool keep_newest(Map& map, Key key, model::Event event) {
  const auto [slot, is_new] = map.try_emplace(std::move(key), std::move(event));
  if (is_new) return true;  // try_emplace has moved only if it inserted
  if (model::origin_of(event).event_time_ns >= model::origin_of(slot->second).event_time_ns) {
    slot->second = std::move(event);
  }
  return false;
}

std::string state_key(const model::Event& event) {
  if (const auto* position = std::get_if<model::PositionEvent>(&event)) return position->symbol;
  if (std::holds_alternative<model::EquityEvent>(event)) return {};
  return model::origin_of(event).script_name;
}

}  // namespace

void BlockBuilder::add(model::Event event) {
  ++records_;
  switch (event.index()) {
    case 0:
    case 1:
    case 2:
    case 3:  // signal, order, trade, error
      ++block_.facts;
      bytes_ += kFactBytesEstimate + model::origin_of(event).metadata.size();
      if (block_.fact_events.empty()) block_.fact_events.reserve(facts_before_);
      block_.fact_events.push_back(std::move(event));
      return;
    default:  // equity, position, rate limit, health
      ++block_.states;
      bytes_ += kFoldedBytesEstimate;
      add_state(std::move(event));
  }
}
static_assert(std::is_same_v<std::variant_alternative_t<3, model::Event>, model::ErrorEvent> &&
              std::is_same_v<std::variant_alternative_t<7, model::Event>, model::HealthEvent>);

void BlockBuilder::add_rejected(std::uint64_t position, std::string reason, std::string payload) {
  ++records_;
  bytes_ += kFactBytesEstimate + payload.size();
  block_.rejected.push_back(
      {.position = position, .reason = std::move(reason), .payload = std::move(payload)});
}

bool BlockBuilder::try_add(const Sample& sample) {
  if (sample.kind == RecordKind::latency) {
    model::LatencySummary* summary = latency_slots_.find(sample);
    if (summary == nullptr) return false;
    count(sample, *summary);
  } else {
    model::MetricSummary* summary = metric_slots_.find(sample);
    if (summary == nullptr) return false;
    count(sample, *summary);
  }
  return true;
}

void BlockBuilder::add(const Sample& sample, std::string script_name, std::string name) {
  if (sample.kind == RecordKind::latency) {
    const auto [entry, is_new] =
        latency_.try_emplace({sample.profile_id, std::move(script_name), std::move(name),
                              model::unix_minute(sample.event_time_ns)});
    if (is_new) bytes_ += kSummaryBytesEstimate;
    latency_slots_.remember(sample, entry->second);
    count(sample, entry->second);
  } else {
    const auto [entry, is_new] =
        metrics_.try_emplace({sample.profile_id, std::move(script_name), std::move(name),
                              model::unix_hour(sample.event_time_ns)});
    if (is_new) bytes_ += kSummaryBytesEstimate;
    metric_slots_.remember(sample, entry->second);
    count(sample, entry->second);
  }
}

void BlockBuilder::count_sample() noexcept {
  ++records_;
  ++block_.samples;
  bytes_ += kFoldedBytesEstimate;
}

void BlockBuilder::count(const Sample& sample, model::LatencySummary& summary) {
  count_sample();
  summary.add(sample.value, sample.outcome);
}

void BlockBuilder::count(const Sample& sample, model::MetricSummary& summary) {
  count_sample();
  summary.add(sample.metric_kind, sample.value, sample.event_time_ns,
              {.segment_id = header_.lane.segment_id,
               .lane = header_.lane.lane,
               .position = sample.position});
}

void BlockBuilder::add_state(model::Event event) {
  if (const auto* equity = std::get_if<model::EquityEvent>(&event)) add_equity(*equity);
  if (std::holds_alternative<model::RateLimitEvent>(event) ||
      std::holds_alternative<model::HealthEvent>(event)) {
    add_hour_state(event);
  }
  const std::int32_t profile_id = model::origin_of(event).profile_id;
  std::tuple key{event.index(), profile_id, state_key(event)};
  const std::size_t bytes = kSummaryBytesEstimate + model::origin_of(event).metadata.size();
  if (keep_newest(latest_, std::move(key), std::move(event))) bytes_ += bytes;
}

void BlockBuilder::add_hour_state(const model::Event& event) {
  const model::Origin& origin = model::origin_of(event);
  const bool is_new = keep_newest(hours_,
                                  std::tuple{event.index(), origin.profile_id, origin.script_name,
                                             model::unix_hour(origin.event_time_ns)},
                                  event);
  if (is_new) bytes_ += kSummaryBytesEstimate + origin.metadata.size();
}

void BlockBuilder::add_equity(const model::EquityEvent& event) {
  const std::int64_t minute = model::unix_minute(event.origin.event_time_ns);
  const auto [entry, is_new] = equity_.try_emplace({event.origin.profile_id, minute});
  if (is_new) bytes_ += kSummaryBytesEstimate;
  model::EquityMinuteOf& slot = entry->second;
  slot.profile_id = event.origin.profile_id;
  slot.minute = minute;
  slot.script_name = event.origin.script_name;
  slot.equity.add(model::reading_of(event));
}

model::Block BlockBuilder::take(std::uint64_t position, std::uint64_t ordinal,
                                const model::LaneCounts& counts) {
  model::Block block = std::move(block_);
  block.to = position;
  block.ordinal_to = ordinal;
  block.counts = counts;
  for (auto& [key, event] : latest_) block.latest_states.push_back(std::move(event));
  for (auto& [key, event] : hours_) block.hour_states.push_back(std::move(event));
  for (auto& [key, minute] : equity_) block.equity_minutes.push_back(std::move(minute));
  for (auto& [key, summary] : latency_) {
    const auto& [profile_id, script_name, endpoint, minute] = key;
    block.latency_minutes.push_back(
        {profile_id, script_name, endpoint, minute, std::move(summary)});
  }
  for (auto& [key, summary] : metrics_) {
    const auto& [profile_id, script_name, name, hour] = key;
    block.metric_hours.push_back({profile_id, script_name, name, hour, std::move(summary)});
  }
  reset(position, ordinal);
  return block;
}

void BlockBuilder::reset(std::uint64_t position, std::uint64_t ordinal) {
  facts_before_ = block_.facts;
  block_ = header_;
  block_.from = block_.to = position;
  block_.ordinal_from = block_.ordinal_to = ordinal;
  records_ = 0;
  bytes_ = 0;
  latest_.clear();
  hours_.clear();
  equity_.clear();
  latency_.clear();
  metrics_.clear();
  latency_slots_.clear();
  metric_slots_.clear();
}

}  // namespace ddt::sidecar
