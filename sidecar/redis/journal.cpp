#include "sidecar/redis/journal.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <compare>
#include <iterator>
#include <limits>
#include <random>

#include "shm/base/check.hpp"
#include "sidecar/redis/scripts.hpp"

namespace ddt::redis {
namespace {

constexpr std::size_t kArgumentsMax = 1'000;  // of one live command: Lua's unpack has a stack

template <typename Number>
std::optional<Number> number_in(std::string_view text) noexcept {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "<position>", or "<position>:<forgotten_to>".
std::string text_of(const LanePosition& lane) {
  std::string text = std::to_string(lane.position);
  if (lane.forgotten_to > 0) text += ":" + std::to_string(lane.forgotten_to);
  return text;
}

std::optional<LanePosition> position_of(const model::LaneName& lane, std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto position = number_in<std::uint64_t>(text.substr(0, colon));
  const auto forgotten_to = colon == std::string_view::npos
                                ? std::optional<std::uint64_t>(0)
                                : number_in<std::uint64_t>(text.substr(colon + 1));
  if (!position || !forgotten_to) return std::nullopt;
  return LanePosition{lane, *position, *forgotten_to};
}

std::string random_token() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 4; ++i) token += std::to_string(device()) + (i < 3 ? "-" : "");
  return token;
}

std::string_view name_of(LiveCommand::Kind kind) noexcept {
  switch (kind) {
    case LiveCommand::Kind::plain:
      return "plain";
    case LiveCommand::Kind::latest:
      return "latest";
    case LiveCommand::Kind::field:
      return "field";
    case LiveCommand::Kind::list:
      return "list";
  }
  return "plain";
}

// An error reply of a script of ours. All but a key of another type may pass with time.
Error script_error(const std::string& what, const std::string& text) {
  Error error{"redis: " + what + ": " + text, true, 0};
  if (text.starts_with("FENCED")) {
    error.code = text.starts_with("FENCED gone") ? kFenceGone : kFenceTaken;
  } else if (text.find("WRONGTYPE") != std::string::npos) {
    error.is_retryable = false;
  }
  return error;
}

void push_live(Command& command, std::span<LiveCommand> commands) {
  command.push_back(std::to_string(commands.size()));
  for (LiveCommand& one : commands) {
    DDT_CHECK(!one.arguments.empty() && one.arguments.size() <= kArgumentsMax);
    const auto begin = std::make_move_iterator(one.arguments.begin());
    const auto end = std::make_move_iterator(one.arguments.end());
    command.emplace_back(name_of(one.kind));
    if (one.kind == LiveCommand::Kind::plain) {
      command.push_back(std::to_string(one.arguments.size()));
      command.insert(command.end(), begin, end);
      continue;
    }
    command.push_back(std::to_string(one.ttl_s));
    command.push_back(*begin);
    if (one.kind == LiveCommand::Kind::list) {
      command.push_back(std::to_string(one.kept_max));
      command.push_back(std::to_string(one.arguments.size() - 1));
    } else {
      command.push_back(std::to_string(one.event_time_ns));
    }
    command.insert(command.end(), begin + 1, end);
  }
}

}  // namespace

bool is_fenced(const Error& error) noexcept {
  return error.message.find(": FENCED ") != std::string::npos &&
         (error.code == kFenceTaken || error.code == kFenceGone);
}

// ── writer ───────────────────────────────────────────────────────────────────────────────────────

Result<JournalWriter> JournalWriter::connect(const ConnectOptions& options,
                                             const SidecarKeys& keys) {
  DDT_CHECK(is_sidecar_id(keys.id));
  Result<Client> client = Client::connect(options);
  if (!client) return client.error();
  JournalWriter writer(std::move(*client), keys, random_token());
  if (Result<Reply> reply = writer.client_.run({"SET", keys.fence, writer.token_}); !reply) {
    return reply.error();
  }
  if (Result<Reply> reply = writer.client_.run({"SADD", std::string(kSidecarsKey), keys.id});
      !reply) {
    return reply.error();
  }
  if (Status status = writer.read_seqs(); !status) return status.error();
  return writer;
}

// Once the fence is ours nobody else changes them.
Status JournalWriter::read_seqs() {
  const Command command{"HGETALL", keys_.seq};
  Result<std::vector<Reply>> replies = client_.run_all(std::span(&command, 1));
  if (!replies) return replies.error();
  const std::vector<Reply>& items = replies->front().items;  // none of a key of another type
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    const auto profile_id = number_in<std::int32_t>(items[i].text);
    const auto seq = number_in<std::uint64_t>(items[i + 1].text);
    if (profile_id && seq) seqs_[*profile_id] = *seq;
  }
  return Done{};
}

Result<Positions> JournalWriter::acknowledged_positions() {
  Result<Reply> reply = client_.run({"HGETALL", keys_.positions});
  if (!reply) return reply.error();
  Positions positions;
  for (std::size_t i = 0; i + 1 < reply->items.size(); i += 2) {
    const std::optional<model::LaneName> lane = lane_of_field(reply->items[i].text);
    if (!lane) continue;
    if (const auto position = position_of(*lane, reply->items[i + 1].text))
      positions.emplace(*lane, *position);
  }
  return positions;
}

