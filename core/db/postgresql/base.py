"""Django's PostgreSQL backend with a health check that costs no round trip."""

import select
import time
from typing import Any

from django.db.backends.postgresql import base

IDLE_SECONDS = 30.0

Parent: Any = base.DatabaseWrapper  # its stubs leave out most of what is extended here


class DatabaseWrapper(Parent):
    """The wrapper for connections that threads keep (CONN_MAX_AGE).

    A server that restarts or ends a connection sends a message first, which a look at the socket finds. Only after
    IDLE_SECONDS, when a firewall may have dropped the connection without a message, is the server asked.
    """

    last_checked = 0.0

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self.last_checked = time.monotonic()
        return super().get_new_connection(conn_params)

    def is_usable(self) -> bool:
        now = time.monotonic()
        idle = now - self.last_checked
        self.last_checked = now
        raw: Any = self.connection
        # After an error the socket proves nothing.
        if raw is None or self.errors_occurred or idle > IDLE_SECONDS:
            return bool(super().is_usable())
        return not raw.closed and not is_readable(raw.fileno())


def is_readable(descriptor: int) -> bool:
    """Return whether the server has sent something. Between two statements that is the end of the connection, or a
    notice, which costs a new connection."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
