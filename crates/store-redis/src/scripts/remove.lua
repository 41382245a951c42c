-- KEYS[1]: the record, KEYS[2]: the name of its last removal. ARGV: version demanded ('' for any), the name of this
-- removal, for how many milliseconds it is remembered.
if redis.call('GET', KEYS[2]) == ARGV[2] then
  return 'done'
end
local stored = redis.call('HGET', KEYS[1], 'version')
if not stored then
  return redis.call('EXISTS', KEYS[1]) == 1 and 'damaged' or 'absent'
end
if ARGV[1] ~= '' and ARGV[1] ~= stored then
  return 'conflict'
end
redis.call('DEL', KEYS[1])
-- A server whose memory is full refuses this, and the removal is done all the same.
redis.pcall('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 'done'
