"""The purge: each room and app registers which of its rows are expired."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from core.db.encryption import reencrypt
from core.web.registry import Registry

log = structlog.get_logger(__name__)

BATCH = 1000

Expired = Callable[[], Any]
Delete = Callable[[Any], int]


class Purge(NamedTuple):
    """One kind of expired rows: the function that returns their query (or a list of them), and what deletes a batch."""

    expired: Expired
    delete: Delete

    def queries(self) -> list[Any]:
        rows = self.expired()
        return rows if isinstance(rows, list) else [rows]


purges: Registry[Purge] = Registry()


def delete_batch(rows: Any) -> int:
    """Delete at most BATCH of these rows, and return their number."""
    batch = list(rows.values_list("pk", flat=True)[:BATCH])
    deleted: int = rows.model._default_manager.filter(pk__in=batch).delete()[0]
    return deleted


def purges_expired(name: str, *, delete: Delete = delete_batch) -> Callable[[Expired], Expired]:
    """Register a function that returns the query of the expired rows, or a list of queries.

    `delete` is called with each query until it returns 0. It deletes at most one batch, and returns how many rows.
    """

    def register(expired: Expired) -> Expired:
        purges.register(name, Purge(expired, delete))
        return expired

    return register


def purge(name: str, *, progress: Callable[[int], object] | None = None) -> int:
    """Delete the expired rows of this name, and return their number. `progress` is called with the number so far."""
    total = 0
    for rows in purges[name].queries():
        while (deleted := purges[name].delete(rows)) > 0:
            total += deleted
            if progress is not None:
                progress(total)
    return total


class PurgeError(Exception):
    """Failure of some purges. `counts` has the numbers of the others."""

    def __init__(self, failed: list[str], counts: dict[str, int]) -> None:
        super().__init__(f"Not purged: {', '.join(failed)}. The log has the reason of each.")
        self.counts = counts


def of_each(names: Iterable[str], number: Callable[[str], int]) -> dict[str, int]:
    """Return {name: number(name)}. An error does not keep back the other names. Raises PurgeError at the end."""
    counts: dict[str, int] = {}
    failed: list[str] = []
    for name in names:
        try:
            counts[name] = number(name)
        except SoftTimeLimitExceeded:
            raise
        except Exception:  # of an app's function; each purge is independent of the others
            log.exception("purge_failed", purge=name)
            failed.append(name)
    if failed:
        raise PurgeError(failed, counts)
    return counts


@shared_task(name="core.purge_expired")
def purge_expired() -> dict[str, int]:
    """Delete expired rows, batch by batch. Safe to run twice, and at the same time as itself. Raises PurgeError."""
    reencrypt()
    counts = of_each(purges, purge)
    log.info("purged", **counts)
    return counts
