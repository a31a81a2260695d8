#!lua flags=allow-oom
-- Purpose: takes a copy or a hint away; the marker of an erasure stays.
-- Keys:    1 the copy
-- Returns: how many were taken away
-- Laws:    F5
-- Arguments:
local GONE = ARGV[1]         -- the marker of this very record

if redis.call('GETRANGE', KEYS[1], 0, #GONE - 1) == GONE then return 0 end
return redis.call('DEL', KEYS[1])
