#include "sidecar/redis/live_latency.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "sidecar/model/codec.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::redis {
namespace {

using model::Block;

constexpr std::int64_t kFutureMinutesMax = 1;  // a bot's clock may be ahead of ours
constexpr std::size_t kPageEntries = 256, kPageBytes = 8U << 20;

bool is_live_minute(std::int64_t minute, std::int64_t now_ns) {
  const std::int64_t now_minute = model::unix_minute(now_ns);
  return minute > now_minute - kLatencyMinutesKept && minute <= now_minute + kFutureMinutesMax;
}

}  // namespace

std::string LiveLatency::field_of(std::int64_t minute) const {
  return std::to_string(minute) + ":" + sidecar_.id;
}

Status LiveLatency::begin(Client& client, JournalReader& journal, std::int64_t now_ns) {
  minutes_.clear();
  touched_.clear();
  // Who begins without the key has everything in the minutes. NX: a late SET of a predecessor moves nothing.
  auto last = journal.last_id();
  if (!last) return last.error();
  if (auto set = client.run({"SET", sidecar_.latency, std::move(*last), "NX"}); !set)
    return set.error();
  auto folded = client.run({"GET", sidecar_.latency});
  if (!folded) return folded.error();
  folded_id_ = std::move(folded->text);

  // A Redis that was cut may hold an entry twice (docs/adr/0006).
  std::map<model::LaneName, std::uint64_t> covered;
  while (true) {
    auto page = journal.read_after(folded_id_, kPageEntries, kPageBytes);
    if (!page) return page.error();
    if (page->entries.empty()) return Done{};
    for (const RawEntry& entry : page->entries) {
      std::vector<Block> blocks = model::decode_entry(entry.bytes).value_or(std::vector<Block>());
      std::erase_if(blocks, [&](const Block& block) {
        std::uint64_t& to = covered[block.lane];
        return block.to <= std::exchange(to, std::max(to, block.to));
      });
      if (auto loaded = load(client, blocks, now_ns); !loaded) return loaded;
      fold(blocks, entry.id, now_ns);
    }
  }
}

Status LiveLatency::load(Client& client, std::span<const Block> blocks, std::int64_t now_ns) {
  std::set<ScriptMinute> unknown;
  for (const Block& block : blocks) {
    for (const model::LatencyMinute& minute : block.latency_minutes) {
      ScriptMinute name{minute.minute, minute.profile_id, minute.script_name};
      if (is_live_minute(minute.minute, now_ns) && !minutes_.contains(name))
        unknown.insert(std::move(name));
    }
  }
  if (unknown.empty()) return Done{};
  std::vector<Command> commands;
  for (const ScriptMinute& name : unknown) {
    commands.push_back(
        {"HGET", live_.latency_stats(name.profile_id, name.script_name), field_of(name.minute)});
  }
  Result<std::vector<Reply>> replies = client.run_all(commands);
  if (!replies) return replies.error();
  std::size_t i = 0;
  for (const ScriptMinute& name : unknown) {
    const Reply& reply = (*replies)[i++];
    model::LatencySummary summary;  // Empty when there is none, or none that can be read.
    if (reply.kind == Reply::Kind::string) {
      model::ByteReader reader(reply.text);
      if (auto stored = model::LatencySummary::decode(reader); stored && reader.at_end())
        summary = std::move(*stored);
    }
    minutes_.emplace(name, std::move(summary));
  }
  return Done{};
}

void LiveLatency::fold(std::span<const Block> blocks, std::string_view entry_id,
                       std::int64_t now_ns) {
  folded_id_ = entry_id;
  for (const Block& block : blocks) {
    for (const model::LatencyMinute& minute : block.latency_minutes) {
      if (!is_live_minute(minute.minute, now_ns)) continue;
      ScriptMinute name{minute.minute, minute.profile_id, minute.script_name};
      model::LatencySummary& summary = minutes_[name];
      touched_[std::move(name)] |= summary.n() == 0;
      summary.merge(minute.summary);
    }
  }
}

std::vector<Command> LiveLatency::take(std::int64_t now_ns) {
  struct Script {
    Command set;
    bool has_new_minute = false;
  };
  std::map<std::string, Script> scripts;
  for (const auto& [name, is_new] : touched_) {
    const std::string key = live_.latency_stats(name.profile_id, name.script_name);
    Script& script = scripts.try_emplace(key, Script{.set = {"HSET", key}}).first->second;
    script.has_new_minute |= is_new;
    std::string bytes;
    model::ByteWriter writer(bytes);
    minutes_[name].encode(writer);
    script.set.push_back(field_of(name.minute));
    script.set.push_back(std::move(bytes));
  }
  const std::int64_t now_minute = model::unix_minute(now_ns);
  const std::int64_t oldest = now_minute - kLatencyMinutesKept;
  std::vector<Command> commands;
  for (auto& [key, script] : scripts) {
    commands.push_back(std::move(script.set));
    commands.push_back({"EXPIRE", key, std::to_string(kLiveTtlS)});
    if (!script.has_new_minute) continue;
    // An hour back is enough: had nothing been written for longer, the key would have expired.
    Command remove{"HDEL", key};
    for (std::int64_t minute = oldest - kLatencyMinutesKept; minute <= oldest; ++minute)
      remove.push_back(field_of(minute));
    commands.push_back(std::move(remove));
  }
  commands.push_back({"SET", sidecar_.latency, folded_id_});
  touched_.clear();
  written_ns_ = now_ns;
  const ScriptMinute known_from{now_minute - kLatencyMinutesKnown, 0, {}};
  minutes_.erase(minutes_.begin(), minutes_.lower_bound(known_from));
  return commands;
}

}  // namespace ddt::redis
