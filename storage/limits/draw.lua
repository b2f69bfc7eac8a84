-- Draws from the buckets KEYS: from all of them, or from none. What `hasp_draw` does in PostgreSQL.
-- ARGV: microseconds of Unix time (-1: this server's), whether the draw is forced, then for each bucket its limit,
-- whether it is a day's, and the cost in grains. Returns whether it fits, the time, and what is used of each bucket.
local DAY, UNIT = 86400000000, 60000000
local at = tonumber(ARGV[1])
if at < 0 then
  local now = redis.call('TIME')
  at = now[1] * 1000000 + now[2]
end
local forced, fits = ARGV[2] == '1', true
local level = {}

for i, key in ipairs(KEYS) do
  local limit, daily, cost = tonumber(ARGV[3 * i]), ARGV[3 * i + 1] == '1', tonumber(ARGV[3 * i + 2])
  local state = redis.call('HMGET', key, 'used', 'at')
  local used, since = tonumber(state[1] or 0), tonumber(state[2] or 0)
  if daily then
    if math.floor(since / DAY) < math.floor(at / DAY) then used = 0 end
  else
    used = math.max(0, used - limit * math.min(math.max(at - since, 0), DAY))
  end
  level[i] = used
  if cost > 0 and not forced then
    fits = fits and used + cost <= limit * UNIT
  end
end

local told = { fits and 1 or 0, string.format('%.0f', at) }
for i, key in ipairs(KEYS) do
  local limit, daily, cost = tonumber(ARGV[3 * i]), ARGV[3 * i + 1] == '1', tonumber(ARGV[3 * i + 2])
  if fits and cost ~= 0 then
    level[i] = math.max(0, level[i] + cost)
    redis.call('HSET', key, 'used', string.format('%.0f', level[i]), 'at', string.format('%.0f', at))
    -- Forgotten once it is full again, which is what a bucket that nobody knows is.
    local left = daily and DAY - at % DAY or level[i] / limit
    redis.call('PEXPIRE', key, math.ceil(left / 1000) + 1000)
  end
  told[2 + i] = string.format('%.0f', level[i])
end
return told
