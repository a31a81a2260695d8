-- Idempotency in nginx, as a good infrastructure engineer would write it.
--
-- One trip to Redis claims a key (SET NX GET), one keeps the answer before it is told. A record is either
--   "P" fingerprint                                      the first call is under way
--   "C" fingerprint status length-prefixed fields, body  its answer
-- The fingerprint is HMAC-SHA256 over method, target, content type, caller and body.
--
-- What it does not do: no fence and no owner (a claim that outlives LEASE is granted again, and a late answer overwrites
-- whatever is there), no unknown (after LEASE the call is sent a second time), no tombstones, no durability but Redis's.

local ffi = require "ffi"
local redis = require "nginx.redis"

ffi.cdef [[
const void *EVP_sha256(void);
unsigned char *HMAC(const void *md, const void *key, int key_len,
                    const unsigned char *data, size_t length, unsigned char *out, unsigned int *out_length);
]]

local PORT = tonumber(ngx.var.redis_port)
local LEASE, RETENTION = 95000, 86400000 -- milliseconds
local SECRET = "0123456789abcdef0123456789abcdef"
local DIGEST = 32
local SHA256 = ffi.C.EVP_sha256()
local buffer = ffi.new("unsigned char[?]", DIGEST)
local concat, char, sub, byte, floor = table.concat, string.char, string.sub, string.byte, math.floor
local METHODS = { POST = ngx.HTTP_POST, PATCH = ngx.HTTP_PATCH }
local NOT_KEPT = { ["set-cookie"] = true, ["connection"] = true, ["transfer-encoding"] = true, ["content-length"] = true }

local M = {}

local function hmac(text)
    ffi.C.HMAC(SHA256, SECRET, #SECRET, text, #text, buffer, nil)
    return ffi.string(buffer, DIGEST)
end

local function prefixed(text)
    local n = #text
    return char(floor(n / 16777216) % 256, floor(n / 65536) % 256, floor(n / 256) % 256, n % 256) .. text
end

local function piece(text, at)
    local a, b, c, d = byte(text, at, at + 3)
    local n = ((a * 256 + b) * 256 + c) * 256 + d
    return sub(text, at + 4, at + 3 + n), at + 4 + n
end

local function refuse(status, title)
    ngx.status = status
    ngx.header["Content-Type"] = "application/problem+json"
    ngx.print('{"title":"', title, '","status":', status, "}")
    return ngx.exit(status)
end

-- One command on a pooled connection.
local function ask(...)
    local connection = redis:new()
    connection:set_timeout(2000)
    local ok, fault = connection:connect("127.0.0.1", PORT)
    if not ok then
        return nil, fault
    end
    local answer
    answer, fault = connection:set(...)
    if answer == nil then
        return nil, fault
    end
    connection:set_keepalive(60000, 512)
    return answer
end

local function body_of_request()
    ngx.req.read_body()
    local body = ngx.req.get_body_data()
    if body then
        return body
    end
    local name = ngx.req.get_body_file()
    if not name then
        return ""
    end
    local file = assert(io.open(name, "rb"))
    body = file:read("*a")
    file:close()
    return body
end

local function packed(fingerprint, answer)
    local parts, n = { "C", fingerprint, char(floor(answer.status / 256), answer.status % 256) }, 3
    for name, value in pairs(answer.header) do
        if not NOT_KEPT[name:lower()] then
            for _, each in ipairs(type(value) == "table" and value or { value }) do
                parts[n + 1], parts[n + 2] = prefixed(name), prefixed(each)
                n = n + 2
            end
        end
    end
    parts[n + 1], parts[n + 2] = prefixed(""), answer.body
    return concat(parts)
end

local function tell(status, body)
    ngx.status = status
    ngx.header["Content-Length"] = #body
    ngx.print(body)
    return ngx.exit(ngx.OK)
end

local function replay(record)
    local high, low = byte(record, DIGEST + 2, DIGEST + 3)
    local at, name, value = DIGEST + 4, nil, nil
    local fields = {}
    while true do
        name, at = piece(record, at)
        if name == "" then
            break
        end
        value, at = piece(record, at)
        local others = fields[name]
        if others then
            others[#others + 1] = value
        else
            fields[name] = { value }
        end
    end
    for each, values in pairs(fields) do
        ngx.header[each] = #values == 1 and values[1] or values
    end
    ngx.header["Idempotent-Replayed"] = "true"
    return tell(high * 256 + low, sub(record, at))
end

function M.serve()
    local key = ngx.var.http_idempotency_key
    if not key then
        return ngx.exec("/upstream" .. ngx.var.request_uri)
    end
    local method = METHODS[ngx.req.get_method()]
    if not method then
        return ngx.exec("/upstream" .. ngx.var.request_uri)
    end
    local body = body_of_request()
    local var = ngx.var
    local fingerprint = hmac(concat({
        ngx.req.get_method(), var.request_uri, var.http_content_type or "", var.http_authorization or "", body,
    }, "\0"))
    local name = "idem:" .. key
    local found, fault = ask(name, "P" .. fingerprint, "NX", "GET", "PX", LEASE)
    if found == nil then
        ngx.log(ngx.ERR, "redis: ", fault)
        return refuse(503, "The store does not answer")
    end
    if found ~= ngx.null then
        if sub(found, 2, DIGEST + 1) ~= fingerprint then
            return refuse(422, "Idempotency-Key is already used")
        end
        if byte(found) == 80 then
            return refuse(409, "A request is outstanding for this Idempotency-Key")
        end
        return replay(found)
    end
    local answer = ngx.location.capture("/upstream" .. var.request_uri, { method = method, body = body })
    if answer.truncated then
        return refuse(502, "The answer was cut")
    end
    local kept
    kept, fault = ask(name, packed(fingerprint, answer), "PX", RETENTION)
    if not kept then
        ngx.log(ngx.ERR, "redis: ", fault)
    end
    for each, value in pairs(answer.header) do
        if not NOT_KEPT[each:lower()] or each:lower() == "set-cookie" then
            ngx.header[each] = value
        end
    end
    return tell(answer.status, answer.body)
end

return M
