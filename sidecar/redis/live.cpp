#include "sidecar/redis/live.hpp"

#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <type_traits>
#include <vector>

#include "shm/base/check.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::redis {
namespace {

using model::Block;
using model::Event;

constexpr std::size_t kPushedTogetherMax = 500;

bool is_old(std::int64_t event_time_ns, std::int64_t now_ns) {
  return event_time_ns < now_ns - kLiveTtlS * model::kNsPerSecond;
}

LiveCommand plain(Command arguments) {
  return {LiveCommand::Kind::plain, std::move(arguments), 0, 0};
}

LiveCommand expire(const std::string& key, int ttl_s) {
  return plain({"EXPIRE", key, std::to_string(ttl_s)});
}

std::string_view kind_of(const Event& event) {
  static constexpr std::string_view kKinds[] = {"signal",  "order",    "trade",      "error",
                                                "equity",  "position", "rate_limit", "health",
                                                "latency", "metric"};
  static_assert(std::size(kKinds) == std::variant_size_v<Event>);
  return kKinds[event.index()];
}

// What an Event's latest value is of. Refers to the Event.
struct Subject {
  std::size_t kind;
  std::int32_t profile_id;
  std::string_view name;  // of an order, a symbol or a script
  auto operator<=>(const Subject&) const = default;
};

// nullopt for what has no latest value.
std::optional<Subject> subject_of(const Event& event) {
  const model::Origin& origin = model::origin_of(event);
  return std::visit(
      [&]<typename E>(const E& one) -> std::optional<Subject> {
        const auto of = [&](std::string_view name) {
          return Subject{event.index(), origin.profile_id, name};
        };
        if constexpr (std::is_same_v<E, model::OrderEvent>) {
          return of(one.order_id);
        } else if constexpr (std::is_same_v<E, model::EquityEvent>) {
          return of({});
        } else if constexpr (std::is_same_v<E, model::PositionEvent>) {
          return of(one.symbol);
        } else if constexpr (std::is_same_v<E, model::RateLimitEvent> ||
                             std::is_same_v<E, model::HealthEvent>) {
          return of(origin.script_name);
        } else {
          return std::nullopt;
        }
      },
      event);
}

// Where it lives: a key, or a key and a field of it.
Command place_of(const Event& event, const LiveKeys& keys) {
  const std::int32_t profile_id = model::origin_of(event).profile_id;
  const std::string& script_name = model::origin_of(event).script_name;
  if (const auto* order = std::get_if<model::OrderEvent>(&event))
    return {keys.order(profile_id, order->order_id)};
  if (const auto* position = std::get_if<model::PositionEvent>(&event))
    return {keys.positions(profile_id), position->symbol};
  if (std::holds_alternative<model::RateLimitEvent>(event))
    return {keys.rate_limit(profile_id, script_name)};
  if (std::holds_alternative<model::HealthEvent>(event))
    return {keys.health(profile_id, script_name)};
  DDT_CHECK(std::holds_alternative<model::EquityEvent>(event));
  return {keys.equity(profile_id)};
}

std::string script_json(std::int64_t last_seen_ns, std::string_view state,
                        std::string_view segment) {
  model::JsonWriter json;
  json.begin_object();
  json.key("event_time_ns").string(std::to_string(last_seen_ns));
  json.key("last_seen").string(model::rfc3339(last_seen_ns));
  json.key("last_seen_ns").string(std::to_string(last_seen_ns));
  json.key("state").string(state);
  json.key("segment").string(segment);
  json.end_object();
  return std::move(json).take();
}

LiveCommand script_command(const LiveKeys& keys, std::int32_t profile_id,
                           std::string_view script_name, std::int64_t last_seen_ns,
                           std::string_view state, std::string_view segment) {
  return {LiveCommand::Kind::field,
          {keys.scripts(profile_id), std::string(script_name),
           script_json(last_seen_ns, state, segment)},
          last_seen_ns,
          kRegistryTtlS};
}

// Collects what a batch of Blocks says, newest per place, then writes it down once.
class PartBuilder {
 public:
  PartBuilder(std::int64_t now_ns, const LiveKeys& keys, SeenScripts& seen)
      : now_ns_(now_ns), now_text_(model::rfc3339(now_ns)), keys_(keys), seen_(seen) {}

