"""The time limits of statements on PostgreSQL: short in a request of the API, longer in the admin, jobs and commands.

The database backend (core/db/postgresql/base.py) sets them after connecting and when they change.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from django.db import connections


@dataclass(frozen=True, slots=True)
class TimeLimits:
    statement_timeout: str
    lock_timeout: str
    idle_in_transaction_session_timeout: str = "30s"


REQUEST = TimeLimits(statement_timeout="2s", lock_timeout="2s")
DEFAULT = TimeLimits(statement_timeout="10s", lock_timeout="3s")

current: ContextVar[TimeLimits] = ContextVar("time_limits", default=DEFAULT)


def use(limits: TimeLimits) -> None:
    """Set the limits of the statements of this thread that follow."""
    current.set(limits)
    for connection in connections.all(initialized_only=True):
        if hasattr(connection, "apply_limits"):
            connection.apply_limits()
