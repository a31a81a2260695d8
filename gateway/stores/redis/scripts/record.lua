-- Purpose: the written form of a record, and how one is read, turned by time and put in its place. Stands before every
--          other script, and is the only Lua that knows the layout (layout.py is the only Python that does).
-- Defines: now, glance(key), unfold(record), open(key), tell(record, ...), turned(record), put(key, record, answer),
--          forget(key, record); no keys, no arguments of its own.
-- Laws:    8 (the clock is this server's), 3 and 9 (what time does), 9 (damage is told from absence), R4, S4.
--
-- A record is one string, integers big-endian, instants in milliseconds since 1970:
--
--   version 1 | state 1 | fence 8 | owner 16 | turns 8 | expires 8 | forgets 8 | created 8 | sent 8 | since 8
--   | lengths of the five: identity 2, route 2, key id 1, holder 1, history 4 | sum 16 | identity | route
--   | key id | holder | history | rest
--
-- state: f in flight, u unknown (F, U: taken over), c completed, r released, e expired.
-- turns: when time turns it; expires: when it is a tombstone at the latest, of a tombstone: since when; forgets: when it
-- may be purged; created: the newest grant; since: when it became what it is (an unknown is asked).
-- holder: nothing, or the length of what its keys are counted under 1, 0 where they are not | that | the caller's name.
-- history: empty while nothing out of the ordinary has happened; the grant and the completion are told by created and
-- since. Else their number 1, and of each: length 2 | at 8 | what 1 | fence 8 | length of who 1 | who | note.
-- rest: f retention of the answer 8 | work; u length of the reason 1 | reason | work; c the answer under its own seal.
-- work: nothing, or when the upstream is asked next 8 | asks 4 | absent 4 | let go 1 | taken by 16 | values, sealed.
-- sum: over the key and everything but itself and an answer, so that no flipped bit and no record of another key opens.
--
-- Each record stands in sorted sets: of its state by `turns`, of its state by `created`, and, where it has them, of its
-- key id by `created`, of its holder by `created` and of its route's work by the next asking, all written in the same script. So these scripts touch
-- more than the one key they are given: they need a server that is no cluster, and say so at the start.
local LAYOUT, HEADER, PLAIN, FRONT = '>Bc1c8c16I8I8I8I8I8I8I2I2I1I1I4', 84, 100, 4096
local WORK, WORK_SIZE = '>I8I4I4I1c16', 33
local FIRST, LAST = 20, 80
local LEASE_OVER = 'lease-over'
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

local function made(state)
  return INDEX[state] .. ':made'
end

-- The sorted sets that a record stands in, and its score in each.
local function places(r)
  local of = {[INDEX[r.state]] = r.turns, [made(r.state)] = r.created}
  if r.key_id ~= '' then of['ig:key:' .. r.key_id] = r.created end
  local counted = string.byte(r.holder) or 0
  if counted > 0 then of['ig:held:' .. string.sub(r.holder, 2, counted + 1)] = r.created end
  if r.work then of['ig:asks:' .. r.route] = r.work.at end
  return of
end

local function read_work(text)
  if text == '' then return nil end
  local w = {values = string.sub(text, WORK_SIZE + 1)}
  w.at, w.asks, w.absent, w.done, w.taken = struct.unpack(WORK, text)
  return w
end

local function write_work(w)
  return w and struct.pack(WORK, w.at, w.asks, w.absent, w.done, w.taken) .. w.values or ''
end

local function read_rest(r, rest)
  if r.state == 'f' or r.state == 'F' then
    r.promise, r.work = string.sub(rest, 1, 8), read_work(string.sub(rest, 9))
  elseif r.state == 'u' or r.state == 'U' then
    local size = string.byte(rest)
    r.reason, r.work = string.sub(rest, 2, size + 1), read_work(string.sub(rest, size + 2))
  end
end

local function write_rest(r)
  if r.state == 'f' or r.state == 'F' then return r.promise .. write_work(r.work) end
  if r.state == 'u' or r.state == 'U' then return string.char(#r.reason) .. r.reason .. write_work(r.work) end
  return ''
end

-- What a record is and until when; nil where there is none, false where it does not open. A long answer is not read.
local function glance(key)
  local text = redis.call('GETRANGE', key, 0, FRONT - 1)
  if text == '' and redis.call('EXISTS', key) == 0 then return nil end
  if #text < PLAIN then return false end
  local r = {}
  local version
  version, r.state, r.fence, r.owner, r.turns, r.expires, r.forgets, r.created, r.sent, r.since, r.identity, r.route,
    r.key_id, r.holder, r.history = struct.unpack(LAYOUT, text)
  if version ~= 1 or INDEX[r.state] == nil then return false end
  local whole, size = r.state ~= 'c', PLAIN + r.identity + r.route + r.key_id + r.holder + r.history
  if #text == FRONT and (whole or size > FRONT) then text = redis.call('GETRANGE', key, 0, whole and -1 or size - 1) end
  if not whole then text = string.sub(text, 1, size) end
  if sum(key, string.sub(text, 1, HEADER), string.sub(text, PLAIN + 1)) ~= string.sub(text, HEADER + 1, PLAIN) then
    return false
  end
  r.text = text
  return r
end

-- The parts of a record that was glanced at, in the place of their lengths; and where it stood.
local function unfold(r)
  local at = PLAIN
  local function piece(size)
    at = at + size
    return string.sub(r.text, at - size + 1, at)
  end
  r.identity, r.route, r.key_id = piece(r.identity), piece(r.route), piece(r.key_id)
  r.holder, r.history = piece(r.holder), piece(r.history)
  read_rest(r, string.sub(r.text, at + 1))
  r.stood = places(r)
  return r
end

local function open(key)
  local r = glance(key)
  return r and unfold(r)
end

local function write(r, at, what, by, note, fence)
  local event = struct.pack('>I8c1c8I1', at, what, fence, #by) .. by .. note
  local events, count = string.sub(r.history, 2), string.byte(r.history) or 0
  if count == FIRST + LAST then
    local from = 1
    for _ = 1, FIRST do from = from + 2 + struct.unpack('>I2', events, from) end
    local to = from + 2 + struct.unpack('>I2', events, from)
    events, count = string.sub(events, 1, from - 1) .. string.sub(events, to), count - 1
  end
  r.history = string.char(count + 1) .. events .. struct.pack('>I2', #event) .. event
end

-- One more event, before the record becomes what it makes of it; what was ordinary until now is told with it.
local function tell(r, at, what, by, note, fence)
  if r.history == '' then
    write(r, r.created, 'g', '', '', r.fence)
    if r.state == 'c' or r.state == 'e' then write(r, r.since, 'c', '', '', r.fence) end
    if r.state == 'e' then write(r, r.expires, 'e', 'time', '', r.fence) end
  end
  write(r, at, what, by, note, fence or r.fence)
end

-- One turn that time has made of the record by now; false where it made none, or may forget it.
local function turned(r)
  if r.turns > now or r.state == 'r' or r.state == 'e' then return false end
  if r.state == 'f' or r.state == 'F' then
    tell(r, r.turns, 'u', 'time', LEASE_OVER)
    r.state, r.since, r.turns, r.reason = r.state == 'f' and 'u' or 'U', r.turns, r.expires, LEASE_OVER
    return true
  end
  -- That an answer expired is told by `expires`.
  if r.state ~= 'c' or r.history ~= '' then tell(r, r.turns, 'e', 'time', '') end
  r.state, r.expires, r.turns, r.work = 'e', r.turns, r.forgets, nil
  return true
end

-- Writes the record over what is there, and moves it to its places.
local function put(key, r, answer)
  local body = r.identity .. r.route .. r.key_id .. r.holder .. r.history .. write_rest(r)
  local header = struct.pack(LAYOUT, 1, r.state, r.fence, r.owner, r.turns, r.expires, r.forgets, r.created, r.sent,
    r.since, #r.identity, #r.route, #r.key_id, #r.holder, #r.history)
  redis.call('SET', key, header .. sum(key, header, body) .. body .. (answer or ''))
  local member, stood, stands = string.sub(key, 4), r.stood or {}, places(r)
  for name in pairs(stood) do
    if not stands[name] then redis.call('ZREM', name, member) end
  end
  for name, score in pairs(stands) do
    if stood[name] ~= score then redis.call('ZADD', name, score, member) end
  end
end

local function forget(key, r)
  redis.call('DEL', key)
  for name in pairs(r.stood) do redis.call('ZREM', name, string.sub(key, 4)) end
end
