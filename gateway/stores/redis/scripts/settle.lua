#!lua
-- Purpose: writes a settlement while its grant is the newest and the record is open; else tells what is there.
-- Keys:    1 the record
-- Returns: {now, turns} where the settlement is written; {now, record or nothing} where it is not
-- Laws:    2, 4, 5, 8, 9, S3
-- Arguments:
local GRANT = ARGV[1]        -- fence and owner
local FROM = ARGV[2]         -- the states that it may find, one letter each
local UNTIL = ARGV[3]        -- the deadline before which it takes effect: `turns` or `expires`
local STATE = ARGV[4]        -- what the record becomes
local LASTS, KEY = tonumber(ARGV[5]), tonumber(ARGV[6])
local REST = ARGV[7]

local r = open(KEYS[1])
if not r or r.fence .. r.owner ~= GRANT or not string.find(FROM, r.state, 1, true) or now >= r[UNTIL] then
  return {now, redis.call('GET', KEYS[1])}
end
r.state = STATE
r.turns = now + LASTS
r.expires = r.turns
r.forgets = r.turns + KEY
r.since = now
if STATE == 'r' then
  r.identity, r.created, r.sent = '', 0, 0
end
put(KEYS[1], r, REST)
-- Word to those who wait for it, if any. A user who may not publish settles all the same.
redis.pcall('PUBLISH', KEYS[1], '')
return {now, r.turns}
