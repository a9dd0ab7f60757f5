"""Background jobs: work that a caller starts, watches and may cancel. Run by core/jobs/services.py."""

import time
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from core.db.access import Access
from core.db.base import BaseModel, BaseQuerySet


class JobQuerySet(BaseQuerySet):
    def unfinished(self) -> Self:
        return self.filter(status__in=Job.UNFINISHED)

    def due(self, now: datetime) -> Self:
        """Waiting and due, or held by a worker that has let its lease run out."""
        free = models.Q(lease_until=None) | models.Q(lease_until__lt=now)
        return self.unfinished().filter(free, due_at__lte=now)

    def held_by(self, lease_id: Any) -> Self:
        """Fencing: a worker whose lease ran out finds nothing to write to."""
        return self.filter(lease_id=lease_id, status=Job.Status.RUNNING)


class Job(BaseModel):
    """A piece of work, written in the transaction of the request that asks for it: the row is the promise."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    UNFINISHED: ClassVar = (Status.QUEUED, Status.RUNNING)
    # An admin too sees their own only: staff have the admin site.
    access = Access(owner="user", read_all=(), write_all=())
    moves_owner_version = False  # each step of a running job writes its row

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs")
    role = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="Of its owner when it was asked for: it runs and hands out its file under no other",
    )
    kind = models.CharField(max_length=80, help_text="Names what runs it, e.g. resource.export")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent")
    parameters = models.JSONField(default=dict, help_text="What was asked for; no secret")
    position = models.JSONField(default=dict, help_text="How far it has come, for whoever takes it up again")
    result = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True, help_text="{code, message}, as its owner sees it")
    source_file = models.ForeignKey(
        "core_files.StoredFile", null=True, blank=True, on_delete=models.SET_NULL, related_name="read_by"
    )
    result_file = models.ForeignKey(
        "core_files.StoredFile", null=True, blank=True, on_delete=models.SET_NULL, related_name="made_by"
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Since it last came any further")
    last_error = models.TextField(blank=True, default="", help_text="For staff")
    due_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_id = models.UUIDField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True, default="")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = JobQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="job_newest"),
            models.Index(
                fields=["due_at"],
                condition=models.Q(status__in=["queued", "running"]),
                name="job_unfinished_by_due",
            ),
            models.Index(fields=["finished_at"], name="job_by_finished"),
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
        return self.status not in self.UNFINISHED

    @cached_property
    def links_made_at(self) -> int:
        return int(time.time())

    def is_for(self, user: Any) -> bool:
        """Whether its owner, as `user` says who that is now, may still have it run and have what it made."""
        return user_has(self.role, user)

    def cancel(self) -> bool:
        """Call it off; one that runs stops at its next step. False when it is over. The caller holds the row."""
        if self.status == self.Status.RUNNING and self.cancel_requested_at is None:
            self.cancel_requested_at = timezone.now()
            self.save_changes("cancel_requested_at")
        elif self.status == self.Status.QUEUED:
            self.status, self.finished_at = self.Status.CANCELLED, timezone.now()
            self.cancel_requested_at = self.finished_at
            self.save_changes("status", "finished_at", "cancel_requested_at")
        return self.status in {self.Status.RUNNING, self.Status.CANCELLED}

    def retry(self) -> None:
        """Start a failed job over where it stands, with a fresh set of attempts."""
        self.status, self.attempts, self.finished_at = self.Status.QUEUED, 0, None
        self.error, self.cancel_requested_at, self.due_at = None, None, timezone.now()
        self.lease_until = self.lease_id = None
        columns = ("status", "attempts", "finished_at", "error", "cancel_requested_at", "due_at")
        self.save_changes(*columns, "lease_until", "lease_id")


def user_has(role: str, user: Any) -> bool:
    """Whether the user is active and still has the role under which a job was asked for."""
    return bool(user.is_active and user.role == role)
