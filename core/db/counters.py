"""Exact rate limits: a fixed window per key, counted by one atomic script in Redis, or in this process without it.

DRF's own throttles read, change and write (two parallel requests count as one), have no rate such as 100/15min, and
trust any X-Forwarded-For.
"""

import math
import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

import redis
from django.conf import settings
from django_redis import get_redis_connection

from core.web import metrics

COUNT = """
local count, left = redis.call('INCR', KEYS[1]), tonumber(ARGV[1])
if count == 1 then
  redis.call('PEXPIRE', KEYS[1], left)
else
  left = redis.call('PTTL', KEYS[1])
end
return {count, left}
"""
FALLBACK_STRICTNESS = {"auth": 2}  # without Redis, password guessing gets a smaller share still
MAX_LOCAL_KEYS = 50_000


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    limit: int
    remaining: int
    reset: int  # whole seconds until the window ends, rounded up so that waiting them suffices

    @property
    def headers(self) -> dict[str, str]:
        """The names of draft-ietf-httpapi-ratelimit-headers-03, which clients know."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class Counted(NamedTuple):
    """The number of requests in a window, and the seconds until its end."""

    requests: int
    left: float


def decide(counted: Counted, limit: int) -> Decision:
    requests, left = counted
    return Decision(requests <= limit, limit, max(0, limit - requests), max(1, math.ceil(left)))


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
                if len(self._windows) >= MAX_LOCAL_KEYS:
                    open_ones = [(name, window) for name, window in self._windows.items() if window[1] > now]
                    self._windows = dict(open_ones[-(MAX_LOCAL_KEYS // 2) :])
            self._windows[key] = (count + 1, ends)
            return Counted(count + 1, ends - now)

    def clear(self) -> None:
        with self._lock:
            self._windows.clear()


def count_in_redis(key: str, period: float) -> Counted | None:
    """Count one of `key` in the window of all processes. Return None without Redis, or if Redis fails."""
    if not settings.REDIS_URL:
        return None
    client = get_redis_connection("default")
    try:
        count, left = client.register_script(COUNT)(keys=[key], args=[int(period * 1000)])
    except (redis.RedisError, OSError):  # the latter: a process without free descriptors
        client.connection_pool.refuse()
        return None
    return Counted(int(count), max(0, int(left)) / 1000)


local_counter = LocalCounter()


def check(scope: str, identity: str) -> Decision:
    """Count one request of `identity` against the rate of `scope` (a key of THROTTLE_RATES)."""
    decision = counted_against(scope, identity)
    if not decision.allowed:
        metrics.limited_total.labels(scope).inc()
    return decision


def counted_against(scope: str, identity: str) -> Decision:
    limit, period = settings.THROTTLE_RATES[scope]
    key = f"limit:{scope}:{identity}"
    counted = count_in_redis(key, period)
    if counted is not None:
        return decide(counted, limit)
    if settings.REDIS_URL:
        limit = math.ceil(limit / FALLBACK_STRICTNESS.get(scope, 1))
    # Each process sees its share of the requests only.
    limit = math.ceil(limit / settings.WEB_CONCURRENCY)
    return decide(local_counter.count(key, period), limit)


def is_first(key: str, seconds: float) -> bool:
    """Count one of `key`. Return whether it is the first within so many seconds; without Redis, in this process."""
    key = f"limit:first:{key}"
    return (count_in_redis(key, seconds) or local_counter.count(key, seconds)).requests == 1
