"""What a job's function is given while it runs: progress, cancellation, and the lease that makes it the only one.

A thread beats while the function works: it renews the lease, writes the progress at most once a second, and sees
whether somebody has cancelled, or the owner has lost the role or the account. So a long step needs no care, and a
function may hold a transaction of its own.
"""

import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, connections
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from core.jobs.models import Job
from core.web import metrics
from core.web.errors import ApiError

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0
SLICE_SECONDS = 20.0  # after it, a job that can go on later lets others have their turn


class JobCancelled(Exception):
    """Its owner has called it off."""


class LeaseLost(Exception):
    """It took too long to give a sign of life, and somebody else is at it."""


class OwnerChanged(ApiError):
    """What a job may do was decided for an active account with another role."""

    code = "FORBIDDEN"

    def __init__(self) -> None:
        message = _(
            "The account is not active, or its role is no longer that of this job. Ask for a new one."
        )
        super().__init__(message=message)


class Run:
    """One run of one job, by whoever holds its lease. Every write is fenced by the id of the lease."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.lease_id = job.lease_id
        self.percent = job.progress
        self.cancelled = job.cancel_requested_at is not None
        self.lost = self.finished = self.refused = False
        self._slice_ends = time.monotonic() + SLICE_SECONDS

    # --- for the function -------------------------------------------------------------------------

    def progress(self, done: int, total: int) -> None:
        """Say how far it is. Raises JobCancelled, LeaseLost, OwnerChanged."""
        self.percent = min(99, done * 100 // total) if total else 0
        self.check()

    def check(self) -> None:
        if self.lost:
            raise LeaseLost
        if self.cancelled:
            raise JobCancelled
        if self.refused:
            raise OwnerChanged

    def read_owner(self) -> None:
        """Read the owner as they are now."""
        owner = get_user_model()._default_manager.filter(pk=self.job.user_id).first()
        self.refused = owner is None or not self.job.is_for(owner)
        if owner is not None:
            self.job.user = owner

    def check_owner(self) -> None:
        """In the transaction of what was done. Raises OwnerChanged."""
        self.read_owner()
        if self.refused:
            raise OwnerChanged

    @property
    def should_pause(self) -> bool:
        """Whether a function that can go on from its last checkpoint should return now."""
        return time.monotonic() >= self._slice_ends

    @property
    def so_far(self) -> dict[str, Any] | None:
        """What a job that was stopped has done nevertheless."""
        return self.job.position.get("result")

    def checkpoint(self, position: dict[str, Any]) -> None:
        """Write how far it has come, in the transaction of what was done: whoever takes the job up goes on from
        there. `position["result"]` is what has been done so far. Raises LeaseLost and OwnerChanged, and then that
        transaction must not commit."""
        self.check_owner()
        self._write(
            position=position,
            progress=self.percent,
            attempts=0,
            lease_until=timezone.now() + settings.JOB_LEASE,
        )
        self.job.position = position

    def succeed(self, result: dict[str, Any], **values: Any) -> None:
        """It is done. Raises LeaseLost and OwnerChanged, and then the transaction must not commit."""
        self.check_owner()
        self.finish(Job.Status.SUCCEEDED, result=result, progress=100, **values)

    def finish(self, status: Job.Status, **values: Any) -> None:
        self._write(status=status, finished_at=timezone.now(), lease_until=None, lease_id=None, **values)
        self.finished = True
        metrics.jobs_total.labels(self.job.kind, status.value).inc()
        self.job.status = status

    def release(self, **values: Any) -> None:
        """Give it back, for whoever is free."""
        self._write(lease_until=None, lease_id=None, progress=self.percent, **values)
        self.finished = False  # a `finish` before this was rolled back
        self.job.status = values.get("status", self.job.status)

    def _write(self, **values: Any) -> None:
        held = Job.objects.filter(pk=self.job.pk).held_by(self.lease_id)
        if not held.update(version=F("version") + 1, updated_at=timezone.now(), **values):
            self.lost = True
            raise LeaseLost


class Heartbeat:
    """Beats for a run until the block ends."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.written = run.percent
        self.renewed_at = time.monotonic()
        self.ending = threading.Event()
        # Inside somebody's transaction, as in tests, no other connection could see the job.
        self.thread = None if connection.in_atomic_block else threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        if self.thread:
            self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending.set()
        if self.thread:
            self.thread.join()

    def _beat(self) -> None:
        lease: timedelta = settings.JOB_LEASE
        try:
            while not self.ending.wait(min(BEAT_SECONDS, lease.total_seconds() / 4)):
                try:
                    self.beat()
                except DatabaseError as error:  # the next beat may come through; the lease tells if none does
                    log.warning("job_beat_failed", jobId=str(self.run.job.pk), exc_info=error)
                    connections.close_all()
        finally:
            connections.close_all()

    def beat(self) -> None:
        run, percent = self.run, self.run.percent
        held = Job.objects.filter(pk=run.job.pk).held_by(run.lease_id)
        cancelled = held.values_list("cancel_requested_at", flat=True)[:1]
        seen = list(cancelled)
        if not seen:
            run.lost = not run.finished
            return
        run.cancelled = seen[0] is not None
        run.read_owner()
        moved = percent != self.written
        stale = time.monotonic() - self.renewed_at > settings.JOB_LEASE.total_seconds() / 4
        if not (moved or stale):
            return
        changes: dict[str, Any] = {"lease_until": timezone.now() + settings.JOB_LEASE}
        if moved:
            changes |= {"progress": percent, "version": F("version") + 1, "updated_at": timezone.now()}
        held.update(**changes)
        self.written, self.renewed_at = percent, time.monotonic()
