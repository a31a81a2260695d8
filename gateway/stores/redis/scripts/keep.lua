#!lua
-- Purpose: a copy in its place, unless the marker of an erasure stands there: it may have been on its way for long.
-- Keys:    1 the copy
-- Returns: 1 where the copy is written; 0 where its record was forgotten
-- Laws:    F3, F5
-- Arguments:
local GONE = ARGV[1]         -- the marker of this very record
local COPY = ARGV[2]
local UNTIL = ARGV[3]        -- when the copy ends, in milliseconds since 1970

if redis.call('GETRANGE', KEYS[1], 0, #GONE - 1) == GONE then return 0 end
redis.call('SET', KEYS[1], COPY, 'PXAT', UNTIL)
return 1
