#!lua
-- Purpose: writes an answer, or the values for a reconciler, sealed anew, over just the bytes that were read.
-- Keys:    1 the record
-- Returns: 1 where it is written; 0 where the record is another by now, or holds other bytes
-- Laws:    6, 9, C1, C2
-- Arguments:
local EXPECTED = ARGV[1]     -- state, fence and owner of the record that was read
local OLD = ARGV[2]          -- the beginning of its answer, with all that is drawn by chance for it; or its values
local NEW = ARGV[3]

local r = glance(KEYS[1])
if not r or r.state .. r.fence .. r.owner ~= EXPECTED then return 0 end
if r.state == 'c' then
  local size = #r.text
  if redis.call('GETRANGE', KEYS[1], size, size + #OLD - 1) ~= OLD then return 0 end
  redis.call('SET', KEYS[1], r.text .. NEW)
  return 1
end
unfold(r)
if not r.work or r.work.values ~= OLD then return 0 end
r.work.values = NEW
put(KEYS[1], r)
return 1