  void add(const Block& block) {
    for (const Event& event : block.fact_events) add_fact(event, block);
    for (const Event& event : block.latest_states) {
      const model::Origin& origin = model::origin_of(event);
      see(origin.profile_id, origin.script_name, origin.event_time_ns, block);
      keep_latest(event);
    }
    for (const model::LatencyMinute& minute : block.latency_minutes) {
      see(minute.profile_id, minute.script_name, model::minute_start_ns(minute.minute), block);
    }
    for (const model::MetricHour& metric : block.metric_hours) {
      if (metric.summary.last_time_ns == model::kNoTime) continue;
      see(metric.profile_id, metric.script_name, metric.summary.last_time_ns, block);
    }
  }

  LivePart take() && {
    for (auto& [subject, newest] : latest_) put_latest(*newest.event, std::move(newest.json));
    for (auto& [list, values] : lists_) put_list(list, std::move(values));
    for (const auto& [script, seen] : scripts_)
      seen_.see(script.first, script.second, seen.time_ns, seen.block->segment_name);
    put_seen();
    return std::move(part_);
  }

 private:
  struct Seen {
    std::int64_t time_ns = 0;
    const Block* block = nullptr;
  };
  struct Newest {
    const Event* event = nullptr;
    std::string json;
  };
  struct List {
    std::string key;
    std::size_t kept_max;
    auto operator<=>(const List&) const = default;
  };

  void see(std::int32_t profile_id, const std::string& script_name, std::int64_t time_ns,
           const Block& block) {
    Seen& seen = scripts_[{profile_id, script_name}];
    if (seen.block == nullptr || time_ns >= seen.time_ns) seen = {time_ns, &block};
  }

  void add_fact(const Event& event, const Block& block) {
    const model::Origin& origin = model::origin_of(event);
    see(origin.profile_id, origin.script_name, origin.event_time_ns, block);
    if (is_old(origin.event_time_ns, now_ns_)) return;
    std::string json = live_json(event);
    publish(event, json);
    if (std::holds_alternative<model::SignalEvent>(event)) {
      lists_[{keys_.signals(origin.profile_id), kSignalsKeptMax}].push_back(std::move(json));
    } else if (std::holds_alternative<model::ErrorEvent>(event)) {
      lists_[{keys_.errors(origin.profile_id, origin.script_name), kErrorsKeptMax}].push_back(
          std::move(json));
    } else {
      keep_latest(event, std::move(json));
    }
  }

  void put_seen() {
    Command profiles{"SADD", keys_.profiles()};
    std::vector<LiveCommand> scripts = seen_.take(now_ns_, keys_);
    std::set<std::string> profile_ids;
    for (LiveCommand& script : scripts) {
      const std::string& key = script.arguments.front();
      profile_ids.insert(key.substr(key.rfind(':') + 1));
      part_.commands.push_back(std::move(script));
    }
    for (const std::string& profile_id : profile_ids) {
      profiles.push_back(profile_id);
      if (profiles.size() >= kPushedTogetherMax) {
        part_.commands.push_back(plain(profiles));
        profiles.resize(2);
      }
    }
    if (profiles.size() > 2) part_.commands.push_back(plain(std::move(profiles)));
    if (!profile_ids.empty()) part_.commands.push_back(expire(keys_.profiles(), kRegistryTtlS));
  }

  // Of equal times the later in Lane order wins, as in Redis. json: the Event's, where it has been written already.
  void keep_latest(const Event& event, std::string json = {}) {
    const std::optional<Subject> subject = subject_of(event);
    if (!subject) return;
    Newest& newest = latest_[*subject];
    if (newest.event == nullptr ||
        model::origin_of(event).event_time_ns >= model::origin_of(*newest.event).event_time_ns) {
      newest = {&event, std::move(json)};
    }
  }

  void put_latest(const Event& event, std::string json) {
    const std::int64_t time_ns = model::origin_of(event).event_time_ns;
    if (json.empty()) json = live_json(event);
    const bool is_fact = std::holds_alternative<model::OrderEvent>(event);  // published one by one
    if (!is_fact && !is_old(time_ns, now_ns_)) publish(event, json);
    LiveCommand command{LiveCommand::Kind::latest, place_of(event, keys_), time_ns, kLiveTtlS};
    if (command.arguments.size() > 1) command.kind = LiveCommand::Kind::field;
    command.arguments.push_back(std::move(json));
    part_.commands.push_back(std::move(command));
  }

  void put_list(const List& list, std::vector<std::string> values) {
    const std::size_t begin = values.size() > list.kept_max ? values.size() - list.kept_max : 0;
    LiveCommand push{
        .kind = LiveCommand::Kind::list, .arguments = {list.key}, .kept_max = list.kept_max};
    for (std::size_t i = begin; i < values.size(); ++i) {
      push.arguments.push_back(std::move(values[i]));
      if (push.arguments.size() < kPushedTogetherMax && i + 1 < values.size()) continue;
      part_.commands.push_back(push);
      push.arguments.resize(1);
    }
  }

