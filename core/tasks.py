"""What the worker runs for every app. Each task is safe to run twice, and at the same time as itself."""

from collections.abc import Callable
from datetime import timedelta

import structlog
from celery import shared_task
from django.utils import timezone

from core import outbox
from core.idempotency import LIFETIME
from core.models import OutboxMessage, StoredAnswer

log = structlog.get_logger(__name__)

DONE_RETENTION = timedelta(days=7)
FAILED_RETENTION = timedelta(days=30)
BATCH = 1000

Purge = Callable[[], int]
purges: dict[str, Purge] = {}


def purges_expired(name: str) -> Callable[[Purge], Purge]:
    """Register a function that deletes at most one batch of what has expired and says how many that were."""

    def register(purge: Purge) -> Purge:
        purges[name] = purge
        return purge

    return register


@shared_task
def drain_outbox() -> int:
    return outbox.drain()


@shared_task
def purge_expired() -> dict[str, int]:
    counts = {}
    for name, purge in purges.items():
        total = 0
        while (deleted := purge()) > 0:
            total += deleted
        counts[name] = total
    log.info("purged", **counts)
    return counts


@purges_expired("outbox")
def purge_outbox() -> int:
    now = timezone.now()
    finished = OutboxMessage.objects.filter(
        status=OutboxMessage.Status.DONE, finished_at__lt=now - DONE_RETENTION
    ) | OutboxMessage.objects.filter(
        status=OutboxMessage.Status.FAILED, finished_at__lt=now - FAILED_RETENTION
    )
    batch = list(finished.values_list("pk", flat=True)[:BATCH])
    return OutboxMessage.objects.filter(pk__in=batch).delete()[0]


@purges_expired("stored answers")
def purge_stored_answers() -> int:
    over = StoredAnswer.objects.filter(created_at__lt=timezone.now() - LIFETIME)
    batch = list(over.values_list("pk", flat=True)[:BATCH])
    return StoredAnswer.objects.filter(pk__in=batch).delete()[0]
