#!lua flags=allow-oom
-- Purpose: the marker of an erasure in the place of whatever is there, also where the server takes nothing else any more.
-- Keys:    1 the copy
-- Returns: OK
-- Laws:    F5
-- Arguments:
local GONE = ARGV[1]         -- the marker of this very record
local UNTIL = ARGV[2]        -- when the marker ends, in milliseconds since 1970

return redis.call('SET', KEYS[1], GONE, 'PXAT', UNTIL)
