"""Atomic operations of the job store, as Lua scripts that run in Redis or Valkey.

KEYS[1] is the prefix of all keys of jobs, KEYS[2] is the hash of leases. ARGV[1] is the id of the job, or empty. A hash
holds the size of each job by its id, and the sum of all sizes as `total`.

If there is no room, jobs that have ended are evicted: those of the owner with the most bytes, the oldest first. Slots
and bytes of jobs that wait or run are shared by dynamic thresholds: an owner may hold as much of them as is free.
Hence, n owners who want all of them get 1 of n + 1 parts each, and one part is left for a newcomer.

Scripts that record the state of a job also run when the server has no memory left: otherwise the jobs that filled it
could not be cancelled.

Source: Choudhury & Hahne (1998), 10.1109/90.664262.
"""

from lindyn.wire.job import FINAL

JOB_BYTES = 1024  # of a job without its request and its result

# return values of scripts that refuse a job
TOO_MANY, TOO_MANY_OF_OWNER, NO_SLOT_FOR_OWNER, NO_BYTES_FOR_OWNER = -1, -2, -3, -4

_IN_FULL_SERVERS = "#!lua flags=allow-oom\n"
_ELSE = "#!lua\n"

_COMMON = (
    f"""
local TOO_MANY, TOO_MANY_OF_OWNER = {TOO_MANY}, {TOO_MANY_OF_OWNER}
local NO_SLOT_FOR_OWNER, NO_BYTES_FOR_OWNER = {NO_SLOT_FOR_OWNER}, {NO_BYTES_FOR_OWNER}
"""
    + """
local jobs, id = KEYS[1], ARGV[1]
local active, sizes, finished = jobs .. ':active', jobs .. ':sizes', jobs .. ':finished'
local function key_of(id) return jobs .. ':' .. id end
local function number(value)
    local n = tonumber(value)
    if not n or n ~= n or n < 0 or n > 1e15 then return 0 end
    return n
end
local function size_of(id) return number(redis.call('HGET', sizes, id)) end
local function set_size(id, size)
    local total = size_of('total') + size - size_of(id)
    if size == 0 then redis.call('HDEL', sizes, id) else redis.call('HSET', sizes, id, size) end
    redis.call('HSET', sizes, 'total', math.max(total, 0))
end
local function owner_of(id)
    local owner = redis.pcall('HGET', key_of(id), 'owner')
    return type(owner) == 'string' and owner or ''
end
local function forget(id)
    local owner = owner_of(id)
    set_size(id, 0)
    redis.call('DEL', key_of(id), key_of(id) .. ':request', key_of(id) .. ':result')
    redis.call('ZREM', jobs, id)
    redis.call('ZREM', jobs .. ':of:' .. owner, id)
    redis.call('ZREM', finished, id)
    redis.call('SREM', active, id)
end
local function has_room(id, owner, size, max_bytes)
    local excess = size_of('total') - size_of(id) + size - max_bytes
    if excess <= 0 then return true end
    local bytes, ended, victims = {[owner] = size}, {}, {}
    for _, other in ipairs(redis.call('ZRANGE', finished, 0, 9999)) do
        if other ~= id then
            local other_owner = owner_of(other)
            bytes[other_owner] = (bytes[other_owner] or 0) + size_of(other)
            ended[other_owner] = ended[other_owner] or {oldest = 1}
            table.insert(ended[other_owner], other)
        end
    end
    while excess > 0 do
        local largest_owner
        for other_owner, queue in pairs(ended) do
            if queue[queue.oldest] and (not largest_owner or bytes[other_owner] > bytes[largest_owner]) then
                largest_owner = other_owner
            end
        end
        if not largest_owner then return false end
        local victim = ended[largest_owner][ended[largest_owner].oldest]
        ended[largest_owner].oldest = ended[largest_owner].oldest + 1
        bytes[largest_owner] = bytes[largest_owner] - size_of(victim)
        excess = excess - size_of(victim)
        victims[#victims + 1] = victim
    end
    for _, victim in ipairs(victims) do forget(victim) end
    return true
end
local function refusal(owner, size, max_bytes, max_active, max_active_per_owner)
    local all_jobs, all_bytes, own_jobs, own_bytes = 0, 0, 0, 0
    for _, other in ipairs(redis.call('SMEMBERS', active)) do
        local other_bytes = size_of(other)
        all_jobs, all_bytes = all_jobs + 1, all_bytes + other_bytes
        if owner_of(other) == owner then own_jobs, own_bytes = own_jobs + 1, own_bytes + other_bytes end
    end
    if all_jobs >= max_active then return TOO_MANY end
    if owner == '' then return 0 end
    if max_active_per_owner > 0 and own_jobs >= max_active_per_owner then return TOO_MANY_OF_OWNER end
    if own_jobs >= max_active - all_jobs then return NO_SLOT_FOR_OWNER end
    if own_bytes + size > max_bytes - all_bytes and own_jobs > 0 then return NO_BYTES_FOR_OWNER end
    return 0
end
local function finish(at, state, problem, size)
    redis.call('HSET', key_of(id), 'state', state, 'finished', at, 'problem', problem)
    redis.call('DEL', key_of(id) .. ':request')
    if state ~= 'done' then redis.call('DEL', key_of(id) .. ':result') end
    redis.call('SREM', active, id)
    redis.call('ZADD', finished, at, id)
    redis.pcall('HINCRBY', jobs .. ':ended', state, 1)
    set_size(id, tonumber(size))
end
"""
)
_FINISHED = "local s = redis.call('HGET', key_of(id), 'state')\n" + "if not s or {} then return 0 end\n".format(
    " or ".join(f"s == '{state}'" for state in FINAL)
)

