-- KEYS[1]: the record. ARGV: version demanded ('' for any).
local stored = redis.call('HGET', KEYS[1], 'version')
if not stored then
  return redis.call('EXISTS', KEYS[1]) == 1 and 'damaged' or 'absent'
end
if ARGV[1] ~= '' and ARGV[1] ~= stored then
  return 'conflict'
end
redis.call('DEL', KEYS[1])
return 'done'
