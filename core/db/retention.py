"""The purge: functions that each room and app registers delete expired rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from celery import shared_task

from core.web.registry import Registry

log = structlog.get_logger(__name__)

BATCH = 1000

Purge = Callable[[], int]
purges: Registry[Purge] = Registry()


def purges_expired(name: str) -> Callable[[Purge], Purge]:
    """Register a function that deletes at most one batch of expired rows and returns their number."""
    return partial(purges.register, name)


def delete_batch(rows: Any) -> int:
    """Delete at most BATCH of these rows, and return their number."""
    batch = list(rows.values_list("pk", flat=True)[:BATCH])
    deleted: int = rows.model._default_manager.filter(pk__in=batch).delete()[0]
    return deleted


@shared_task(name="core.purge_expired")
def purge_expired() -> dict[str, int]:
    """Delete expired rows, batch by batch. Safe to run twice, and at the same time as itself."""
    counts = {}
    for name, purge in purges.items():
        total = 0
        while (deleted := purge()) > 0:
            total += deleted
        counts[name] = total
    log.info("purged", **counts)
    return counts
