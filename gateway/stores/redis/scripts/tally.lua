#!lua flags=no-writes
-- Purpose: some of the calls that are stored as in flight, or as unknown, by route and by what time has made of them.
-- Keys:    none
-- Returns: {now, how many are stored so, looked at, then of each: route, letter, number, since when the oldest}
-- Laws:    3
-- Arguments:
local STATE = ARGV[1]
local FIRST_ONE, MOST = tonumber(ARGV[2]), tonumber(ARGV[3])   -- by creation, oldest first; the first is 0

local seen = redis.call('ZRANGE', made(STATE), FIRST_ONE, FIRST_ONE + MOST - 1)
local groups, order = {}, {}

local function count(route, letter, since)
  local name = letter .. route
  local group = groups[name]
  if not group then
    group = {route = route, letter = letter, number = 0, since = since}
    groups[name] = group
    order[#order + 1] = group
  end
  group.number, group.since = group.number + 1, math.min(group.since, since)
end

for _, member in ipairs(seen) do
  local r = open('ig:' .. member)
  while r and turned(r) do end
  local letter = r and string.lower(r.state)
  if letter == 'f' then count(r.route, 'f', r.created) end
  if letter == 'u' then count(r.route, 'u', r.since) end
end
local told = {now, redis.call('ZCARD', made(STATE)), #seen}
for _, group in ipairs(order) do
  for _, each in ipairs({group.route, group.letter, group.number, group.since}) do told[#told + 1] = each end
end
return told