Result<Appended> JournalWriter::append(std::string entry, std::span<const LanePosition> positions,
                                       LivePart live) {
  DDT_CHECK(entry.size() <= kEntryBytesMax);
  std::span<LiveCommand> commands(live.commands);
  std::span<const LiveMessage> messages(live.messages);
  Result<Appended> appended = Appended{};
  for (bool is_first = true; is_first || !commands.empty() || !messages.empty(); is_first = false) {
    const auto some_commands = commands.first(std::min(commands.size(), kLivePerScriptMax));
    const auto some_messages =
        messages.first(std::min(messages.size(), kLivePerScriptMax - some_commands.size()));
    commands = commands.subspan(some_commands.size());
    messages = messages.subspan(some_messages.size());
    Result<Appended> run =
        is_first ? run_append(std::move(entry), positions, some_commands, some_messages)
                 : run_append({}, {}, some_commands, some_messages);
    if (is_first) {
      if (!run) return run;
      appended = std::move(run);
    } else if (run) {
      appended->live_failures += run->live_failures;
      if (appended->live_failure.empty()) appended->live_failure = std::move(run->live_failure);
    } else {  // The entry is in: what is left of the live values is not worth an error.
      appended->live_failures +=
          some_commands.size() + some_messages.size() + commands.size() + messages.size();
      if (appended->live_failure.empty()) appended->live_failure = run.error().message;
      break;
    }
  }
  return appended;
}

Result<Appended> JournalWriter::run_append(std::string entry,
                                           std::span<const LanePosition> positions,
                                           std::span<LiveCommand> commands,
                                           std::span<const LiveMessage> messages) {
  Command command{"4",       keys_.journal, keys_.positions,  keys_.fence,
                  keys_.seq, token_,        std::move(entry), std::to_string(positions.size())};
  command.reserve(command.size() + 2 * positions.size() + 8 * commands.size() +
                  4 * messages.size() + 4);
  for (const LanePosition& lane : positions) {
    command.push_back(lane_field(lane.lane));
    command.push_back(text_of(lane));
  }
  push_live(command, commands);
  push_messages(command, messages);
  Result<Reply> reply = kAppendScript.run(client_, std::move(command));
  if (!reply) return reply.error();
  if (reply->is_error()) return script_error("append to " + keys_.journal, reply->text);
  if (reply->items.size() != 3) return Error{"redis: append: unexpected reply", true, 0};
  return Appended{.id = std::move(reply->items[0].text),
                  .live_failures = static_cast<std::uint64_t>(reply->items[1].integer),
                  .live_failure = std::move(reply->items[2].text)};
}

void JournalWriter::push_messages(Command& command, std::span<const LiveMessage> messages) {
  struct Lines {
    std::string_view channel;
    std::string text;
  };
  std::map<std::int32_t, Lines> of_profile;
  for (const LiveMessage& message : messages) {
    Lines& lines = of_profile[message.profile_id];
    lines.channel = message.channel;
    if (!lines.text.empty()) lines.text += '\n';
    lines.text.append("{\"type\":\"update\",\"seq\":")
        .append(std::to_string(++seqs_[message.profile_id]))
        .append(message.tail);
  }
  command.push_back(std::to_string(of_profile.size()));
  for (const auto& [profile_id, lines] : of_profile) {
    command.push_back(std::to_string(profile_id));
    command.push_back(std::to_string(seqs_[profile_id]));
  }
  command.push_back(std::to_string(of_profile.size()));
  for (auto& [profile_id, lines] : of_profile) {
    command.emplace_back(lines.channel);
    command.push_back(std::move(lines.text));
  }
}

Status JournalWriter::confirm() {
  Result<Reply> reply = client_.run({"GET", keys_.fence});
  if (!reply) return reply.error();
  if (reply->text == token_) return Done{};
  return Error{"redis: " + keys_.fence + ": FENCED " + (reply->is_nil() ? "gone" : "taken"), true,
               reply->is_nil() ? kFenceGone : kFenceTaken};
}

Result<std::uint64_t> JournalWriter::journal_bytes() {
  Result<Reply> reply = client_.run({"MEMORY", "USAGE", keys_.journal});
  if (!reply) return reply.error();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, reply->integer));  // nil: no entry
}

Status JournalWriter::forget(std::span<const model::LaneName> lanes) {
  Command command{"2", keys_.positions, keys_.fence, token_};
  for (const model::LaneName& lane : lanes) command.push_back(lane_field(lane));
  Result<Reply> reply = kForgetScript.run(client_, std::move(command));
  if (!reply) return reply.error();
  if (reply->is_error()) return script_error("forget lanes in " + keys_.positions, reply->text);
  return Done{};
}

// ── reader ───────────────────────────────────────────────────────────────────────────────────────
namespace {

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
