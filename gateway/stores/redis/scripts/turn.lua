#!lua flags=allow-oom
-- Purpose: one small step of a sweep: writes down what time has made of the records of one state.
-- Keys:    1 the sorted set of that state
-- Returns: {turned, looked at}; less looked at than asked for: nothing more is due
-- Laws:    3, 9, S6
-- Arguments:
local LIMIT = ARGV[1]

-- An entry that does not tell the truth is mended, and is no turn.
local function mended(member, r)
  if r and INDEX[r.state] == KEYS[1] and r.turns <= now then return false end
  redis.call('ZREM', KEYS[1], member)
  if r then redis.call('ZADD', INDEX[r.state], r.turns, member) end
  -- Never purged, and no more in the way of others.
  if r == false then redis.call('ZADD', UNREADABLE, now, member) end
  return true
end

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, LIMIT)
local count = 0
for _, member in ipairs(due) do
  local key = 'ig:' .. member
  local r = open(key)
  if not mended(member, r) then
    if turned(r) then put(key, r) else forget(key, r) end
    count = count + 1
  end
end
return {count, #due}
