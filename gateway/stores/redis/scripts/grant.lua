#!lua
-- Purpose: writes a grant if the key is still as the claim was judged by; else tells what is there.
-- Keys:    1 the record, then where it would be under other digest keys
-- Returns: {now} where the grant is written; {now, record or nothing, the place of its key} where it is not
-- Laws:    1, 2, 8, 14, R4, S1, S4
-- Arguments:
local AUTHORITY = ARGV[1]    -- the role marker that the gateway found when it started
local EXPECTED = ARGV[2]     -- state, fence and owner of the record that was judged; empty: there was none
local BEFORE = ARGV[3]       -- the instant from which on the verdict may be another; empty: it stays
local STATE, FENCE, OWNER = ARGV[4], ARGV[5], ARGV[6]
local LEASE, UNKNOWN, KEY = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local SENT = ARGV[10]        -- the first sending of a call that is taken over; empty: now
local IDENTITY, PROMISE = ARGV[11], ARGV[12]
local ROUTE, KEY_ID = ARGV[13], ARGV[14]
local HOLDER = ARGV[15]      -- as a record has it
local VALUES = ARGV[16]      -- sealed; empty: nothing is ever asked about this call

-- A server that lost its marker lost its records too: what is not there proves nothing any more.
if redis.call('GET', 'ig:role') ~= AUTHORITY then return redis.error_reply('EMPTIED the role marker is not the same') end

local found = glance(KEYS[1])
local stamp = found and (found.state .. found.fence .. found.owner)
if found == nil then stamp = '' end
if stamp ~= EXPECTED or (BEFORE ~= '' and now >= tonumber(BEFORE)) then
  return {now, redis.call('GET', KEYS[1]), 1}
end
for at = 2, #KEYS do
  if redis.call('EXISTS', KEYS[at]) == 1 then return {now, redis.call('GET', KEYS[at]), at} end
end
local turns = now + LEASE
local r = {
  state = STATE, fence = FENCE, owner = OWNER, identity = IDENTITY, promise = PROMISE, route = ROUTE, key_id = KEY_ID,
  holder = HOLDER,
  turns = turns, expires = turns + UNKNOWN, forgets = turns + UNKNOWN + KEY,
  created = now, sent = SENT == '' and now or tonumber(SENT), since = 0, history = '',
}
if VALUES ~= '' then
  r.work = {at = turns, asks = 0, absent = 0, done = 0, taken = string.rep('\0', 16), values = VALUES}
end
if found then
  r.stood = unfold(found).stood
  while turned(found) do end
  -- A key that time has forgotten begins anew.
  if found.turns > now then
    tell(found, now, STATE == 'F' and 't' or 'g', '', '', FENCE)
    r.history = found.history
  end
end
put(KEYS[1], r)
return {now}
