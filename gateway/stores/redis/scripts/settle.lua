#!lua
-- Purpose: writes a settlement while its grant is the newest, or a decision while the record is the one that was judged;
--          else tells what is there.
-- Keys:    1 the record
-- Returns: {now, turns} where it is written; {now, record or nothing} where it is not
-- Laws:    2, 4, 5, 8, 9, 12, R1, R4, S3
-- Arguments:
local GRANT = ARGV[1]        -- fence and owner
local FROM = ARGV[2]         -- the states that it may find, turned by time, one letter each
local STATE = ARGV[3]        -- what the record becomes
local LASTS, KEY = tonumber(ARGV[4]), tonumber(ARGV[5])
local REST = ARGV[6]         -- the reason of an unknown, or the answer
local OWN = ARGV[7]          -- a decision's own fence and owner; empty: the grant's
local BY, NOTE = ARGV[8], ARGV[9]

local r = glance(KEYS[1])
local newest = r and r.fence .. r.owner == GRANT
if newest then unfold(r) end
while newest and turned(r) do end
if not newest or not string.find(FROM, r.state, 1, true) then
  return {now, redis.call('GET', KEYS[1])}
end
local fence = OWN == '' and r.fence or string.sub(OWN, 1, 8)
-- Of an ordinary call its completion is told by `since`.
if STATE ~= 'c' or r.history ~= '' then tell(r, now, string.lower(STATE), BY, NOTE, fence) end
r.state, r.fence, r.owner = STATE, fence, OWN == '' and r.owner or string.sub(OWN, 9)
r.turns = now + LASTS
r.expires = r.turns
r.forgets = r.turns + KEY
r.since = now
if STATE == 'u' or STATE == 'U' then
  r.reason = REST
  if r.work then r.work.at = now end
else
  r.work = nil
end
if STATE == 'r' then
  r.identity, r.sent = '', 0
end
put(KEYS[1], r, STATE == 'c' and REST)
-- Word to those who wait for it, if any. A user who may not publish settles all the same.
redis.pcall('PUBLISH', KEYS[1], '')
return {now, r.turns}
