#include "sidecar/redis/live_writes.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "shm/base/check.hpp"
#include "sidecar/redis/scripts.hpp"

namespace ddt::redis {
namespace {

Command expire(const std::string& key, int ttl_s) { return {"EXPIRE", key, std::to_string(ttl_s)}; }

}  // namespace

void LiveFailures::add(std::string_view text, std::uint64_t times) {
  if (count == 0 && times > 0) first = text;
  count += times;
}

void LiveFailures::add(LiveFailures more) {
  if (count == 0) first = std::move(more.first);
  count += more.count;
}

// The key, and the field behind a byte that no key of ours has.
std::string LiveWrites::place_of(const LiveCommand& write) {
  std::string place = write.arguments[0];
  if (write.kind == LiveCommand::Kind::field) (place += '\0') += write.arguments[1];
  return place;
}

void LiveWrites::put(std::span<LiveCommand> writes, bool is_only_sidecar,
                     std::vector<Command>& commands) {
  looks_.clear();
  pushes_.clear();
  if (!is_only_sidecar || written_ns_.size() > kPlacesMax) written_ns_.clear();
  if (lengths_.size() > kPlacesMax) lengths_.clear();

  Command keys{""}, values;
  std::vector<std::int64_t*> known(writes.size());
  for (std::size_t i = 0; i < writes.size(); ++i) {
    LiveCommand& write = writes[i];
    DDT_CHECK(!write.arguments.empty());
    const bool is_field = write.kind == LiveCommand::Kind::field;
    if (!is_field && write.kind != LiveCommand::Kind::latest) continue;
    std::string place = place_of(write);
    if (const auto found = written_ns_.find(place); found != written_ns_.end()) {
      known[i] = &found->second;
      continue;
    }
    looks_.push_back({std::move(place), write.event_time_ns});
    keys.push_back(std::move(write.arguments[0]));
    values.push_back(is_field ? std::move(write.arguments[1]) : std::string());
    values.push_back(std::to_string(write.ttl_s));
    values.push_back(std::to_string(write.event_time_ns));
    values.push_back(std::move(write.arguments.back()));
    write.arguments.clear();
  }
  const std::size_t first = commands.size();
  if (!looks_.empty()) {
    keys.front() = std::to_string(looks_.size());
    std::ranges::move(values, std::back_inserter(keys));
    commands.push_back(kLatestScript.command(std::move(keys)));
  }
  for (std::size_t i = 0; i < writes.size(); ++i) {
    LiveCommand& write = writes[i];
    if (write.arguments.empty()) continue;
    switch (write.kind) {
      case LiveCommand::Kind::plain:
        commands.push_back(std::move(write.arguments));
        break;
      case LiveCommand::Kind::latest:
      case LiveCommand::Kind::field:
        put_value(write, *known[i], commands);
        break;
      case LiveCommand::Kind::list:
        put_list(write, first, commands);
        break;
    }
  }
}

void LiveWrites::put_value(LiveCommand& write, std::int64_t& written_ns,
                           std::vector<Command>& commands) {
  if (write.event_time_ns < written_ns) return;
  written_ns = write.event_time_ns;
  std::vector<std::string>& arguments = write.arguments;
  if (write.kind == LiveCommand::Kind::latest) {
    commands.push_back({"SET", std::move(arguments[0]), std::move(arguments[1]), "EX",
                        std::to_string(write.ttl_s)});
    return;
  }
  std::string key = arguments[0];
  commands.push_back(
      {"HSET", std::move(arguments[0]), std::move(arguments[1]), std::move(arguments[2])});
  if (write.ttl_s > 0) commands.push_back(expire(key, write.ttl_s));
}

void LiveWrites::put_list(LiveCommand& write, std::size_t first, std::vector<Command>& commands) {
  const std::string list = write.arguments.front();
  const std::size_t pushed = write.arguments.size() - 1;
  const auto known = lengths_.find(list);
  const bool is_cut =
      known == lengths_.end() || known->second + pushed > write.kept_max + write.kept_max / 10;
  pushes_.push_back({commands.size() - first, list, write.kept_max, is_cut});
  write.arguments.insert(write.arguments.begin(), "LPUSH");
  commands.push_back(std::move(write.arguments));
  if (is_cut) commands.push_back({"LTRIM", list, "0", std::to_string(write.kept_max - 1)});
  if (write.ttl_s > 0) commands.push_back(expire(list, write.ttl_s));
  if (known != lengths_.end()) known->second = is_cut ? write.kept_max : known->second + pushed;
}

LiveFailures LiveWrites::answered(std::span<const Reply> replies) {
  LiveFailures failures;
  for (const Reply& reply : replies) {
    if (reply.is_error()) failures.add(reply.text);
  }
  if (!looks_.empty() && !replies.empty()) {
    const std::vector<Reply>& written = replies.front().items;
    for (std::size_t i = 0; i < std::min(looks_.size(), written.size()); ++i) {
      if (written[i].kind == Reply::Kind::string) failures.add(written[i].text);
      // What was not written is not ours to know: the next one looks again.
      if (written[i].integer == 1)
        written_ns_[std::move(looks_[i].place)] = looks_[i].event_time_ns;
      else
        written_ns_.erase(looks_[i].place);
    }
  }
  for (const Push& push : pushes_) {
    if (push.reply >= replies.size()) continue;
    const Reply& reply = replies[push.reply];
    if (reply.kind != Reply::Kind::integer) continue;
    const auto length = static_cast<std::size_t>(reply.integer);
    lengths_[push.list] = push.is_cut ? std::min(length, push.kept_max) : length;
  }
  return failures;
}

}  // namespace ddt::redis
