// sidecar/redis/live_writes.hpp — writes of live values → Redis commands, with as few looks at Redis as can be.
//
// "Only forward in event time" is kept in two ways. What we wrote to a place ourselves is known here; while ours is
// the only sidecar nobody else writes there, and a value is written (or left out) without a look. Any other place is
// compared inside Redis, by a script whose every call costs about what five of Redis's own commands do.
//
// Pure but for what it remembers: of one connection that holds the fence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sidecar/redis/client.hpp"
#include "sidecar/redis/keys.hpp"

namespace ddt::redis {

// A write of live values. kinds:
//   plain    arguments = a whole command
//   latest   arguments = key, value: SET with TTL, unless the stored value is of a later event time
//   field    arguments = key, field, value: HSET, unless the field's value is of a later one
//   list     arguments = key, value…: LPUSH; cut to kept_max once it is a tenth longer
// For latest and field the value begins with {"event_time_ns":"<event_time_ns>" (live.cpp).
struct LiveCommand {
  enum class Kind : std::uint8_t { plain, latest, field, list };
  Kind kind = Kind::plain;
  Command arguments;
  std::int64_t event_time_ns = 0;
  int ttl_s = kLiveTtlS;  // 0: the key's TTL is left alone; not for latest
  std::size_t kept_max = 0;
};

// Becomes {"type":"update","seq":N<tail>: the writer knows N. tail begins with a comma and
// ends the object: ,"ts":"…","data":{…}}. Those of an append and a profile are published as one, a line each.
struct LiveMessage {
  std::int32_t profile_id = 0;
  std::string channel, tail;
};

struct LivePart {
  std::vector<LiveCommand> commands;
  std::vector<LiveMessage> messages;
};

struct LiveFailures {
  std::uint64_t count = 0;
  std::string first;  // its text
  void add(std::string_view text, std::uint64_t times = 1);
  void add(LiveFailures more);
};

class LiveWrites {
 public:
  // Puts the Redis commands for `writes` behind those in `commands`; what they move from is spent.
  void put(std::span<LiveCommand> writes, bool is_only_sidecar, std::vector<Command>& commands);

  // What Redis answered to the commands of the last put(), from the first of them on.
  LiveFailures answered(std::span<const Reply> replies);

 private:
  static constexpr std::size_t kPlacesMax =
      100'000;  // orders come and go; beyond, all are looked at again

  struct Look {
    std::string place;
    std::int64_t event_time_ns;
  };
  struct Push {
    std::size_t reply;  // its place among the replies
    std::string list;
    std::size_t kept_max;
    bool is_cut;
  };

  static std::string place_of(const LiveCommand& write);
  static void put_value(LiveCommand& write, std::int64_t& written_ns,
                        std::vector<Command>& commands);
  void put_list(LiveCommand& write, std::size_t first, std::vector<Command>& commands);

  std::unordered_map<std::string, std::int64_t> written_ns_;  // event times, by place
  std::unordered_map<std::string, std::size_t> lengths_;      // of lists
  std::vector<Look> looks_;  // of the last put(), in the script's order
  std::vector<Push> pushes_;
};

}  // namespace ddt::redis
