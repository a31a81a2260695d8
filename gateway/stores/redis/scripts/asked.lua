#!lua flags=allow-oom
-- Purpose: notes what came of an asking, and lets the record go, while it is still taken by whoever asked.
-- Keys:    1 the record
-- Returns: 1 where it is noted, also by an earlier attempt of the same; 0 where the taking is over
-- Laws:    Q2, S5
-- Arguments:
local TAKEN = ARGV[1]
local ABSENT = tonumber(ARGV[2])
local AGAIN = tonumber(ARGV[3])   -- milliseconds until the next asking

local r = open(KEYS[1])
while r and turned(r) do end
local w = r and r.state ~= 'f' and r.state ~= 'F' and r.work
if not w or w.taken ~= TAKEN then return 0 end
if w.done == 0 then
  w.at, w.asks, w.absent, w.done = now + AGAIN, w.asks + 1, ABSENT, 1
  put(KEYS[1], r)
end
return 1
