"""Django's PostgreSQL backend, with a health check that does not cost each request a round trip."""

import select
import time
from typing import Any

from django.db.backends.postgresql import base

IDLE_SECONDS = 30.0


class DatabaseWrapper(base.DatabaseWrapper):
    """For connections that threads keep (CONN_MAX_AGE).

    A server that restarts or drops a connection says so: its last words wait in the socket, and a look at the socket
    finds them. Only after a long silence, when something between may have forgotten the connection without a word,
    is the server asked.
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
            return super().is_usable()
        return not raw.closed and not something_waits(raw.fileno())


def something_waits(descriptor: int) -> bool:
    """Between two statements a server has nothing to say but that it goes. (A notice is mistaken for that, and costs
    a new connection.)"""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
