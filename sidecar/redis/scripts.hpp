// sidecar/redis/scripts.hpp — the Lua that runs inside Redis, where several keys change as one.
#pragma once

#include <string>
#include <string_view>

#include "sidecar/redis/client.hpp"

namespace ddt::redis {

// Sent as text every time: 3 KB beside an entry, the server keeps it compiled by its digest, and
// there is no state to lose when Redis is flushed or restarted (EVALSHA would need a second way for
// NOSCRIPT).
struct Script {
  std::string_view text;

  // keys_and_arguments: number of keys, keys, arguments. An error reply stays a Reply.
  Result<Reply> run(Client& client, Command keys_and_arguments) const;
};

// KEYS  journal, positions, fence, seq
// ARGV  token, entry,
//       n, n × (lane field, position),
//       n, n × (kind "plain"|"latest"|"field", ttl_s, event_time_ns, argc, argc arguments),
//       n, n × (profile, channel, tail)
// Gives {entry id, live failures, text of the first}, or the error FENCED taken | gone.
// HLEN comes first: a positions key of another type must be found before the entry is in.
inline constexpr Script kAppendScript{R"lua(
local fence = redis.call('GET', KEYS[3])
if not fence then return redis.error_reply('FENCED gone') end
if fence ~= ARGV[1] then return redis.error_reply('FENCED taken') end
redis.call('HLEN', KEYS[2])

local id = ''
if #ARGV[2] > 0 then id = redis.call('XADD', KEYS[1], '*', 'b', ARGV[2]) end

local at = 2
local function take() at = at + 1 return ARGV[at] end

local lanes = tonumber(take())
while lanes > 0 do
  local chunk = {}
  for _ = 1, math.min(lanes, 1000) do
    chunk[#chunk + 1] = take()
    chunk[#chunk + 1] = take()
  end
  redis.call('HSET', KEYS[2], unpack(chunk))
  lanes = lanes - #chunk / 2
end

local failures, first_failure = 0, ''
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    failures = failures + 1
    if failures == 1 then first_failure = reply.err end
    return nil
  end
  return reply
end

-- A TTL that is almost whole is left alone: renewing it is a write, and goes into the append-only file.
local function keep(key, ttl)
  local left = try('TTL', key)
  if left and left < ttl * 0.98 then try('EXPIRE', key, ttl) end
end

-- Nanoseconds do not fit a Lua number: decimal texts are compared.
local function is_later(a, b)
  local a_negative, b_negative = a:sub(1, 1) == '-', b:sub(1, 1) == '-'
  if a_negative ~= b_negative then return b_negative end
  if a_negative then a, b = b:sub(2), a:sub(2) end
  if #a ~= #b then return #a > #b end
  return a > b
end
local function may_replace(stored, time)
  local stored_time = stored and stored:match('^{"event_time_ns":"(%-?%d+)"')
  return not (stored_time and is_later(stored_time, time))
end

for _ = 1, tonumber(take()) do
  local kind, ttl, time = take(), take(), take()
  local arguments = {}
  for i = 1, tonumber(take()) do arguments[i] = take() end
  if kind == 'plain' and arguments[1] == 'EXPIRE' then
    keep(arguments[2], arguments[3])
  elseif kind == 'plain' then
    try(unpack(arguments))
  elseif kind == 'latest' then
    local stored = try('GET', arguments[1])
    if stored ~= nil and may_replace(stored, time) then
      try('SET', arguments[1], arguments[2], 'EX', ttl)
    end
  else
    local stored = try('HGET', arguments[1], arguments[2])
    if stored ~= nil and may_replace(stored, time) then
      try('HSET', arguments[1], arguments[2], arguments[3])
      keep(arguments[1], ttl)
    end
  end
end

-- The seqs of all messages of a profile are taken at once.
local messages = tonumber(take())
local count, seq = {}, {}
for i = 0, messages - 1 do
  local profile = ARGV[at + 1 + 3 * i]
  count[profile] = (count[profile] or 0) + 1
end
for profile, n in pairs(count) do
  local last = try('HINCRBY', KEYS[4], profile, n)
  if last then seq[profile] = last - n end
end
for _ = 1, messages do
  local profile, channel, tail = take(), take(), take()
  if seq[profile] then
    seq[profile] = seq[profile] + 1
    try('PUBLISH', channel, string.format('{"type":"update","seq":%.0f', seq[profile]) .. tail)
  end
end
return {id, failures, first_failure}
)lua"};

// KEYS  positions, fence · ARGV  token, lane fields
inline constexpr Script kForgetScript{R"lua(
local fence = redis.call('GET', KEYS[2])
if not fence then return redis.error_reply('FENCED gone') end
if fence ~= ARGV[1] then return redis.error_reply('FENCED taken') end
local removed = 0
for i = 2, #ARGV do removed = removed + redis.call('HDEL', KEYS[1], ARGV[i]) end
return removed
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
