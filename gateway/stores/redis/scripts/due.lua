#!lua flags=allow-oom
-- Purpose: takes unknown records whose next asking has come for one worker, oldest asking first.
-- Keys:    none
-- Returns: {now, then of each: id, fence, since, asks, absent, route, values}
-- Laws:    3, Q1, Q3
-- Arguments:
local TAKEN = ARGV[1]        -- the taking's own 16 bytes
local LASTS = tonumber(ARGV[2])
local LIMIT = tonumber(ARGV[3])
-- and the routes

local due = {}
for at = 4, #ARGV do
  local name = 'ig:asks:' .. ARGV[at]
  local found = redis.call('ZRANGEBYSCORE', name, '-inf', now, 'WITHSCORES', 'LIMIT', 0, LIMIT)
  for each = 1, #found, 2 do
    due[#due + 1] = {name = name, member = found[each], at = tonumber(found[each + 1])}
  end
end
table.sort(due, function(one, other) return one.at < other.at end)

local told = {now}
local function take(key, member, r)
  local w = r.work
  w.at, w.taken, w.done = now + LASTS, TAKEN, 0
  put(key, r)
  for _, each in ipairs({member, r.fence, r.since, w.asks, w.absent, r.route, w.values}) do told[#told + 1] = each end
end

for at = 1, math.min(#due, LIMIT) do
  local entry = due[at]
  local key = 'ig:' .. entry.member
  local r = open(key)
  while r and turned(r) do end
  if r and r.work and r.work.at <= now then
    take(key, entry.member, r)
  else
    -- An entry that does not tell the truth, or of an unknown that has expired.
    redis.call('ZREM', entry.name, entry.member)
    if r and r.work then redis.call('ZADD', 'ig:asks:' .. r.route, r.work.at, entry.member) end
  end
end
return told
