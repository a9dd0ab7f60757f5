"""Exact rate limits: a fixed window per key, counted by one atomic script in Redis, or in this process without it.

DRF's own throttles read, change and write (two parallel requests count as one), cannot say 100/15min, and
trust whatever X-Forwarded-For says.
"""

import hashlib
import math
import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core import context
from core.network import limit_key

log = structlog.get_logger(__name__)

COUNT_SCRIPT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return {count, tonumber(ARGV[1])}
end
return {count, redis.call('PTTL', KEYS[1])}
"""
COUNT_SHA = hashlib.sha1(COUNT_SCRIPT.encode()).hexdigest()  # noqa: S324 - how Redis names scripts
BREAKER_SECONDS = 5.0
FALLBACK_STRICTNESS = {"auth": 2}  # without Redis, password guessing gets a smaller share still
MOST_LOCAL_KEYS = 50_000


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


def decide(count: int, limit: int, reset_seconds: float) -> Decision:
    return Decision(count <= limit, limit, max(0, limit - count), max(1, math.ceil(reset_seconds)))


class LocalCounter:
    """Windows in this process. Bounded: when there are too many, the expired and the older half are dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[int, float]] = {}

    def count(self, key: str, period: float) -> tuple[int, float]:
        now = time.monotonic()
        with self._lock:
            count, ends = self._windows.get(key, (0, 0.0))
            if ends <= now:
                count, ends = 0, now + period
                if len(self._windows) >= MOST_LOCAL_KEYS:
                    alive = [(name, window) for name, window in self._windows.items() if window[1] > now]
                    self._windows = dict(alive[-(MOST_LOCAL_KEYS // 2) :])
            self._windows[key] = (count + 1, ends)
            return count + 1, ends - now

    def clear(self) -> None:
        with self._lock:
            self._windows.clear()


class RedisCounter:
    """Windows shared by every process. A circuit breaker keeps a dead Redis from costing each request a time-out.

    Each thread keeps a connection of its own and speaks on it directly: pool, retries and hooks of the client would
    cost three times what the question costs.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._pool = redis.ConnectionPool.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )
        self._threads = threading.local()
        self._closed_until = 0.0

    def count(self, key: str, period: float) -> tuple[int, float] | None:
        """None while Redis is away."""
        now = time.monotonic()
        if now < self._closed_until:
            return None
        try:
            count, left = self._ask(key, int(period * 1000))
        except redis.RedisError as error:
            self._closed_until = now + BREAKER_SECONDS
            log.warning("limits_count_locally", error=type(error).__name__, seconds=BREAKER_SECONDS)
            return None
        return int(count), max(0, int(left)) / 1000

    def _ask(self, key: str, milliseconds: int) -> Any:
        held: HeldConnection | None = getattr(self._threads, "held", None)
        if held is None:
            held = self._threads.held = HeldConnection(self._pool.make_connection())
        elif held.connection.is_connected:
            try:
                return count_on(held.connection, key, milliseconds)
            except redis.TimeoutError:
                held.connection.disconnect()
                raise
            except redis.ConnectionError:  # it has been restarted since; the new one may answer
                held.connection.disconnect()
        try:
            return count_on(held.connection, key, milliseconds)
        except redis.RedisError:
            held.connection.disconnect()
            raise

    def clear(self) -> None:
        self._closed_until = 0.0
        client = redis.Redis(connection_pool=self._pool)
        for key in client.scan_iter("limit:*"):
            client.delete(key)


class HeldConnection:
    """Closed when its thread ends."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.disconnect()


def count_on(connection: Any, key: str, milliseconds: int) -> Any:
    connection.send_command("EVALSHA", COUNT_SHA, 1, key, milliseconds)
    try:
        return connection.read_response()
    except redis.exceptions.NoScriptError:
        connection.send_command("EVAL", COUNT_SCRIPT, 1, key, milliseconds)  # which also makes it known
        return connection.read_response()


local_counter = LocalCounter()


@cache
def redis_counter() -> RedisCounter | None:
    return RedisCounter(settings.REDIS_URL, settings.REDIS_TIMEOUT) if settings.REDIS_URL else None


def check(scope: str, identity: str) -> Decision:
    """Count one request of `identity` against the rate of `scope` (a key of THROTTLE_RATES)."""
    limit, period = settings.THROTTLE_RATES[scope]
    key = f"limit:{scope}:{identity}"
    shared = redis_counter()
    if shared is not None:
        counted = shared.count(key, period)
        if counted is not None:
            return decide(counted[0], limit, counted[1])
        limit = math.ceil(limit / FALLBACK_STRICTNESS.get(scope, 1))
    # Each process sees its share of the requests only.
    limit = math.ceil(limit / settings.WEB_CONCURRENCY)
    count, left = local_counter.count(key, period)
    return decide(count, limit, left)


class RateLimit(BaseThrottle):
    """Per user where there is one, else per address; `throttle_scope = "auth"` on a view counts those apart."""

    decision: Decision | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        scope = getattr(view, "throttle_scope", None)
        user = request.user if scope is None else None
        if user is not None and user.is_authenticated:
            self.decision = check("user", str(user.pk))
        else:
            self.decision = check(scope or "anon", limit_key(context.current.get().ip_address))
        # DRF makes a new throttle for each request, so the view's answer finds the decision here.
        request._request.rate_limit = self.decision  # type: ignore[attr-defined]
        return self.decision.allowed

    def wait(self) -> float | None:
        return float(self.decision.reset) if self.decision else None
