"""A short way to Redis, for what every request asks of it.

Each thread keeps a connection of its own and speaks on it directly: pool, retries and hooks of the client would cost
three times what the question costs. A circuit breaker keeps a dead Redis from costing each request a time-out.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)

BREAKER_SECONDS = 5.0


class Script:
    """One in Lua, which Redis runs as a whole."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.name = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - how Redis names scripts


class RedisLink:
    """`run` and `call` give None while Redis is away, besides what they are answered."""

    def __init__(self, url: str, timeout: float) -> None:
        self._pool = redis.ConnectionPool.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )
        self._threads = threading.local()
        self._closed_until = 0.0

    def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        said = (len(keys), *keys, *arguments)

        def speak(connection: Any) -> Any:
            connection.send_command("EVALSHA", script.name, *said)
            try:
                return connection.read_response()
            except redis.exceptions.NoScriptError:
                connection.send_command("EVAL", script.text, *said)  # which also makes it known
                return connection.read_response()

        return self._guarded(speak)

    def call(self, *command: Any) -> Any:
        def speak(connection: Any) -> Any:
            connection.send_command(*command)
            return connection.read_response()

        return self._guarded(speak)

    def forget(self, pattern: str) -> None:
        """Every key like this. It walks through all: for tests and commands."""
        self._closed_until = 0.0
        client = redis.Redis(connection_pool=self._pool)
        for key in client.scan_iter(pattern):
            client.delete(key)

    def _guarded(self, speak: Callable[[Any], Any]) -> Any:
        now = time.monotonic()
        if now < self._closed_until:
            return None
        try:
            return self._on_own_connection(speak)
        except redis.RedisError as error:
            self._closed_until = now + BREAKER_SECONDS
            log.warning("redis_is_away", error=type(error).__name__, seconds=BREAKER_SECONDS)
            return None

    def _on_own_connection(self, speak: Callable[[Any], Any]) -> Any:
        held: HeldConnection | None = getattr(self._threads, "held", None)
        if held is None:
            held = self._threads.held = HeldConnection(self._pool.make_connection())
        elif held.connection.is_connected:
            try:
                return speak(held.connection)
            except redis.TimeoutError:
                held.connection.disconnect()
                raise
            except redis.ConnectionError:  # it has been restarted since; the new one may answer
                held.connection.disconnect()
        try:
            return speak(held.connection)
        except redis.RedisError:
            held.connection.disconnect()
            raise


class HeldConnection:
    """Closed when its thread ends."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.disconnect()


@cache
def shared_link() -> RedisLink | None:
    """The one of this process; None where no Redis is meant to be."""
    return RedisLink(settings.REDIS_URL, settings.REDIS_TIMEOUT) if settings.REDIS_URL else None
