"""Lua scripts for many values at once, since a command for each key takes the client longer than the server."""

SIZES = """
local sizes = {}
for i, key in ipairs(KEYS) do
    local size = redis.pcall('STRLEN', key)
    sizes[i] = type(size) == 'number' and size or 0
end
return sizes
"""
"""Sizes of the values of some keys; keys of other types have no length."""

PUT = """
for i, key in ipairs(KEYS) do
    redis.call('SET', key, ARGV[i], 'PX', ARGV[#ARGV])
end
"""
"""Set each key to its argument; the last argument is the time to live in milliseconds."""
