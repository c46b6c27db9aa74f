#include "sidecar/redis/live_reader.hpp"

#include <algorithm>

#include "sidecar/model/time.hpp"
#include "sidecar/redis/number.hpp"

namespace ddt::redis {
namespace {

std::optional<LiveValue> value_in(const Reply& reply) {
  if (reply.kind != Reply::Kind::string) return std::nullopt;
  std::optional<model::JsonValue> object = model::JsonValue::parse(reply.text);
  if (!object || !object->is_object()) return std::nullopt;
  LiveValue value{.text = reply.text, .object = std::move(*object), .event_time_ns = 0};
  value.event_time_ns =
      number_in<std::int64_t>(value.object.string_or("event_time_ns")).value_or(0);
  return value;
}

}  // namespace

// A connection that was open may have died since: what only reads is asked once more on a new one.
Result<std::vector<Reply>> LiveReader::ask(std::span<const Command> commands) {
  using Clock = std::chrono::steady_clock;
  if (client_ && client_->is_open()) {
    Result<std::vector<Reply>> replies = client_->run_all(commands);
    if (replies) return replies;
  } else if (failure_ && Clock::now() < failed_at_ + kRetryPause) {
    return *failure_;
  }
  client_.reset();
  Result<Client> client = Client::connect(options_);
  if (client) {
    client_.emplace(std::move(*client));
    Result<std::vector<Reply>> replies = client_->run_all(commands);
    if (replies) {
      failure_.reset();
      return replies;
    }
    failure_ = replies.error();
  } else {
    failure_ = client.error();
  }
  failed_at_ = Clock::now();
  return *failure_;
}

Result<Reply> LiveReader::ask(const Command& command) {
  Result<std::vector<Reply>> replies = ask(std::span(&command, 1));
  if (!replies) return replies.error();
  return std::move(replies->front());
}

Result<std::optional<LiveValue>> LiveReader::value_at(const std::string& key) {
  Result<Reply> reply = ask({"GET", key});
  if (!reply) return reply.error();
  return value_in(*reply);
}

Result<std::vector<LiveValue>> LiveReader::list_at(const std::string& key, std::size_t count_max) {
  std::vector<LiveValue> values;
  if (count_max == 0) return values;
  Result<Reply> reply = ask({"LRANGE", key, "0", std::to_string(count_max - 1)});
  if (!reply) return reply.error();
  for (const Reply& item : reply->items) {
    if (std::optional<LiveValue> value = value_in(item)) values.push_back(std::move(*value));
  }
  return values;
}

Result<std::optional<LiveValue>> LiveReader::equity(std::int32_t profile_id) {
  return value_at(keys_.equity(profile_id));
}
Result<std::optional<LiveValue>> LiveReader::health(std::int32_t profile_id,
                                                    std::string_view script_name) {
  return value_at(keys_.health(profile_id, script_name));
}
Result<std::optional<LiveValue>> LiveReader::rate_limit(std::int32_t profile_id,
                                                        std::string_view script_name) {
  return value_at(keys_.rate_limit(profile_id, script_name));
}
Result<std::optional<LiveValue>> LiveReader::order(std::int32_t profile_id,
                                                   std::string_view order_id) {
  return value_at(keys_.order(profile_id, order_id));
}
Result<std::vector<LiveValue>> LiveReader::signals(std::int32_t profile_id, std::size_t count_max) {
  return list_at(keys_.signals(profile_id), count_max);
}
Result<std::vector<LiveValue>> LiveReader::errors(std::int32_t profile_id,
                                                  std::string_view script_name,
                                                  std::size_t count_max) {
  return list_at(keys_.errors(profile_id, script_name), count_max);
}

Result<std::vector<LiveValue>> LiveReader::positions(std::int32_t profile_id) {
  Result<Reply> reply = ask({"HGETALL", keys_.positions(profile_id)});
  if (!reply) return reply.error();
  std::vector<std::pair<std::string, LiveValue>> by_symbol;
  for (std::size_t i = 0; i + 1 < reply->items.size(); i += 2) {
    if (std::optional<LiveValue> value = value_in(reply->items[i + 1])) {
      by_symbol.emplace_back(std::move(reply->items[i].text), std::move(*value));
    }
  }
  std::ranges::sort(by_symbol, {}, [](const auto& pair) { return std::string_view(pair.first); });
  std::vector<LiveValue> values;
  for (auto& [symbol, value] : by_symbol) values.push_back(std::move(value));
  return values;
}

Result<std::vector<ScriptSeen>> LiveReader::scripts(std::int32_t profile_id) {
  Result<Reply> reply = ask({"HGETALL", keys_.scripts(profile_id)});
  if (!reply) return reply.error();
  std::vector<ScriptSeen> scripts;
  for (std::size_t i = 0; i + 1 < reply->items.size(); i += 2) {
    const std::optional<LiveValue> value = value_in(reply->items[i + 1]);
    if (!value) continue;
    scripts.push_back({.script_name = std::move(reply->items[i].text),
                       .state = value->object.string_or("state"),
                       .segment = value->object.string_or("segment"),
                       .last_seen_ns = value->event_time_ns});
  }
  std::ranges::sort(scripts, {}, &ScriptSeen::script_name);
  return scripts;
}

Result<std::vector<std::int32_t>> LiveReader::profiles() {
  Result<Reply> reply = ask({"SMEMBERS", keys_.profiles()});
  if (!reply) return reply.error();
  std::vector<std::int32_t> profiles;
  for (const Reply& item : reply->items) {
    const std::optional<std::int64_t> id = number_in<std::int64_t>(item.text);
    if (id && *id > 0 && *id <= std::numeric_limits<std::int32_t>::max()) {
      profiles.push_back(static_cast<std::int32_t>(*id));
    }
  }
  std::ranges::sort(profiles);
  return profiles;
}

Result<std::optional<model::LatencySummary>> LiveReader::latency_last_hour(
    std::int32_t profile_id, std::string_view script_name, std::int64_t now_ns) {
  Result<Reply> reply = ask({"HGETALL", keys_.latency_stats(profile_id, script_name)});
  if (!reply) return reply.error();
  const std::int64_t oldest = model::unix_minute(now_ns) - kLatencyMinutesKept;
  model::LatencySummary merged;
  for (std::size_t i = 0; i + 1 < reply->items.size(); i += 2) {
    const std::string_view field(reply->items[i].text);
    const std::optional<std::int64_t> minute =
        number_in<std::int64_t>(field.substr(0, field.find(':')));
    if (!minute || *minute <= oldest) continue;
    model::ByteReader reader(reply->items[i + 1].text);
    const std::optional<model::LatencySummary> summary = model::LatencySummary::decode(reader);
    if (summary && reader.at_end()) merged.merge(*summary);
  }
  if (merged.n() == 0) return std::optional<model::LatencySummary>();
  return std::optional(std::move(merged));
}

Result<std::vector<std::string>> LiveReader::sidecar_ids() {
  Result<Reply> reply = ask({"SMEMBERS", std::string(kSidecarsKey)});
  if (!reply) return reply.error();
  std::vector<std::string> ids;
  for (Reply& item : reply->items) {
    if (is_sidecar_id(item.text)) ids.push_back(std::move(item.text));
  }
  std::ranges::sort(ids);
  return ids;
}

Result<std::int64_t> LiveReader::last_seq(std::int32_t profile_id) {
  Result<std::vector<std::string>> ids = sidecar_ids();
  if (!ids) return ids.error();
  std::vector<Command> commands;
  for (const std::string& id : *ids) {
    commands.push_back({"HGET", SidecarKeys(id).seq, std::to_string(profile_id)});
  }
  Result<std::vector<Reply>> replies = ask(commands);
  if (!replies) return replies.error();
  std::int64_t last = 0;
  for (const Reply& reply : *replies)
    last = std::max(last, number_in<std::int64_t>(reply.text).value_or(0));
  return last;
}

Result<std::optional<LiveValue>> LiveReader::sidecar_status(std::string_view sidecar_id) {
  if (!is_sidecar_id(sidecar_id)) return std::optional<LiveValue>();
  return value_at(SidecarKeys(sidecar_id).status);
}

Status LiveReader::ping() {
  Result<Reply> reply = ask({"PING"});
  if (!reply) return reply.error();
  if (reply->is_error()) return Error{"redis: PING: " + reply->text, true, 0};
  return Done{};
}

}  // namespace ddt::redis
