#!lua flags=no-writes
-- Purpose: a record and the clock, of one moment.
-- Keys:    1 the record
-- Returns: {now, record or nothing}
-- Laws:    8
return {now, redis.call('GET', KEYS[1])}
