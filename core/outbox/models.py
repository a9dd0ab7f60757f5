"""The outbox: promises to the outside world. See core/outbox/services.py."""

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7


class OutboxQuerySet(models.QuerySet["OutboxMessage"]):
    def due(self, now: datetime) -> Self:
        """Waiting and due, or taken by a worker that has not finished within its lease."""
        free = models.Q(lease_until=None) | models.Q(lease_until__lt=now)
        return self.filter(free, status=OutboxMessage.Status.PENDING, due_at__lte=now)


class OutboxMessage(models.Model):
    """A promise to do something outside the database, written in the transaction that makes it necessary."""

    class Status(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=80, help_text="Names the handler, e.g. accounts.password_reset")
    payload = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Not worth doing after this moment")
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_id = models.UUIDField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True, default="")

    objects = OutboxQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=models.Q(status="pending"), name="outbox_pending_by_due"
            ),
            models.Index(fields=["finished_at"], name="outbox_by_finished"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(status="pending") ^ models.Q(finished_at__isnull=False),
                name="outbox_is_finished_unless_pending",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.status})"

    def retry(self) -> None:
        """Start a failed message over, with a fresh set of attempts."""
        self.status, self.attempts, self.finished_at = self.Status.PENDING, 0, None
        self.due_at, self.lease_until, self.expires_at = timezone.now(), None, None
        self.save(update_fields=["status", "attempts", "finished_at", "due_at", "lease_until", "expires_at"])
