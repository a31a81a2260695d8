#!lua flags=allow-oom
-- Purpose: the tombstone over a record, its answer with it, while it is still the one that was judged.
-- Keys:    1 the record
-- Returns: 1 where the tombstone is written; 0 where the record is another by now
-- Laws:    9, 11, K1, R4, S7
-- Arguments:
local EXPECTED = ARGV[1]     -- state, fence and owner of the record that was judged
local BY, NOTE = ARGV[2], ARGV[3]

local r = open(KEYS[1])
if not r or r.state .. r.fence .. r.owner ~= EXPECTED then return 0 end
while turned(r) do end
tell(r, now, 'f', BY, NOTE)
if r.state ~= 'e' then r.expires = now end
r.state, r.turns, r.work = 'e', r.forgets, nil
put(KEYS[1], r)
-- Word to all who may keep the answer, wherever they are; a user who may not publish forgets all the same.
redis.pcall('PUBLISH', 'ig:forgotten', string.sub(KEYS[1], 4))
return 1
