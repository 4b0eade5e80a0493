-- KEYS[1]: the key. ARGV[1]: what has to stand there, or '' for nothing. ARGV[2]: what shall stand there, or
-- '' for nothing. ARGV[3]: its life in ms, or '' for what is left of the life of what stood there.
-- Returns 1 if it was done, otherwise what stands there.
local current = redis.pcall('GET', KEYS[1])
-- What is not a string is read as nothing.
if type(current) ~= 'string' then current = '' end
if current ~= ARGV[1] then return current end
if ARGV[2] == '' then
    redis.call('DEL', KEYS[1])
elseif ARGV[3] == '' then
    redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
