-- Draws from buckets: each draw from all of its own, or from none. What `hasp_draw` does in PostgreSQL.
-- KEYS: the buckets. ARGV: microseconds of Unix time (-1: this server's), then for each bucket its limit and whether it
-- is a day's, then for each draw whether it is forced, of how many buckets it draws, and of each the place in KEYS and
-- the cost in grains. Returns the time, then for each draw whether it fits and what is used of its buckets after it.
local DAY, UNIT = 86400000000, 60000000
local cursor = 0
local function read()
  cursor = cursor + 1
  return tonumber(ARGV[cursor])
end
local function exactly(number)
  return string.format('%.0f', number)
end

local at = read()
if at < 0 then
  local now = redis.call('TIME')
  at = now[1] * 1000000 + now[2]
end

local limit, daily, level, changed = {}, {}, {}, {}
for i, key in ipairs(KEYS) do
  limit[i], daily[i] = read(), read() == 1
  local state = redis.call('HMGET', key, 'used', 'at')
  local used, since = tonumber(state[1] or 0), tonumber(state[2] or 0)
  if daily[i] then
    if math.floor(since / DAY) ~= math.floor(at / DAY) then used = 0 end
  else
    used = math.max(0, used - limit[i] * math.min(math.max(at - since, 0), DAY))
  end
  level[i] = used
  -- The clock was set back: written, or a full bucket would stay full until the clock is where it was.
  if since > at then changed[i] = true end
end

local told = { exactly(at) }
while cursor < #ARGV do
  local forced, count, fits = read() == 1, read(), true
  local place, cost = {}, {}
  for n = 1, count do
    local i = read()
    place[n], cost[n] = i, read()
    if cost[n] > 0 and not forced then
      fits = fits and level[i] + cost[n] <= limit[i] * UNIT
    end
  end
  told[#told + 1] = fits and 1 or 0
  for n, i in ipairs(place) do
    if fits and cost[n] ~= 0 then
      level[i] = math.max(0, level[i] + cost[n])
      changed[i] = true
    end
    told[#told + 1] = exactly(level[i])
  end
end

for i in pairs(changed) do
  redis.call('HSET', KEYS[i], 'used', exactly(level[i]), 'at', exactly(at))
  -- Forgotten once it is full again, which is what a bucket that nobody knows is.
  local left = daily[i] and DAY - at % DAY or level[i] / limit[i]
  redis.call('PEXPIRE', KEYS[i], math.ceil(left / 1000) + 1000)
end
return told
