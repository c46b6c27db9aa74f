// sidecar/redis/scripts.hpp — the Lua that runs inside Redis, where several keys change as one.
#pragma once

#include <string>
#include <string_view>

#include "sidecar/redis/client.hpp"

namespace ddt::redis {

// Sent as text every time: 1 KB beside an entry, the server keeps it compiled by its digest, and
// there is no state to lose when Redis is flushed or restarted (EVALSHA would need a second way for
// NOSCRIPT).
struct Script {
  std::string_view text;

  // keys_and_arguments: number of keys, keys, arguments.
  Command command(Command keys_and_arguments) const;
  // An error reply stays a Reply.
  Result<Reply> run(Client& client, Command keys_and_arguments) const;
};

// KEYS  journal, positions · ARGV  (lane field, position)…
// Behind the XADD of an entry in the same transaction: moves the positions only if that has worked. An id that no
// stream takes is refused for that reason, or for the one that the entry was refused for.
inline constexpr Script kPositionsScript{R"lua(
local tried = redis.pcall('XADD', KEYS[1], 'NOMKSTREAM', '0-1', 'b', '')
if type(tried) ~= 'table' then return redis.error_reply('ERR the entry is not in ' .. KEYS[1]) end
if not string.find(tried.err, 'equal or smaller', 1, true) then return tried end
-- In portions that Lua's stack has room for.
for i = 1, #ARGV, 2000 do
  redis.call('HSET', KEYS[2], unpack(ARGV, i, math.min(i + 1999, #ARGV)))
end
return 'OK'
)lua"};

// KEYS  n keys · ARGV  n × (field or '', ttl_s, event_time_ns, value)
// Writes each value unless the one stored there is of a later event time. Gives per value 1 (written),
// 0 (not), or the text of an error.
inline constexpr Script kLatestScript{R"lua(
local run = redis.pcall
-- Nanoseconds do not fit a Lua number: decimal texts are compared.
local function is_later(a, b)
  local a_negative, b_negative = a:sub(1, 1) == '-', b:sub(1, 1) == '-'
  if a_negative ~= b_negative then return b_negative end
  if a_negative then a, b = b:sub(2), a:sub(2) end
  if #a ~= #b then return #a > #b end
  return a > b
end

-- Most are new: of them the first call is the only one.
local function write(key, field, ttl, time, value)
  local is_field, stored, reply = field ~= ''
  if not is_field then
    reply = run('SET', key, value, 'EX', ttl, 'NX')
    if reply then return reply.err or 1 end
  end
  if is_field then stored = run('HGET', key, field) else stored = run('GETRANGE', key, 0, 63) end
  if type(stored) == 'table' then return stored.err end
  local stored_time = stored and stored:match('^{"event_time_ns":"(%-?%d+)"')
  if stored_time and is_later(stored_time, time) then return 0 end
  if is_field then
    reply = run('HSET', key, field, value)
    if ttl ~= '0' then run('EXPIRE', key, ttl) end
  else
    reply = run('SET', key, value, 'EX', ttl)
  end
  return type(reply) == 'table' and reply.err or 1
end

local written = {}
for i, key in ipairs(KEYS) do
  written[i] = write(key, unpack(ARGV, 4 * i - 3, 4 * i))
end
return written
)lua"};

// KEYS  journal · ARGV  id, entries at most, bytes at most
// Gives {last id ever, (id, bytes)…}; the last id only where there is nothing to read, else ''.
inline constexpr Script kReadScript{R"lua(
local reply, id, bytes = {''}, ARGV[1], 0
local count_max, bytes_max = tonumber(ARGV[2]), tonumber(ARGV[3])
for _ = 1, count_max do
  local entry = redis.call('XRANGE', KEYS[1], '(' .. id, '+', 'COUNT', 1)[1]
  if not entry then break end
  local fields, value = entry[2], ''
  for i = 1, #fields, 2 do
    if fields[i] == 'b' then value = fields[i + 1] end
  end
  if #reply > 1 and bytes + #value > bytes_max then break end
  id = entry[1]
  bytes = bytes + #value
  reply[#reply + 1] = id
  reply[#reply + 1] = value
end
if #reply == 1 then
  reply[1] = '0-0'
  local info = redis.call('EXISTS', KEYS[1]) == 1 and redis.call('XINFO', 'STREAM', KEYS[1]) or {}
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then reply[1] = info[i + 1] end
  end
end
return reply
)lua"};

// KEYS  journal · Gives {length, bytes, first id, last id, now in ms}; the entries stay there.
inline constexpr Script kStatsScript{R"lua(
local now = redis.call('TIME')
local now_ms = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0, '', '0-0', now_ms} end
local length, first, last = 0, '', '0-0'
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'length' then length = info[i + 1] end
  if info[i] == 'last-generated-id' then last = info[i + 1] end
  if info[i] == 'first-entry' and info[i + 1] then first = info[i + 1][1] end
end
return {length, redis.call('MEMORY', 'USAGE', KEYS[1]) or 0, first, last, now_ms}
)lua"};

}  // namespace ddt::redis
