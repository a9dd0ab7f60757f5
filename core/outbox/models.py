"""The tables of the outbox (core/outbox/services.py), the schedule and the heartbeats (modules of these names)."""

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Case, F, When
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from core.db.leases import LeasedModel, LeasedRows


class OutboxQuerySet(LeasedRows, models.QuerySet["OutboxMessage"]):
    """Messages that workers claim under a lease."""

    def trusted(self) -> Self:
        """Return the messages of which every attempt had an outcome. Another may be what kills its process."""
        return self.filter(crashes=0, lease_until=None)

    def claim(self, lease: timedelta, **values: Any) -> Any:
        """Claim as LeasedRows does. An attempt without an outcome is counted, and the message is behind those that
        were killed with it if that happens again."""
        values["crashes"] = F("crashes") + Case(When(lease_until=None, then=0), default=1)
        values["due_at"] = Case(When(lease_until=None, then=F("due_at")), default=Now())
        return super().claim(lease, **values)


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
    crashes = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Attempts without an outcome: their process was killed"
    )
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
            models.Index(
                fields=["status", "-id"],
                condition=models.Q(status__in=("pending", "failed")),
                name="outbox_not_done_by_status",
            ),
            models.Index(fields=["request_id"], name="outbox_by_request"),
            # What the payload names: the person by their key, and the address of an email.
            models.Index(KeyTransform("user", "payload"), name="outbox_by_user"),
            models.Index(KeyTransform("email", "payload"), name="outbox_by_email"),
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
        self.status, self.expires_at, self.crashes = self.Status.PENDING, None, 0
        self.save(update_fields=[*self.reset(), "status", "expires_at", "crashes"])


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
