#!lua
-- Purpose: a fact gives way to another, unless somebody was quicker.
-- Keys:    1 the fact
-- Returns: the fact as it stands now
-- Laws:    S5
-- Arguments:
local EARLIER, PROPOSED = ARGV[1], ARGV[2]

local kept = redis.call('GET', KEYS[1])
if not kept or kept == EARLIER then
  redis.call('SET', KEYS[1], PROPOSED)
  return PROPOSED
end
return kept
