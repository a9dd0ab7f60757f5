"""What the worker runs for every app. Each task is safe to run twice, and at the same time as itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from celery import shared_task
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from core.api.idempotency import LIFETIME
from core.api.models import StoredAnswer
from core.files import retention
from core.files import services as files
from core.files.models import StoredFile
from core.jobs import services as jobs
from core.jobs.models import Job
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage

log = structlog.get_logger(__name__)

DONE_RETENTION = timedelta(days=7)
FAILED_RETENTION = timedelta(days=30)
JOB_RETENTION = timedelta(days=30)
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


# The broker offers a nudge again after 300 s (visibility_timeout) while its job still runs. Whoever takes it finds
# the job leased, so it may take as long as this.
@shared_task(soft_time_limit=870, time_limit=900)
def run_jobs() -> int:
    return jobs.run_due()


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


purges_expired("files")(files.purge_files)
purges_expired("trash")(retention.purge_trash)


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


@purges_expired("job files")
def purge_job_files() -> int:
    """What a job has read or made goes before the job itself."""
    over = Job.objects.filter(finished_at__lt=timezone.now() - jobs.FILE_RETENTION)
    return without_files(over.exclude(result_file=None, source_file=None))


@purges_expired("jobs")
def purge_jobs() -> int:
    over = Job.objects.filter(finished_at__lt=timezone.now() - JOB_RETENTION)
    batch = list(over.values_list("pk", flat=True)[:BATCH])
    with transaction.atomic():
        without_files(Job.objects.filter(pk__in=batch))
        return Job.objects.filter(pk__in=batch).delete()[1].get("core_jobs.Job", 0)


def without_files(over: Any) -> int:
    batch = list(over.values_list("pk", flat=True)[:BATCH])
    with transaction.atomic():
        files.discard_all(StoredFile.objects.filter(Q(made_by__in=batch) | Q(read_by__in=batch)))
        return Job.objects.filter(pk__in=batch).update(
            result_file=None, source_file=None, version=F("version") + 1, updated_at=timezone.now()
        )
