#!lua flags=no-writes
-- Purpose: a stretch of the list, newest first, each record without its answer.
-- Keys:    none
-- Returns: {now, then of each: created, id, record; empty where there is none that opens}
-- Laws:    R3
-- Arguments:
local STATE = ARGV[1]        -- one letter: what is stored as that, or may have become it; empty: everything
local AT, ID = ARGV[2], ARGV[3]   -- what is listed is older than this place; AT +inf: from the newest on
local SINCE = ARGV[4]        -- and no older than this
local MOST = tonumber(ARGV[5])
-- and the ids of a key, where the list is of one

-- What else time may have turned into a state, where no sweep came by yet; and how many such are looked for.
local BECOMES = {u = {'f'}, e = {'c', 'u', 'f'}}
local OVERDUE = 200

local last = AT == '+inf' and math.huge or tonumber(AT)
local found = {}

-- Ids compare as bytes; Lua's own order is that of the server's language.
local function less(one, other)
  for at = 1, math.min(#one, #other) do
    local a, b = string.byte(one, at), string.byte(other, at)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local function add(member, score)
  if score < last or (score == last and less(member, ID)) then found[#found + 1] = {member = member, score = score} end
end

local function scan(name)
  -- Of those that were made at once some may come before the place.
  local most = MOST + (last < math.huge and redis.call('ZCOUNT', name, AT, AT) or 0)
  local seen = redis.call('ZREVRANGEBYSCORE', name, AT, SINCE, 'WITHSCORES', 'LIMIT', 0, most)
  for at = 1, #seen, 2 do add(seen[at], tonumber(seen[at + 1])) end
end

local function overdue(letter)
  local due = redis.call('ZRANGEBYSCORE', INDEX[letter], '-inf', now, 'LIMIT', 0, OVERDUE)
  if #due == OVERDUE then return scan(made(letter)) end
  for _, member in ipairs(due) do
    local score = redis.call('ZSCORE', made(letter), member)
    if score then add(member, tonumber(score)) end
  end
end

if #ARGV > 5 then
  for at = 6, #ARGV do
    scan('ig:key:' .. ARGV[at])
    local r = glance('ig:' .. ARGV[at])
    if r then add(ARGV[at], r.created) end
  end
elseif STATE == '' then
  for _, letter in ipairs({'f', 'u', 'c', 'r', 'e'}) do scan(made(letter)) end
else
  scan(made(STATE))
  for _, letter in ipairs(BECOMES[STATE] or {}) do overdue(letter) end
end
table.sort(found, function(one, other)
  if one.score ~= other.score then return one.score > other.score end
  return less(other.member, one.member)
end)

local told = {now}
for at = 1, math.min(#found, MOST) do
  local each = found[at]
  local r = glance('ig:' .. each.member)
  for _, part in ipairs({each.score, each.member, r and r.text or ''}) do told[#told + 1] = part end
end
return told