  void publish(const Event& event, std::string_view json) {
    const std::int32_t profile_id = model::origin_of(event).profile_id;
    std::string tail;
    tail.reserve(json.size() + 96);
    tail.append(",\"ts\":\"").append(now_text_).append("\",\"data\":{\"kind\":\"");
    tail.append(kind_of(event)).append("\",").append(json.substr(1)).append("}");
    part_.messages.push_back({profile_id, keys_.channel(profile_id), std::move(tail)});
  }

  const std::int64_t now_ns_;
  const std::string now_text_;
  const LiveKeys& keys_;
  SeenScripts& seen_;
  LivePart part_;
  std::map<Subject, Newest> latest_;
  std::map<List, std::vector<std::string>> lists_;
  std::map<std::pair<std::int32_t, std::string>, Seen> scripts_;
};

}  // namespace

// ── the registry ─────────────────────────────────────────────────────────────────────────────────

void SeenScripts::see(std::int32_t profile_id, const std::string& script_name,
                      std::int64_t last_seen_ns, const std::string& segment_name) {
  const auto [found, is_new] = scripts_.try_emplace({profile_id, script_name});
  Seen& seen = found->second;
  if (!is_new && last_seen_ns < seen.last_seen_ns) return;
  const bool begins = is_new || seen.segment_name != segment_name;
  if (begins) seen.segment_name = segment_name;
  if (begins || seen.due_ns == kNothing)
    seen.due_ns = begins ? 0 : seen.written_ns + kWrittenEveryNs;
  seen.last_seen_ns = last_seen_ns;
  due_ns_ = std::min(due_ns_, seen.due_ns);
}

std::vector<LiveCommand> SeenScripts::take(std::int64_t now_ns, const LiveKeys& keys) {
  std::vector<LiveCommand> commands;
  if (!is_due(now_ns)) return commands;
  due_ns_ = kNothing;
  for (auto& [script, seen] : scripts_) {
    if (seen.due_ns <= now_ns) {
      commands.push_back(script_command(keys, script.first, script.second, seen.last_seen_ns,
                                        "online", seen.segment_name));
      seen.written_ns = now_ns;
      seen.due_ns = kNothing;
    }
    due_ns_ = std::min(due_ns_, seen.due_ns);
  }
  return commands;
}

void SeenScripts::ended(std::int32_t profile_id, const std::string& script_name,
                        const std::string& segment_name) {
  const auto found = scripts_.find({profile_id, script_name});
  if (found != scripts_.end() && found->second.segment_name == segment_name) scripts_.erase(found);
}

void SeenScripts::forget() {
  for (auto& [script, seen] : scripts_) seen.due_ns = 0;
  due_ns_ = scripts_.empty() ? kNothing : 0;
}

// ── TTLs ─────────────────────────────────────────────────────────────────────────────────────────

void RenewedTtls::spare(std::vector<LiveCommand>& commands, std::int64_t now_ns) {
  if (now_ns - begun_ns_ >= kForgottenEveryNs) {
    renewed_ns_.clear();  // of whom nobody speaks any more, too
    begun_ns_ = now_ns;
  }
  const auto is_due = [&](const std::string& key) {
    const auto [found, is_new] = renewed_ns_.try_emplace(key, now_ns);
    if (!is_new && now_ns - found->second < kRenewedEveryNs) return false;
    found->second = now_ns;
    return true;
  };
  std::erase_if(commands, [&](LiveCommand& command) {
    const Command& arguments = command.arguments;
    if (command.kind == LiveCommand::Kind::plain)
      return arguments.front() == "EXPIRE" && !is_due(arguments[1]);
    if (command.kind != LiveCommand::Kind::latest && !is_due(arguments.front())) command.ttl_s = 0;
    return false;
  });
}

// ── the whole ────────────────────────────────────────────────────────────────────────────────────

LivePart live_part(std::span<const Block> blocks, std::int64_t now_ns, const LiveKeys& keys,
                   SeenScripts& seen, RenewedTtls& ttls) {
  PartBuilder builder(now_ns, keys, seen);
  for (const Block& block : blocks) builder.add(block);
  LivePart part = std::move(builder).take();
  ttls.spare(part.commands, now_ns);
  return part;
}

LiveCommand offline_command(const LiveKeys& keys, std::int32_t profile_id,
                            std::string_view script_name, std::string_view segment_name,
                            std::int64_t last_seen_ns) {
  return script_command(keys, profile_id, script_name, last_seen_ns, "offline", segment_name);
}

}  // namespace ddt::redis