# ARGV: empty, owner, size, max bytes of all jobs, max active jobs, max active jobs per owner or 0
ADMIT = f"""{_ELSE}{_COMMON}
local refused = refusal(ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
return refused == 0 and 1 or refused
"""
# ARGV: id, size, max bytes of all jobs, time, owner, request, max active jobs (0: not checked), max active jobs per
# owner or 0, then fields and values
CREATE = f"""{_ELSE}{_COMMON}
if redis.call('EXISTS', key_of(id)) == 1 then return 1 end
local size, max_bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local refused = ARGV[7] == '0' and 0 or refusal(ARGV[5], size, max_bytes, tonumber(ARGV[7]), tonumber(ARGV[8]))
if refused ~= 0 then return refused end
if not has_room(id, ARGV[5], size, max_bytes) then return 0 end
redis.call('HSET', key_of(id), unpack(ARGV, 9))
redis.call('SET', key_of(id) .. ':request', ARGV[6])
redis.call('ZADD', jobs, ARGV[4], id)
redis.call('ZADD', jobs .. ':of:' .. ARGV[5], ARGV[4], id)
redis.call('SADD', active, id)
set_size(id, tonumber(ARGV[2]))
return 1
"""
# ARGV: id, size, max bytes of all jobs
RESERVE = f"""{_ELSE}{_COMMON}
if not has_room(id, owner_of(id), tonumber(ARGV[2]), tonumber(ARGV[3])) then return 0 end
set_size(id, tonumber(ARGV[2]))
return 1
"""
# ARGV: id, name of the list of pieces until it is complete, number of pieces
PUBLISH = f"""{_ELSE}{_COMMON}
local part, result = key_of(id) .. ':result:' .. ARGV[2], key_of(id) .. ':result'
if redis.call('LLEN', part) ~= tonumber(ARGV[3]) then return 0 end
redis.call('RENAME', part, result)
redis.call('PERSIST', result)
return 1
"""
# ARGV: id, time
START = f"""{_IN_FULL_SERVERS}{_COMMON}{_FINISHED}
redis.call('HSET', key_of(id), 'state', 'running')
redis.call('HSETNX', key_of(id), 'started', ARGV[2])
return 1
"""
# ARGV: id, number of computed points
PROGRESS = f"""{_IN_FULL_SERVERS}{_COMMON}
if redis.call('EXISTS', key_of(id)) == 0 then return 0 end
redis.call('HSET', key_of(id), 'completed', ARGV[2])
return 1
"""
# ARGV: id, time, state, problem, size of what remains stored
FINISH = f"""{_IN_FULL_SERVERS}{_COMMON}{_FINISHED}
finish(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1
"""
# ARGV: id, time, size of what remains stored; a job without a valid lease ends at once, whatever its state
CANCEL = f"""{_IN_FULL_SERVERS}{_COMMON}{_FINISHED}
redis.call('HSET', key_of(id), 'cancel', '1')
local time, lease = redis.call('TIME'), redis.pcall('HGET', KEYS[2], 'job:' .. id)
local ends = type(lease) == 'string' and number(string.sub(lease, 33)) or 0
if s == 'queued' or ends <= time[1] * 1000 + math.floor(time[2] / 1000) then
    finish(ARGV[2], 'cancelled', '', ARGV[3])
end
return 1
"""
# ARGV: id
FORGET = f"""{_IN_FULL_SERVERS}{_COMMON}
forget(id)
return 1
"""
# removes invalid sizes and recomputes the total
RECOUNT = f"""{_IN_FULL_SERVERS}{_COMMON}
local all, total = redis.call('HGETALL', sizes), 0
for i = 1, #all, 2 do
    if all[i] ~= 'total' then
        local size = number(all[i + 1])
        if size == 0 then redis.call('HDEL', sizes, all[i]) end
        total = total + size
    end
end
redis.call('HSET', sizes, 'total', total)
return 1
"""
