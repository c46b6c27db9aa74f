#include "bench/system/rewrite.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace ddt::bench {
namespace {

std::uint64_t number(std::string_view text, std::string_view what) {
  std::uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{})
    throw std::runtime_error("Redis does not tell " + std::string(what));
  return value;
}

redis::Reply reply_to(redis::Client& redis, const redis::Command& command) {
  auto reply = redis.run(command);
  if (!reply) throw std::runtime_error(reply.error().message);
  return std::move(*reply);
}

std::uint64_t setting(redis::Client& redis, const std::string& name) {
  const redis::Reply reply = reply_to(redis, {"CONFIG", "GET", name});
  return number(reply.items.size() == 2 ? reply.items[1].text : "", name);
}

}  // namespace

AppendOnlyFile append_only_file(redis::Client& redis) {
  const std::string info = reply_to(redis, {"INFO", "persistence"}).text;
  const auto field = [&info](const std::string& name) {
    const std::size_t found = info.find("\n" + name + ":");
    return number(found == std::string::npos
                      ? std::string_view{}
                      : std::string_view(info).substr(found + name.size() + 2),
                  name);
  };
  AppendOnlyFile file;
  file.bytes = field("aof_current_size");
  file.base_bytes = field("aof_base_size");
  file.limit_bytes = std::max(
      setting(redis, "auto-aof-rewrite-min-size"),
      file.base_bytes + file.base_bytes * setting(redis, "auto-aof-rewrite-percentage") / 100);
  file.is_rewritten = field("aof_rewrite_in_progress") + field("aof_rewrite_scheduled") > 0;
  return file;
}

void begin_rewrite(redis::Client& redis) { reply_to(redis, {"BGREWRITEAOF"}); }

}  // namespace ddt::bench
