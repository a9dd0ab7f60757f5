"""The run of a job: progress, cancellation, and the lease.

Each second a thread writes the progress and reads whether the job was cancelled, or its owner has lost the role or the
account. So a step may take long, and a function may use a transaction of its own.
"""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from core.db.leases import Lease, LeaseLost
from core.jobs.models import Job
from core.web import metrics
from core.web.errors import ApiError

BEAT_SECONDS = 1.0
SLICE_SECONDS = 20.0  # after which a job that can continue later yields to others


class JobCancelled(Exception):
    """The owner has cancelled the job."""


class OwnerChanged(ApiError):
    """The owner is not active, or has another role than at the request, by which the job was permitted."""

    code = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__(
            message=_(
                "The account is not active, or its role is no longer that of this job. Ask for a new one."
            )
        )


class Run(Lease):
    """One run of one job, under its lease. Every write is conditional on the lease."""

    row: Job

    def __init__(self, job: Job) -> None:
        super().__init__(job, settings.JOB_LEASE)
        self.job = job
        self.interval = min(BEAT_SECONDS, self.interval)
        self.percent = self.written_percent = job.progress
        self.cancelled = job.cancel_requested_at is not None
        self.finished = self.owner_changed = False
        self.slice_ends = time.monotonic() + SLICE_SECONDS

    # --- for the function -------------------------------------------------------------------------

    def progress(self, done: int, total: int) -> None:
        """Set the progress. Raises JobCancelled, LeaseLost, OwnerChanged."""
        self.percent = min(99, done * 100 // total) if total else 0
        self.check()

    def check(self) -> None:
        super().check()
        if self.cancelled:
            raise JobCancelled
        if self.owner_changed:
            raise OwnerChanged

    def read_owner(self) -> None:
        """Read the owner anew."""
        owner = get_user_model()._default_manager.filter(pk=self.job.user_id).first()
        self.owner_changed = owner is None or not self.job.is_for(owner)
        if owner is not None:
            self.job.user = owner

    def check_owner(self) -> None:
        """Read the owner in the transaction of the work. Raises OwnerChanged."""
        self.read_owner()
        if self.owner_changed:
            raise OwnerChanged

    @property
    def should_pause(self) -> bool:
        """True if a function that can continue from its last checkpoint should return now."""
        return time.monotonic() >= self.slice_ends

    @property
    def partial_result(self) -> dict[str, Any] | None:
        """Result at the last checkpoint, for a job that was stopped."""
        return self.job.position.get("result")

    def checkpoint(self, position: dict[str, Any]) -> None:
        """Write the position in the transaction of the work: the next worker continues from there. `position["result"]`
        is the result so far. Raises LeaseLost and OwnerChanged, and then that transaction must not commit."""
        self.check_owner()
        values = {"position": position, "progress": self.percent, "attempts": 0}
        self.save(lease_until=Now() + self.duration, **values)
        self.job.position = position

    def succeed(self, result: dict[str, Any], **values: Any) -> None:
        """Finish the job. Raises LeaseLost and OwnerChanged, and then the transaction must not commit."""
        self.check_owner()
        self.finish(Job.Status.SUCCEEDED, result=result, progress=100, **values)

    def finish(self, status: Job.Status, **values: Any) -> None:
        self.save(status=status, finished_at=timezone.now(), lease_until=None, lease_id=None, **values)
        self.finished = True
        metrics.jobs_total.labels(self.job.kind, status.value).inc()
        self.job.status = status

    def release(self, **values: Any) -> None:
        """Release the lease, so that any worker may claim the job."""
        self.save(lease_until=None, lease_id=None, progress=self.percent, **values)
        self.finished = False  # a `finish` before this was rolled back
        self.job.status = values.get("status", self.job.status)

    # --- for the thread ---------------------------------------------------------------------------

    def save(self, **values: Any) -> None:
        """Write a change of what the API shows. Raises LeaseLost."""
        self.write(version=F("version") + 1, updated_at=timezone.now(), **values)

    def beat(self) -> None:
        """Renew the lease if it is time, write the progress, and read what stops the job. Raises LeaseLost."""
        rows = list(self.held().values_list("cancel_requested_at", flat=True))
        if not rows:
            self.lost = not self.finished
            raise LeaseLost
        self.cancelled = rows[0] is not None
        self.read_owner()
        percent = self.percent
        if percent != self.written_percent:
            self.renew(progress=percent, version=F("version") + 1, updated_at=timezone.now())
            self.written_percent = percent
        elif time.monotonic() - self.renewed_at > self.duration.total_seconds() / 4:
            self.renew()
