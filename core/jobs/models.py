"""Background jobs, run by core/jobs/services.py."""

import time
from functools import cached_property
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from core.db.access import Access
from core.db.base import BaseModel, BaseQuerySet
from core.db.leases import LeasedModel, LeasedRows


class JobQuerySet(LeasedRows, BaseQuerySet):
    """Jobs, as workers claim and owners read them."""


class Job(LeasedModel, BaseModel):
    """A piece of work, written in the transaction of the request for it."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    # Admins read only their own here: staff have the admin site.
    access = Access(owner="user", read_all=(), write_all=())
    moves_owner_version = False  # each step of a running job writes its row
    emits_events = False

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs")
    role = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="Of its owner at the request: it runs and serves its file under no other",
    )
    kind = models.CharField(max_length=80, help_text="Names what runs it, e.g. resource.export")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent")
    parameters = models.JSONField(default=dict, help_text="Of the request; no secret")
    position = models.JSONField(default=dict, help_text="The last checkpoint, for the next run")
    result = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True, help_text="{code, message}, for its owner")
    source_file = models.ForeignKey(
        "core_files.StoredFile", null=True, blank=True, on_delete=models.SET_NULL, related_name="read_by"
    )
    result_file = models.ForeignKey(
        "core_files.StoredFile", null=True, blank=True, on_delete=models.SET_NULL, related_name="made_by"
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = JobQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="job_newest"),
            models.Index(fields=["due_at"], condition=models.Q(finished_at=None), name="job_pending_by_due"),
            models.Index(fields=["finished_at"], name="job_by_finished"),
            models.Index(
                fields=["status", "-id"],
                condition=models.Q(status__in=("queued", "running", "failed", "cancelled")),
                name="job_not_done_by_status",
            ),
            models.Index(fields=["request_id"], name="job_by_request"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(status__in=["queued", "running", "succeeded", "failed", "cancelled"]),
                name="job_status_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(progress__gte=0, progress__lte=100), name="job_progress_is_a_percentage"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["queued", "running"]) ^ models.Q(finished_at__isnull=False),
                name="job_is_finished_unless_queued_or_running",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.status})"

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    @property
    def has_summary(self) -> bool:
        return self.result is not None and "summary" in self.result

    @cached_property
    def links_made_at(self) -> int:
        return int(time.time())

    def is_for(self, user: Any) -> bool:
        """Return whether its owner, read anew as `user`, may use the API and still has the role of the request."""
        return bool(user.may_use_api and user.role == self.role)

    def cancel(self) -> bool:
        """Cancel; a running job stops at its next step. Return False for a finished one. The caller holds the row."""
        if self.status == self.Status.RUNNING and self.cancel_requested_at is None:
            self.cancel_requested_at = timezone.now()
            self.save_changes("cancel_requested_at")
        elif self.status == self.Status.QUEUED:
            self.status, self.finished_at = self.Status.CANCELLED, timezone.now()
            self.cancel_requested_at = self.finished_at
            self.save_changes("status", "finished_at", "cancel_requested_at")
        return self.status in {self.Status.RUNNING, self.Status.CANCELLED}

    def retry(self) -> None:
        """Start a failed job over from its last checkpoint, with a fresh set of attempts."""
        self.status, self.error, self.cancel_requested_at = self.Status.QUEUED, None, None
        self.save_changes(*self.reset(), "status", "error", "cancel_requested_at")
