#!lua flags=no-writes
-- Purpose: records by the state that time has given them. What no sweep has turned yet is looked at one by one, up to
--          a number; beyond that each counts as what it turns into first.
-- Keys:    none
-- Returns: {in flight, completed, unknown, released, expired}
-- Laws:    3, 9
-- Arguments:
local MOST = tonumber(ARGV[1])

local counts = {}
for _, letter in ipairs({'f', 'c', 'u', 'r', 'e'}) do
  counts[letter] = redis.call('ZCOUNT', INDEX[letter], '(' .. now, '+inf')
end
for letter, becomes in pairs({f = 'u', c = 'e', u = 'e'}) do
  local due = redis.call('ZRANGEBYSCORE', INDEX[letter], '-inf', now, 'LIMIT', 0, MOST)
  for _, member in ipairs(due) do
    local r = glance('ig:' .. member)
    if r and now < r.forgets then
      local turned = now < r.expires and 'u' or 'e'
      counts[turned] = counts[turned] + 1
    end
  end
  if #due == MOST then
    counts[becomes] = counts[becomes] + redis.call('ZCOUNT', INDEX[letter], '-inf', now) - MOST
  end
end
return {counts.f, counts.c, counts.u, counts.r, counts.e}
