-- KEYS[1]: the key. ARGV[1]: the offered value, laid out as in wire.rs. ARGV[2]: its life in ms.
-- Returns 1 if the value was taken; 0 if Redis has it or something newer, whose life stays as it is.
local offered = ARGV[1]
local current = redis.pcall('GET', KEYS[1])
local ours = type(current) == 'string' and #current >= 39
    and string.byte(current, 1) == string.byte(offered, 1)
    and struct.unpack('>I4', current, 28) == #current - 39
if ours then
    -- The rank, byte by byte: a Lua number holds only 53 bits, and Lua compares strings by the server's locale.
    for i = 3, 19 do
        local old, new = string.byte(current, i), string.byte(offered, i)
        if new > old then break end
        if new < old or i == 19 then return 0 end
    end
end
redis.call('SET', KEYS[1], offered, 'PX', ARGV[2])
return 1
