-- KEYS[1]: the record. ARGV: version, version demanded ('' for absence), head, value, when the server forgets it in
-- milliseconds ('' for never).
local stored = redis.call('HGET', KEYS[1], 'version')
if not stored and redis.call('EXISTS', KEYS[1]) == 1 then
  return 'damaged'
end
if stored == ARGV[1] then
  -- Written anew, or who waits for replicas would wait for nothing that this connection wrote.
  redis.call('HSET', KEYS[1], 'version', ARGV[1])
  return 'done'
end
if (stored or '') ~= ARGV[2] then
  return 'conflict'
end
-- First what can be refused for want of memory: a script is not undone.
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'head', ARGV[3], 'value', ARGV[4])
if ARGV[5] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIREAT', KEYS[1], ARGV[5])
end
return 'done'
