"""The connections to Redis, for Django's caches and the rate limits alike, with a circuit breaker.

The settings import this module, so it reads none.
"""

import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection

from core.web.resolver import resolver
from core.web.sentinels import is_sentinel, parse_sentinel

log = structlog.get_logger(__name__)

BREAKER_SECONDS = 5.0
# Called with BREAKER_SECONDS when a circuit opens. The metrics are added here: they read the settings.
listeners: list[Callable[[float], None]] = []


class BoundedLookup:
    """A mixin for connections: the lookup of the host takes no longer than the time-out for connecting."""

    host: str
    is_connected: bool
    socket_connect_timeout: float | None

    def connect(self) -> None:
        if not self.is_connected:
            look_up(self.host, self.socket_connect_timeout)
        super().connect()  # type: ignore[misc]


def look_up(host: str, seconds: float | None) -> None:
    """Raise redis.ConnectionError if the name of a host has no address, redis.TimeoutError if it has none in time."""
    try:
        resolver.addresses_of(host, seconds)
    except TimeoutError as error:
        raise redis.TimeoutError(f"the lookup of the host {host!r} takes too long") from error
    except OSError as error:
        raise redis.ConnectionError(f"failed to resolve host {host!r}: {error}") from error


class BoundedMaster(SentinelManagedConnection):
    """A connection to the master that the Sentinels name, with the same bound for the lookup of its host."""

    def connect_to(self, address: tuple[str, int]) -> None:
        look_up(address[0], self.socket_connect_timeout)
        super().connect_to(address)


def bounded(connection_class: Any) -> Any:
    """Return this class of connections with a BoundedLookup, unless it is that of a socket in the file system."""
    if issubclass(connection_class, redis.UnixDomainSocketConnection | BoundedMaster):
        return connection_class
    return type(f"Bounded{connection_class.__name__}", (BoundedLookup, connection_class), {})


Parent: Any = object  # a pool of redis-py


class Breaker(Parent):
    """A mixin for pools: they raise ConnectionError at once for some seconds after a connection has failed, so that a
    Redis that is away costs one request a time-out, and not each."""

    default_class: Any = redis.Connection

    def __init__(self, *args: Any, **options: Any) -> None:
        # One more try on a new connection, since Redis may have been restarted; none after a time-out.
        options.setdefault("retry", Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)))
        options.setdefault("max_connections", 2**31)  # threads are the limit: each uses one at a time
        options["connection_class"] = bounded(options.get("connection_class", self.default_class))
        super().__init__(*args, **options)
        self.open_until = 0.0

    def get_connection(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() < self.open_until:
            raise redis.ConnectionError("Redis has failed within the last seconds.")
        return super().get_connection(*args, **options)

    def release(self, connection: Any) -> None:
        """Open the circuit for a failed connection: the client disconnects it before it releases it."""
        if not connection.is_connected:
            self.refuse()
        super().release(connection)

    def refuse(self) -> None:
        """Open the circuit. Also called for a server that returns errors only, such as a read-only replica."""
        now = time.monotonic()
        if now >= self.open_until:
            self.open_until = now + BREAKER_SECONDS
            log.warning("redis_is_away", seconds=BREAKER_SECONDS)
            for listener in listeners:
                listener(BREAKER_SECONDS)


class BreakerPool(Breaker, redis.ConnectionPool):
    """The pool of a Redis. `CACHES` names it (django-redis: CONNECTION_POOL_CLASS)."""


class SentinelBreakerPool(Breaker, SentinelConnectionPool):
    """The pool of the master that Sentinels name. After a failover the circuit is open once, then it is the new one. A
    Sentinel whose name is not found in time is left out."""

    default_class = BoundedMaster

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for sentinel in self.sentinel_manager.sentinels:
            sentinel.connection_pool.connection_class = bounded(redis.Connection)


def caches_at(url: str, timeout: float) -> dict[str, Any]:
    """Return the `CACHES` setting for a Redis. All of them share one pool of connections in a process."""
    options: dict[str, Any] = {
        "SOCKET_CONNECT_TIMEOUT": timeout,
        "SOCKET_TIMEOUT": timeout,
        "IGNORE_EXCEPTIONS": True,
        "CONNECTION_POOL_CLASS": "core.db.redis_client.BreakerPool",
    }
    if is_sentinel(url):
        parsed = parse_sentinel(url)
        options |= {name.upper(): value for name, value in parsed.login.items()}
        options |= {
            "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
            "CONNECTION_POOL_CLASS": "core.db.redis_client.SentinelBreakerPool",
            # The factory would take the name from the URL, in lower case.
            "CONNECTION_POOL_KWARGS": {"service_name": parsed.master},
            "SENTINELS": parsed.sentinels,
            "SENTINEL_KWARGS": parsed.sentinel_options(timeout),
        }
        url = f"redis://{parsed.master}/{parsed.database}"
    default = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}
    as_bytes = options | {"SERIALIZER": "core.api.cache.BytesSerializer"}
    return {"default": default, "responses": default | {"KEY_PREFIX": "response", "OPTIONS": as_bytes}}
