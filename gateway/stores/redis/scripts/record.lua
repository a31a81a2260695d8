-- Purpose: the written form of a record, and how one is read and put in its place. Stands before every other script,
--          and is the only Lua that knows the layout (records.py is the only Python that does).
-- Defines: now, open(key), put(key, record, rest), forget(key, record); no keys, no arguments of its own.
-- Laws:    8 (the clock is this server's), 9 (damage is told from absence), S4.
--
-- A record is one string, integers big-endian, instants in milliseconds since 1970:
--
--   version 1 | state 1 | fence 8 | owner 16 | turns 8 | expires 8 | forgets 8 | created 8 | sent 8 | since 8
--   | identity's length 4 | sum 16 | identity | rest
--
-- state: f in flight, u unknown (F, U: taken over), c completed, r released, e expired.
-- turns: when time turns it; expires: when it is a tombstone at the latest; forgets: when it may be purged; since: when
-- it became what it is (an unknown is asked).
-- rest: f retention of the answer 8, u the reason, c the answer under its own seal, r and e nothing.
-- sum: over the key and everything but itself and an answer, so that no flipped bit and no record of another key opens.
--
-- Each record stands in the sorted set of its state by `turns`, written in the same script. So these scripts touch
-- more than the one key they are given: they need a server that is no cluster, and say so at the start.
local LAYOUT, HEADER, PLAIN, FRONT = '>Bc1c8c16I8I8I8I8I8I8I4', 78, 94, 4096
local INDEX = {
  f = 'ig:in-flight', F = 'ig:in-flight', u = 'ig:unknown', U = 'ig:unknown',
  c = 'ig:completed', r = 'ig:released', e = 'ig:expired',
}
local UNREADABLE = 'ig:unreadable'

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function sum(key, header, rest)
  return string.sub(redis.sha1hex(key .. header .. rest), 1, 16)
end

-- The record in parts; nil where there is none, false where it does not open. A long answer is not read.
local function open(key)
  local text = redis.call('GETRANGE', key, 0, FRONT - 1)
  if text == '' and redis.call('EXISTS', key) == 0 then return nil end
  if #text < PLAIN then return false end
  local r = {}
  local version, size
  version, r.state, r.fence, r.owner, r.turns, r.expires, r.forgets, r.created, r.sent, r.since, size =
    struct.unpack(LAYOUT, text)
  if version ~= 1 or INDEX[r.state] == nil then return false end
  local whole = r.state ~= 'c'
  if #text == FRONT then text = redis.call('GETRANGE', key, 0, whole and -1 or PLAIN + size - 1) end
  local covered = string.sub(text, PLAIN + 1, whole and -1 or PLAIN + size)
  if sum(key, string.sub(text, 1, HEADER), covered) ~= string.sub(text, HEADER + 1, PLAIN) then return false end
  r.identity = string.sub(covered, 1, size)
  r.was = r.state
  return r
end

-- Writes the record over what is there, and moves it to its place among those of its state.
local function put(key, r, rest)
  local header = struct.pack(LAYOUT, 1, r.state, r.fence, r.owner, r.turns, r.expires, r.forgets, r.created, r.sent,
    r.since, #r.identity)
  local seal = sum(key, header, r.identity .. (r.state == 'c' and '' or rest))
  redis.call('SET', key, header .. seal .. r.identity .. rest)
  local member = string.sub(key, 4)
  if r.was and INDEX[r.was] ~= INDEX[r.state] then redis.call('ZREM', INDEX[r.was], member) end
  redis.call('ZADD', INDEX[r.state], r.turns, member)
end

local function forget(key, r)
  redis.call('DEL', key)
  redis.call('ZREM', INDEX[r.state], string.sub(key, 4))
end
