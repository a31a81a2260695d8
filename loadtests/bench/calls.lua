-- What wrk sends, and what it says of it at the end.
--
-- Arguments: kind, prefix, count, body.
--   kind    "none" (no key), "new" (a key that nobody has sent yet in each request) or "known" (keys 1 to count in turn)
--   prefix  of the keys of this load
--   count   of known keys
--   body    a file with the request's body
-- Prints one line of JSON: requests, seconds, errors by kind, requests made, latencies in microseconds.

local threads = {}
-- wrk asks for one request beforehand, to look at it, and sends it nowhere.
local number, count, kind, head, tail = -1, 0, "none", "", ""
made = -1

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    kind, count = args[1], tonumber(args[3])
    local file = assert(io.open(args[4], "rb"))
    wrk.method, wrk.body = "POST", file:read("*a")
    file:close()
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = "Bearer bench"
    if kind == "none" then
        head = wrk.format()
        return
    end
    -- The request is put together once; each one differs by what stands in the place of this mark.
    local mark = "K-E-Y"
    wrk.headers["Idempotency-Key"] = mark
    local whole = wrk.format()
    local from, to = whole:find(mark, 1, true)
    head, tail = whole:sub(1, from - 1) .. args[2], whole:sub(to + 1)
end

function request()
    made = made + 1
    if kind == "none" then
        return head
    end
    number = number + 1
    if kind == "known" and number > count then
        number = 1
    end
    return head .. number .. tail
end

function done(summary, latency)
    local all = 0
    for _, thread in ipairs(threads) do
        all = all + thread:get("made")
    end
    local errors = summary.errors
    io.write(string.format(
        '{"calls": %d, "seconds": %.6f, "made": %d, "not_2xx": %d, "broken": %d, "p50": %d, "p99": %d, "p999": %d}\n',
        summary.requests, summary.duration / 1e6, all, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)
    ))
end
