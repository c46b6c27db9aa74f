#include <algorithm>
#include <iterator>
#include <random>

#include "shm/base/check.hpp"
#include "sidecar/redis/journal.hpp"
#include "sidecar/redis/number.hpp"
#include "sidecar/redis/scripts.hpp"

namespace ddt::redis {
namespace {

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

// All but a key of another type may pass with time.
Error append_error(const SidecarKeys& keys, const std::string& text) {
  return {"redis: append to " + keys.journal + ": " + text,
          text.find("WRONGTYPE") == std::string::npos, 0};
}

}  // namespace

bool is_fenced(const Error& error) noexcept {
  return error.message.find(": FENCED ") != std::string::npos &&
         (error.code == kFenceTaken || error.code == kFenceGone);
}

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
  if (Status status = writer.watch(); !status) return status.error();
  return writer;
}

// Once the fence is ours nobody else changes them.
Status JournalWriter::read_seqs() {
  const Command command{"HGETALL", keys_.seq};
  Result<std::vector<Reply>> replies = client_.run_all(std::span(&command, 1));
  if (!replies) return replies.error();
  seqs_are_kept_ = !replies->front().is_error();
  const std::vector<Reply>& items = replies->front().items;
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

// ── transactions ─────────────────────────────────────────────────────────────────────────────────
//
// WATCH comes first, then we look: if what we saw is touched before EXEC, EXEC does nothing. Each transaction
// sends the watch for the next one behind itself, so that one append is one round trip.

std::vector<Command> JournalWriter::watch_commands() const {
  return {{"WATCH", keys_.fence, std::string(kSidecarsKey), keys_.positions},
          {"GET", keys_.fence},
          {"SCARD", std::string(kSidecarsKey)},
          {"TYPE", keys_.positions}};
}

void JournalWriter::see_watch(std::span<const Reply> replies) {
  const Reply &watched = replies[0], &fence = replies[1], &sidecars = replies[2],
              &positions = replies[3];
  is_only_sidecar_ = sidecars.integer == 1;
  watch_error_.reset();
  if (watched.is_error()) {
    watch_error_ = Error{"redis: WATCH: " + watched.text, true, 0};
  } else if (fence.text != token_) {
    watch_error_ =
        Error{"redis: " + keys_.fence + ": FENCED " + (fence.is_nil() ? "gone" : "taken"), true,
              fence.is_nil() ? kFenceGone : kFenceTaken};
  } else if (positions.text != "hash" && positions.text != "none") {
    // Before an entry is in that could not say where its Lanes are.
    watch_error_ = append_error(keys_, "WRONGTYPE " + keys_.positions + ": " + positions.text);
  }
}

Status JournalWriter::watch() {
  Result<std::vector<Reply>> replies = client_.run_all(watch_commands());
  if (!replies) return replies.error();
  see_watch(*replies);
  if (watch_error_) return *watch_error_;
  return Done{};
}

Status JournalWriter::confirm() { return watch(); }

Result<std::vector<Reply>> JournalWriter::transact(std::vector<Command> commands) {
  DDT_CHECK(commands.front().front() == "MULTI");
  if (watch_error_) return *watch_error_;
  const std::size_t inside = commands.size() - 1;
  commands.push_back({"EXEC"});
  std::ranges::move(watch_commands(), std::back_inserter(commands));
  Result<std::vector<Reply>> replies = client_.run_all(commands);
  if (!replies) return replies.error();
  see_watch(std::span(*replies).last(kWatchCommands));
  Reply& done = (*replies)[inside + 1];
  if (done.is_nil()) {
    if (watch_error_) return *watch_error_;
    return Error{
        "redis: another sidecar has begun or ended, or somebody has touched " + keys_.positions,
        true, 0};
  }
  if (done.is_error()) {
    const auto refused = std::ranges::find_if(*replies, &Reply::is_error);  // before EXEC says so
    return Error{"redis: " + refused->text, true, kTransactionRefused};
  }
  if (done.items.size() != inside) return Error{"redis: EXEC: unexpected reply", true, 0};
  return std::move(done.items);
}

// ── appending ────────────────────────────────────────────────────────────────────────────────────

Result<Appended> JournalWriter::append(std::string entry, std::span<const LanePosition> positions,
                                       LivePart live) {
  DDT_CHECK(entry.size() <= kEntryBytesMax);
  std::span<LiveCommand> commands(live.commands);
  std::span<const LiveMessage> messages(live.messages);
  Result<Appended> appended = Appended{};
  for (bool is_first = true; is_first || !commands.empty() || !messages.empty(); is_first = false) {
    const auto some_commands = commands.first(std::min(commands.size(), kLiveTogetherMax));
    const auto some_messages =
        messages.first(std::min(messages.size(), kLiveTogetherMax - some_commands.size()));
    commands = commands.subspan(some_commands.size());
    messages = messages.subspan(some_messages.size());
    Result<Appended> run = is_first ? append_some(entry, positions, some_commands, some_messages)
                                    : append_some({}, {}, some_commands, some_messages);
    if (is_first) {
      if (!run) return run;
      appended = std::move(run);
    } else if (run) {
      appended->live.add(std::move(run->live));
    } else {  // The entry is in: what is left of the live values is not worth an error.
      appended->live.add(run.error().message, some_commands.size() + some_messages.size() +
                                                  commands.size() + messages.size());
      break;
    }
  }
  return appended;
}

Result<Appended> JournalWriter::append_some(const std::string& entry,
                                            std::span<const LanePosition> positions,
                                            std::span<LiveCommand> commands,
                                            std::span<const LiveMessage> messages) {
  std::vector<Command> transaction{{"MULTI"}};
  transaction.reserve(2 * commands.size() + messages.size() + 8);
  const bool has_entry = !entry.empty();
  DDT_CHECK(has_entry || positions.empty());
  if (has_entry) {
    transaction.push_back({"XADD", keys_.journal, "*", "b", entry});
    transaction.push_back(positions_command(positions));
  }
  live_.put(commands, is_only_sidecar_, transaction);
  Appended appended;
  push_messages(messages, transaction, appended.live);
  Result<std::vector<Reply>> replies = transact(std::move(transaction));
  if (!replies && replies.error().code == kTransactionRefused && has_entry &&
      commands.size() + messages.size() > 0) {
    // A live write was refused before anything ran (memory, a right that is missing): the entry goes alone.
    live_ = LiveWrites();
    Result<Appended> alone = append_some(entry, positions, {}, {});
    if (!alone) return alone;
    alone->live.add(replies.error().message, commands.size() + messages.size());
    return alone;
  }
  if (!replies) return replies.error();
  std::span<const Reply> answers(*replies);
  if (has_entry) {
    const Reply &added = answers[0], &moved = answers[1];
    if (added.is_error() || moved.is_error())
      return append_error(keys_, added.is_error() ? added.text : moved.text);
    appended.id = added.text;
    answers = answers.subspan(2);
  }
  appended.live.add(live_.answered(answers));
  return appended;
}

Result<LiveFailures> JournalWriter::write_together(std::vector<Command> commands) {
  commands.insert(commands.begin(), {"MULTI"});
  const Result<std::vector<Reply>> replies = transact(std::move(commands));
  if (!replies) return replies.error();
  LiveFailures failures;
  for (const Reply& reply : *replies) {
    if (reply.is_error()) failures.add(reply.text);
  }
  return failures;
}

Command JournalWriter::positions_command(std::span<const LanePosition> positions) const {
  Command arguments{"2", keys_.journal, keys_.positions};
  arguments.reserve(arguments.size() + 2 * positions.size());
  for (const LanePosition& lane : positions) {
    arguments.push_back(lane_field(lane.lane));
    arguments.push_back(text_of(lane));
  }
  return kPositionsScript.command(std::move(arguments));
}

// Those of one profile as one message; its seq is kept before it goes out.
void JournalWriter::push_messages(std::span<const LiveMessage> messages,
                                  std::vector<Command>& transaction, LiveFailures& failures) {
  if (messages.empty()) return;
  if (!seqs_are_kept_) {
    failures.add("redis: " + keys_.seq + " is a key of another type: nothing is published",
                 messages.size());
    return;
  }
  struct Lines {
    std::string_view channel;
    std::string text;
  };
  constexpr std::size_t kUsualLines = 4;
  std::map<std::int32_t, Lines> of_profile;
  for (const LiveMessage& message : messages) {
    Lines& lines = of_profile[message.profile_id];
    lines.channel = message.channel;
    if (lines.text.empty()) lines.text.reserve(kUsualLines * (message.tail.size() + 64));
    if (!lines.text.empty()) lines.text += '\n';
    lines.text.append("{\"type\":\"update\",\"seq\":")
        .append(std::to_string(++seqs_[message.profile_id]))
        .append(message.tail);
  }
  Command keep{"HSET", keys_.seq};
  for (const auto& [profile_id, lines] : of_profile) {
    keep.push_back(std::to_string(profile_id));
    keep.push_back(std::to_string(seqs_[profile_id]));
  }
  transaction.push_back(std::move(keep));
  for (auto& [profile_id, lines] : of_profile)
    transaction.push_back({"PUBLISH", std::string(lines.channel), std::move(lines.text)});
}

Result<std::uint64_t> JournalWriter::journal_bytes() {
  Result<Reply> reply = client_.run({"MEMORY", "USAGE", keys_.journal});
  if (!reply) return reply.error();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, reply->integer));  // nil: no entry
}

Status JournalWriter::forget(std::span<const model::LaneName> lanes) {
  Command remove{"HDEL", keys_.positions};
  for (const model::LaneName& lane : lanes) remove.push_back(lane_field(lane));
  const Result<std::vector<Reply>> replies = transact({{"MULTI"}, std::move(remove)});
  if (!replies) return replies.error();
  if (replies->front().is_error())
    return Error{"redis: forget lanes in " + keys_.positions + ": " + replies->front().text, true,
                 0};
  return Done{};
}

}  // namespace ddt::redis
