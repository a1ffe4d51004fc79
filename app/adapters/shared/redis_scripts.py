"""What Redis does in one step, in Lua."""

import hashlib
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError


class Script:
    """A script that is sent once and named by its digest afterwards."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, key: str, *arguments: bytes | str | float) -> Any:
        return await self.run_on(redis, [key], *arguments)

    async def run_on(self, redis: Redis, keys: list[str], *arguments: bytes | str | float) -> Any:
        given = (len(keys), *keys, *arguments)
        try:
            return await redis.execute_command("EVALSHA", self.digest, *given)
        except NoScriptError:
            return await redis.execute_command("EVAL", self.text, *given)


# A value replaces exactly what its loader saw before it loaded: nothing, or the mark of an earlier
# `forget`. A newer mark keeps the older value out. A key of a wrong type is replaced too.
FILL = Script(
    """
    local found = redis.pcall('GET', KEYS[1])
    if type(found) == 'table' then found = '?' end
    if (found or '') ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    return 1
    """
)

# GCRA in whole microseconds of Redis's clock. A key holds the moment at which its bucket is full.
# If the clock was set back, that moment cannot be further than a whole refill away. For each key
# the microseconds of a token, the capacity and the cost; all are taken from, or none.
TAKE = Script(
    """
    local now = redis.call('TIME')
    now = tonumber(now[1]) * 1000000 + tonumber(now[2])
    local told, enough = {}, true
    for place, key in ipairs(KEYS) do
      local token, cost = tonumber(ARGV[3 * place - 2]), tonumber(ARGV[3 * place])
      local full = token * tonumber(ARGV[3 * place - 1])
      local owed = (tonumber(redis.call('GET', key) or '') or now) - now
      owed = math.min(math.max(owed, 0), full)
      local fits = owed + cost * token <= full
      enough = enough and fits
      told[2 * place - 1], told[2 * place] = fits and 1 or 0, owed
    end
    if not enough then return told end
    for place, key in ipairs(KEYS) do
      local owed = told[2 * place] + tonumber(ARGV[3 * place]) * tonumber(ARGV[3 * place - 2])
      local keep_ms = math.max(1, math.ceil(owed / 1000))
      redis.call('SET', key, string.format('%.0f', now + owed), 'PX', keep_ms)
      told[2 * place] = owed
    end
    return told
    """
)

# Holders by the moment at which their leases end, by Redis's clock.
HOLD = Script(
    """
    local now = redis.call('TIME')
    now = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
    local is_new = not redis.call('ZSCORE', KEYS[1], ARGV[1])
    if is_new and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return 1
    """
)

# How far a run's stream has come. Entry `n-0` is the frame with the id n; entry `n-1` closes.
NEWEST = """
    local last, is_closed = 0, false
    local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
    if newest then
      local id, part = string.match(newest[1], '^(%d+)-(%d+)$')
      last, is_closed = tonumber(id), part == '1'
    end
"""

# The owner's frames: seconds to keep the stream, whether it closes after this, the id before the
# first of these frames, then ids and frames. Nothing is written to a stream that is closed, or
# that lacks what comes before: the answer tells, and the owner sends that as well. What is there
# already is passed over, so that sending twice is harmless.
APPEND = Script(
    NEWEST
    + """
    if is_closed or last < tonumber(ARGV[3]) then
      return {last, is_closed and 1 or 0}
    end
    for place = 4, #ARGV, 2 do
      local id = tonumber(ARGV[place])
      if id > last then
        redis.call('XADD', KEYS[1], ARGV[place] .. '-0', 'frame', ARGV[place + 1], 'after', last)
        last = id
      end
    end
    if ARGV[2] == '1' then
      redis.call('XADD', KEYS[1], string.format('%.0f-1', last), 'closed', 1)
    end
    redis.call('EXPIRE', KEYS[1], ARGV[1])
    return {last, tonumber(ARGV[2])}
    """
)

# The end of a run whose owner is gone: seconds to keep the stream, the reserved id, the frame.
# Without the frames that come before it, the frame is left to the database.
TERMINATE = Script(
    NEWEST
    + """
    if is_closed then return 0 end
    if last > 0 then
      redis.call('XADD', KEYS[1], ARGV[2] .. '-0', 'frame', ARGV[3], 'after', last)
    end
    redis.call('XADD', KEYS[1], ARGV[2] .. '-1', 'closed', 1)
    redis.call('EXPIRE', KEYS[1], ARGV[1])
    return 1
    """
)
