"""Exact rate limits: a fixed window per key, counted by one atomic script in Redis, or in this process without it.

DRF's own throttles read, change and write (two parallel requests count as one), cannot say 100/15min, and
trust whatever X-Forwarded-For says.
"""

import math
import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from django.conf import settings

from core.db.redis_client import RedisLink, Script, shared_link

# The second key, where there is one, is that of an answer that may be kept: who finds nothing leaves a mark, so that
# only what is asked for again is kept.
COUNT = Script("""
local count, left = redis.call('INCR', KEYS[1]), tonumber(ARGV[1])
if count == 1 then
  redis.call('PEXPIRE', KEYS[1], left)
else
  left = redis.call('PTTL', KEYS[1])
end
local kept = false
if KEYS[2] then
  kept = redis.call('GET', KEYS[2])
  if not kept then
    redis.call('SET', KEYS[2], '', 'EX', ARGV[2])
  end
end
return {count, left, kept}
""")
FALLBACK_STRICTNESS = {"auth": 2}  # without Redis, password guessing gets a smaller share still
MOST_LOCAL_KEYS = 50_000


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    limit: int
    remaining: int
    reset: int  # whole seconds until the window ends, rounded up so that waiting them suffices
    kept: bytes | None = None  # what Redis has found in the same round trip

    @property
    def headers(self) -> dict[str, str]:
        """The names of draft-ietf-httpapi-ratelimit-headers-03, which clients know."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class Counted(NamedTuple):
    """How many requests there were in a window, how many seconds of it are left, and what was kept."""

    requests: int
    left: float
    kept: bytes | None = None


def decide(counted: Counted, limit: int) -> Decision:
    requests, left, kept = counted
    return Decision(requests <= limit, limit, max(0, limit - requests), max(1, math.ceil(left)), kept)


class LocalCounter:
    """Windows in this process. Bounded: when there are too many, the expired and the older half are dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[int, float]] = {}

    def count(self, key: str, period: float) -> Counted:
        now = time.monotonic()
        with self._lock:
            count, ends = self._windows.get(key, (0, 0.0))
            if ends <= now:
                count, ends = 0, now + period
                if len(self._windows) >= MOST_LOCAL_KEYS:
                    alive = [(name, window) for name, window in self._windows.items() if window[1] > now]
                    self._windows = dict(alive[-(MOST_LOCAL_KEYS // 2) :])
            self._windows[key] = (count + 1, ends)
            return Counted(count + 1, ends - now)

    def clear(self) -> None:
        with self._lock:
            self._windows.clear()


class RedisCounter:
    """Windows shared by every process."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    def count(self, key: str, period: float, kept: str | None = None) -> Counted | None:
        """None while Redis is away. `kept` is the key of a body that may be there, see core/api/cache.py."""
        keys = [key] if kept is None else [key, kept]
        answer = self._link.run(COUNT, keys, int(period * 1000), settings.READ_CACHE_SECONDS)
        if answer is None:
            return None
        count, left, body = answer
        return Counted(int(count), max(0, int(left)) / 1000, body)

    def clear(self) -> None:
        self._link.forget("limit:*")


local_counter = LocalCounter()


@cache
def redis_counter() -> RedisCounter | None:
    link = shared_link()
    return RedisCounter(link) if link else None


def check(scope: str, identity: str, kept: str | None = None) -> Decision:
    """Count one request of `identity` against the rate of `scope` (a key of THROTTLE_RATES), and look for `kept`."""
    limit, period = settings.THROTTLE_RATES[scope]
    key = f"limit:{scope}:{identity}"
    shared = redis_counter()
    if shared is not None:
        counted = shared.count(key, period, kept)
        if counted is not None:
            return decide(counted, limit)
        limit = math.ceil(limit / FALLBACK_STRICTNESS.get(scope, 1))
    # Each process sees its share of the requests only.
    limit = math.ceil(limit / settings.WEB_CONCURRENCY)
    return decide(local_counter.count(key, period), limit)


def is_first(key: str, seconds: float) -> bool:
    """Count one of `key`, and tell whether it is the first within so many seconds. Without Redis each process counts
    for itself."""
    shared = redis_counter()
    counted = shared.count(f"limit:first:{key}", seconds) if shared is not None else None
    return (counted or local_counter.count(f"limit:first:{key}", seconds)).requests == 1
