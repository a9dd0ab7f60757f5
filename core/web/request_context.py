"""The context of the current request, for audit, outbox and logs, and the time limits of its statements.

Set once per request. The worker sets it from the `request_id` of the outbox message or job. Empty elsewhere.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from django.db import connections
from uuid_utils import uuid7

CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class RequestContext:
    request_id: str = ""
    ip_address: str | None = None
    peer_address: str | None = None
    user_agent: str = ""
    user_id: str | None = None
    trace_id: str | None = None  # where traces are recorded

    @property
    def limit_address(self) -> str | None:
        """The address that limits count by: the client's, or the peer's if the client's is unknown."""
        return self.ip_address or self.peer_address


current: ContextVar[RequestContext] = ContextVar(
    "request_context",
    default=RequestContext(),  # noqa: B039 - frozen
)


def request_id_of(meta: Mapping[str, str]) -> str:
    """Return the id that the client has given its request, or a new one where that is none or not a good one."""
    own = meta.get("HTTP_X_REQUEST_ID", "")
    return own if CLIENT_REQUEST_ID.fullmatch(own) else uuid7().hex


def identify(user_id: Any) -> None:
    """Add the user of this request to the log lines that follow. The middleware resets the context."""
    current.set(replace(current.get(), user_id=str(user_id)))


def identify_trace(trace_id: str | None) -> str:
    """Add the trace of this request to its access line, as `identify` adds its user. Return the id of the request."""
    current.set(replace(current.get(), trace_id=trace_id))
    return current.get().request_id


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Limits of PostgreSQL: short in a request of the API, longer in the admin, jobs and commands. `migrate` waits less
    for a lock than a request does, because requests queue behind the lock that it waits for.

    `grace` is how many seconds later than `statement_timeout` PostgreSQL may respond. Then the connection is closed.
    None: never, because jobs and migrations set timeouts of their own.
    """

    statement_timeout: str
    lock_timeout: str
    idle_in_transaction_session_timeout: str = "30s"
    grace: float | None = None


REQUEST_LIMITS = TimeLimits(statement_timeout="2s", lock_timeout="2s", grace=0.5)
ADMIN_LIMITS = TimeLimits(statement_timeout="10s", lock_timeout="3s", grace=0.5)
DEFAULT_LIMITS = TimeLimits(statement_timeout="10s", lock_timeout="3s")
MIGRATION_LIMITS = TimeLimits(statement_timeout="10s", lock_timeout="500ms")

time_limits: ContextVar[TimeLimits] = ContextVar("time_limits", default=DEFAULT_LIMITS)


def use_limits(limits: TimeLimits) -> None:
    """Set the limits of the statements of this thread that follow. The backend (core/db/postgresql/base.py) also sets
    them after connecting."""
    time_limits.set(limits)
    for connection in connections.all(initialized_only=True):
        if hasattr(connection, "apply_limits"):
            connection.apply_limits()
