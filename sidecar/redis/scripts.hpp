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
//       n, n × (kind "latest", ttl_s, key, event_time_ns, value)
//          or  (kind "field", ttl_s, key, event_time_ns, field, value)
//          or  (kind "list", ttl_s, key, values kept at most, m, m values)
//          or  (kind "plain", argc, argc arguments),
//       n, n × (profile, its last seq),
//       n, n × (channel, payload)
// Gives {entry id, live failures, text of the first}, or the error FENCED taken | gone.
// HLEN comes first: a positions key of another type must be found before the entry is in.
// Every call out of Lua costs about what five of Redis's own commands do: there are as few as can be.
inline constexpr Script kAppendScript{R"lua(
local fence = redis.call('GET', KEYS[3])
if not fence then return redis.error_reply('FENCED gone') end
if fence ~= ARGV[1] then return redis.error_reply('FENCED taken') end
redis.call('HLEN', KEYS[2])

local id = ''
if #ARGV[2] > 0 then id = redis.call('XADD', KEYS[1], '*', 'b', ARGV[2]) end

local argv, at, run, match = ARGV, 2, redis.pcall, string.match
local function take() at = at + 1 return argv[at] end
local function take_all(n)
  at = at + n
  return unpack(argv, at - n + 1, at)
end
-- HSET of n pairs, in portions that Lua's stack has room for.
local function set_pairs(call, key, n)
  local reply
  while n > 0 do
    local some = math.min(n, 1000)
    reply = call('HSET', key, take_all(2 * some))
    n = n - some
  end
  return reply
end
set_pairs(redis.call, KEYS[2], tonumber(take()))

local failures, first_failure = 0, ''
local function done(reply)
  if type(reply) ~= 'table' or not reply.err then return reply end
  failures = failures + 1
  if failures == 1 then first_failure = reply.err end
end

-- Nanoseconds do not fit a Lua number: decimal texts are compared.
local function is_later(a, b)
  local a_negative, b_negative = a:sub(1, 1) == '-', b:sub(1, 1) == '-'
  if a_negative ~= b_negative then return b_negative end
  if a_negative then a, b = b:sub(2), a:sub(2) end
  if #a ~= #b then return #a > #b end
  return a > b
end
-- nil: what is stored could not be read.
local function may_replace(stored, time)
  if stored == nil then return false end
  local stored_time = stored and match(stored, '^{"event_time_ns":"(%-?%d+)"')
  return not (stored_time and is_later(stored_time, time))
end

for _ = 1, tonumber(take()) do
  local kind = take()
  if kind == 'latest' then
    local ttl, key, time, value = take_all(4)
    if may_replace(done(run('GETRANGE', key, 0, 63)), time) then
      done(run('SET', key, value, 'EX', ttl))
    end
  elseif kind == 'plain' then
    done(run(take_all(tonumber(take()))))
  else
    local ttl, key, was_written = take_all(2)
    if kind == 'field' then
      local time, field, value = take_all(3)
      was_written = may_replace(done(run('HGET', key, field)), time)
        and done(run('HSET', key, field, value))
    else
      local kept_max = tonumber(take())
      local length = done(run('LPUSH', key, take_all(tonumber(take()))))
      -- A tenth too long is left alone: each cut is a write of its own.
      if length and length > kept_max * 1.1 then done(run('LTRIM', key, 0, kept_max - 1)) end
      was_written = length
    end
    if was_written and ttl ~= '0' then done(run('EXPIRE', key, ttl)) end
  end
end

local profiles = tonumber(take())
local seqs_are_kept = profiles == 0 or done(set_pairs(run, KEYS[4], profiles))
for _ = 1, tonumber(take()) do
  local channel, payload = take_all(2)
  if seqs_are_kept then done(run('PUBLISH', channel, payload)) end
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
