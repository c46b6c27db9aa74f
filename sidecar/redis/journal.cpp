#include "sidecar/redis/journal.hpp"

#include <algorithm>
#include <compare>
#include <limits>

#include "shm/base/check.hpp"
#include "sidecar/redis/number.hpp"
#include "sidecar/redis/scripts.hpp"

namespace ddt::redis {
namespace {

// An error reply of a script of ours.
Error script_error(const std::string& what, const std::string& text) {
  return {"redis: " + what + ": " + text, true, 0};
}

struct EntryId {
  std::uint64_t ms = 0, number = 0;
  auto operator<=>(const EntryId&) const = default;
};

std::optional<EntryId> entry_id(std::string_view text) noexcept {
  const std::size_t dash = text.find('-');
  const auto ms = number_in<std::uint64_t>(text.substr(0, dash));
  if (!ms) return std::nullopt;
  if (dash == std::string_view::npos) return EntryId{*ms, 0};
  const auto number = number_in<std::uint64_t>(text.substr(dash + 1));
  if (!number) return std::nullopt;
  return EntryId{*ms, *number};
}

}  // namespace

int compare_ids(std::string_view a, std::string_view b) noexcept {
  const std::strong_ordering order = entry_id(a) <=> entry_id(b);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

std::int64_t id_time_ms(std::string_view id) noexcept {
  const std::uint64_t ms = entry_id(id).value_or(EntryId{}).ms;
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(ms > kMax ? kMax : ms);
}

Result<JournalReader> JournalReader::connect(const ConnectOptions& options,
                                             const SidecarKeys& keys) {
  DDT_CHECK(is_sidecar_id(keys.id));
  Result<Client> client = Client::connect(options);
  if (!client) return client.error();
  return JournalReader(std::move(*client), keys);
}

Result<JournalPage> JournalReader::read_after(std::string_view id, std::size_t max_count,
                                              std::size_t max_bytes) {
  DDT_CHECK(max_count > 0 && max_bytes <= kReplyBytesMax / 2);
  Result<Reply> reply = kReadScript.run(
      client_,
      {"1", keys_.journal, std::string(id), std::to_string(max_count), std::to_string(max_bytes)});
  if (!reply) return reply.error();
  if (reply->is_error()) return script_error("read " + keys_.journal, reply->text);
  JournalPage page;
  for (std::size_t i = 1; i + 1 < reply->items.size(); i += 2) {
    page.entries.push_back({std::move(reply->items[i].text), std::move(reply->items[i + 1].text)});
  }
  page.has_gone_back = page.entries.empty() && !reply->items.empty() &&
                       compare_ids(reply->items.front().text, id) < 0;
  return page;
}

Result<std::string> JournalReader::last_id() {
  Result<JournalStats> now = stats();
  if (!now) return now.error();
  return std::move(now->last_id);
}

Result<JournalStats> JournalReader::stats() {
  Result<Reply> reply = kStatsScript.run(client_, {"1", keys_.journal});
  if (!reply) return reply.error();
  if (reply->is_error()) return script_error("stats of " + keys_.journal, reply->text);
  if (reply->items.size() != 5) return Error{"redis: stats: unexpected reply", true, 0};
  JournalStats stats{.length = static_cast<std::uint64_t>(reply->items[0].integer),
                     .bytes = static_cast<std::uint64_t>(reply->items[1].integer),
                     .first_id = std::move(reply->items[2].text),
                     .last_id = std::move(reply->items[3].text)};
  if (!stats.first_id.empty()) {
    const std::int64_t now_ms = number_in<std::int64_t>(reply->items[4].text).value_or(0);
    stats.age_ms = std::max<std::int64_t>(0, now_ms - id_time_ms(stats.first_id));
  }
  return stats;
}

Result<std::uint64_t> JournalReader::trim_before(std::string_view id) {
  Result<Reply> reply = client_.run({"XTRIM", keys_.journal, "MINID", std::string(id)});
  if (!reply) return reply.error();
  return static_cast<std::uint64_t>(reply->integer);
}

// ── trimming ─────────────────────────────────────────────────────────────────────────────────────

void TrimPlan::committed(std::string_view id, std::uint64_t bytes, std::int64_t now_ms) {
  if (!kept_.empty() && compare_ids(id, kept_.back().id) <= 0) return;  // read again
  kept_.push_back({std::string(id), bytes, now_ms});
  kept_bytes_ += bytes;
}

std::optional<std::string> TrimPlan::due(std::int64_t now_ms) {
  std::string last_due;
  while (!kept_.empty() &&
         (kept_bytes_ > keep_bytes_ || kept_.front().committed_ms + keep_ms_ <= now_ms)) {
    last_due = std::move(kept_.front().id);
    kept_bytes_ -= kept_.front().bytes;
    kept_.pop_front();
  }
  if (last_due.empty()) return std::nullopt;
  const EntryId id =
      entry_id(last_due).value_or(EntryId{});  // MINID keeps its own id: name the next one
  return std::to_string(id.ms) + "-" + std::to_string(id.number + 1);
}

void TrimPlan::clear() {
  kept_.clear();
  kept_bytes_ = 0;
}

// ── the server itself ────────────────────────────────────────────────────────────────────────────
namespace {

using Info = std::map<std::string, std::string, std::less<>>;

Result<Info> info_of(Client& client) {
  Result<Reply> reply = client.run({"INFO"});
  if (!reply) return reply.error();
  Info info;
  std::string_view rest = reply->text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos)
      info.emplace(line.substr(0, colon), line.substr(colon + 1));
  }
  return info;
}

std::string text_of(const Info& info, std::string_view name) {
  const auto found = info.find(name);
  return found == info.end() ? std::string() : found->second;
}

std::uint64_t number_of(const Info& info, std::string_view name) {
  return number_in<std::uint64_t>(text_of(info, name)).value_or(0);
}

}  // namespace

Result<ServerCheck> check_server(Client& client) {
  Result<Info> info = info_of(client);
  if (!info) return info.error();
  ServerCheck check;
  const std::string policy = text_of(*info, "maxmemory_policy");
  if (policy.starts_with("allkeys-")) {
    check.problems.push_back("redis: maxmemory-policy " + policy +
                             " may evict the journal; use noeviction or a volatile-* policy");
  }
  const std::string version = text_of(*info, "redis_version");
  const std::size_t dot = std::min(version.find('.'), version.size());
  if (const auto major = number_in<int>(std::string_view(version).substr(0, dot));
      major && *major < 7) {
    check.problems.push_back("redis: version " + version + " is older than 7.0");
  }
  if (text_of(*info, "role") == "slave") {
    check.problems.emplace_back("redis: this server is a replica; connect to its primary");
  }
  if (text_of(*info, "aof_enabled") == "0") {
    check.warnings.emplace_back(
        "redis: no append-only file; a crash of Redis loses what MySQL does not have yet");
  }
  if (number_of(*info, "maxmemory") == 0) {
    check.warnings.emplace_back(
        "redis: no maxmemory; the journal can grow until the machine has no memory");
  }
  return check;
}

Result<double> memory_used_ratio(Client& client) {
  Result<Info> info = info_of(client);
  if (!info) return info.error();
  const std::uint64_t limit = number_of(*info, "maxmemory");
  if (limit == 0) return 0.0;
  return static_cast<double>(number_of(*info, "used_memory")) / static_cast<double>(limit);
}

}  // namespace ddt::redis
