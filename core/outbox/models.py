"""The tables of the outbox (core/outbox/services.py), the schedule and the heartbeats (modules of these names)."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from core.db.leases import LeasedModel, LeasedRows


class OutboxQuerySet(LeasedRows, models.QuerySet["OutboxMessage"]):
    """Messages that workers claim under a lease."""


class OutboxMessage(LeasedModel):
    """A message to a system outside the database, written in the transaction that makes it necessary."""

    class Status(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=80, help_text="Names the handler, e.g. accounts.password_reset")
    payload = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="After it the message is not delivered"
    )

    objects = OutboxQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=models.Q(finished_at=None), name="outbox_unfinished_by_due"
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
        self.status, self.expires_at = self.Status.PENDING, None
        self.save(update_fields=[*self.reset(), "status", "expires_at"])


class ScheduledTask(models.Model):
    """The last run of one entry of the schedule."""

    name = models.CharField(primary_key=True, max_length=200)
    last_run_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Heartbeat(models.Model):
    """The last sign of life of the workers, or of beat, of one host. See core/outbox/heartbeats.py."""

    class Program(models.TextChoices):
        WORKER = "worker"
        BEAT = "beat"

    program = models.CharField(max_length=10, choices=Program.choices)
    host = models.CharField(max_length=255)
    beat_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["program", "host"], name="heartbeat_by_program_and_host")
        ]

    def __str__(self) -> str:
        return f"{self.program} on {self.host}"
