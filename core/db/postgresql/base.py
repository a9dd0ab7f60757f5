"""Django's PostgreSQL backend with a health check that costs no round trip, and with time limits."""

import select
import time
from dataclasses import asdict
from typing import Any

from django.db.backends.postgresql import base
from psycopg import OperationalError

from core.web.request_context import TimeLimits, time_limits

IDLE_SECONDS = 30.0

Parent: Any = base.DatabaseWrapper  # its stubs leave out most of what is extended here


class DatabaseWrapper(Parent):
    """The wrapper for connections that threads keep (CONN_MAX_AGE).

    A server that restarts or ends a connection sends a message first, so the socket is readable. Only after
    IDLE_SECONDS, when a firewall may have dropped the connection without a message, a query tests it.
    """

    last_checked = 0.0
    limits: TimeLimits | None = None

    def connect(self) -> None:
        super().connect()
        self.limits = None
        self.apply_limits()

    def apply_limits(self) -> None:
        """Set the time limits of this thread on the open connection, unless it has them.

        After connecting, because PgBouncer refuses them as start-up options. In its transaction mode a SET would be for
        whatever client comes next, so there they are the role's. The options of DATABASE_URL have precedence.
        """
        limits = time_limits.get()
        is_pooled = self.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
        if self.connection is None or limits == self.limits or is_pooled or self.in_atomic_block:
            return
        given = self.settings_dict["OPTIONS"].get("options", "")
        calls = [
            f"set_config('{name}', '{value}', false)"
            for name, value in asdict(limits).items()
            if name not in given
        ]
        try:
            if calls:
                self.connection.execute(f"SELECT {', '.join(calls)}", prepare=False)
            self.limits = limits
        except OperationalError:  # the connection is lost; the next statement opens another
            self.close()

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
