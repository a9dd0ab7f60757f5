"""Deadlocks: the database rolls back one of two transactions that wait for each other, and it is repeated.

Locks are taken in one order (resources before tags, each by its key), so this is rare. It cannot be ruled out
where a unique value is new to two callers, or an index decides in which order rows are met.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import OperationalError, connection

from core.web.errors import ApiError

log = structlog.get_logger(__name__)

UNDONE = frozenset({"40P01", "40001"})  # deadlock_detected, serialization_failure
MAX_TRANSACTION_ATTEMPTS = 6
PAUSE_SECONDS = 0.1
RETRY_SECONDS = 1

Result = TypeVar("Result")


def was_undone(error: BaseException) -> bool:
    """Return whether the database has rolled the whole transaction back because of another one."""
    return (
        isinstance(error, OperationalError)
        and getattr(error.__cause__, "sqlstate", None) in UNDONE
        and not connection.in_atomic_block  # else what must be repeated is further out
    )


def repeated(act: Callable[[], Result]) -> Result:
    """Call `act`, which opens its own transaction, until the database lets it through.

    Raises ApiError SERVICE_UNAVAILABLE when it never does.
    """
    undone: OperationalError | None = None
    for attempt in range(MAX_TRANSACTION_ATTEMPTS):
        try:
            return act()
        except OperationalError as error:
            if not was_undone(error):
                raise
            undone = error
            log.info("transaction_repeated", attempt=attempt + 1)
        # So that the other one gets the lock first: its own wait may take 2 s, of which the server has used 1 to
        # detect the deadlock.
        time.sleep(random.uniform(0.5, 1) * PAUSE_SECONDS * 2**attempt)  # noqa: S311
    log.error("transaction_given_up", attempts=MAX_TRANSACTION_ATTEMPTS, exc_info=undone)
    raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS)
