"""The base of every model, and the two tables that belong to no app: the outbox and the audit log."""

from datetime import datetime
from typing import Any, ClassVar, NoReturn, Self
from uuid import UUID

from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7


class BaseQuerySet(models.QuerySet[Any]):
    def alive(self) -> Self:
        return self.filter(deleted_at=None)

    def trashed(self) -> Self:
        return self.exclude(deleted_at=None)


class BaseModel(models.Model):
    """A UUIDv7 key, which sorts by time of creation (RFC 9562), timestamps, a version and soft deletion.

    Every visible change goes through `save_changes`, so that the version, and with it the ETag, moves.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = BaseQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            self.updated_at = self.created_at  # two calls of now() would differ
        super().save(*args, **kwargs)

    @property
    def etag(self) -> str:
        """Strong (RFC 9110, 8.8.1): from the version column, so two equal tags mean equal bytes."""
        return f'"v{self.version}"'

    def save_changes(self, *columns: str) -> None:
        """Store these columns as one visible change. The caller holds the row (locked, or just made)."""
        self.version += 1
        self.updated_at = timezone.now()
        self.save(update_fields=[*columns, "version", "updated_at"])

    def soft_delete(self) -> None:
        self.deleted_at = timezone.now()
        self.save_changes("deleted_at")

    def restore(self) -> None:
        """Raises IntegrityError when a unique value was taken in the meantime."""
        self.deleted_at = None
        self.save_changes("deleted_at")


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


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **_kwargs: Any) -> NoReturn:
        raise AppendOnlyError

    def delete(self) -> NoReturn:
        raise AppendOnlyError

    def about(self, person_id: UUID) -> Self:
        """What this person did, and what was done to them or theirs."""
        return self.filter(models.Q(actor_id=person_id) | models.Q(subject_id=person_id))

    def redact(self, person_id: UUID, pseudonym: UUID) -> int:
        """Take a person out of their events: a pseudonym in place of their id, nothing in place of the rest.

        What an actor other than them has left of their own address stays; where nobody is named, as in a failed
        log-in, it may well be theirs. The database allows this one change.
        """
        by_them = models.Q(actor_id=person_id) | models.Q(actor_id=None)

        def replaced(column: str) -> models.Case:
            return models.Case(
                models.When(**{column: person_id}, then=models.Value(pseudonym)), default=column
            )

        def blanked(column: str, blank: str | None) -> models.Case:
            field: Any = AuditEvent._meta.get_field(column)
            return models.Case(
                models.When(by_them, then=models.Value(blank)), default=column, output_field=field
            )

        return super(AuditEventQuerySet, self.about(person_id)).update(
            redacted_at=timezone.now(),
            actor_id=replaced("actor_id"),
            subject_id=replaced("subject_id"),
            target_id=replaced("target_id"),
            ip_address=blanked("ip_address", None),
            user_agent=blanked("user_agent", ""),
            request_id=blanked("request_id", ""),
            changes={},
        )


class AppendOnlyError(TypeError):
    def __init__(self) -> None:
        super().__init__("the audit log is append-only")


class AuditEvent(models.Model):
    """What happened, by whom, from where. Written only by core/audit.py; never changed.

    Actor and target are plain ids, not foreign keys: the log outlives what it speaks of.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    event = models.CharField(max_length=60)
    actor_id = models.UUIDField(null=True)
    target_type = models.CharField(max_length=60, blank=True, default="")
    target_id = models.UUIDField(null=True)
    subject_id = models.UUIDField(null=True, help_text="The person whom it concerns: the target or its owner")
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=400, blank=True, default="")
    request_id = models.CharField(max_length=64, blank=True, default="")
    changes = models.JSONField(default=dict, help_text="{field: [before, after]}, never a secret")
    redacted_at = models.DateTimeField(null=True, help_text="When the person in it was erased")

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["target_id", "-id"], name="audit_by_target"),
            models.Index(fields=["actor_id", "-id"], name="audit_by_actor"),
            models.Index(fields=["subject_id", "-id"], name="audit_by_subject"),
            models.Index(fields=["event", "-id"], name="audit_by_event"),
            models.Index(fields=["request_id"], name="audit_by_request"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.created_at:%Y-%m-%d %H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnlyError


class StoredAnswer(models.Model):
    """What a request with an Idempotency-Key was answered, for a day. See core/idempotency.py."""

    name = models.CharField(max_length=64, primary_key=True, help_text="A hash of caller and key")
    fingerprint = models.CharField(max_length=64, help_text="A hash of the request")
    status = models.PositiveSmallIntegerField()
    content = models.BinaryField(
        help_text="Body, headers and cookies, encrypted; the client's key is part of the secret"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["created_at"], name="stored_answer_by_age")]

    def __str__(self) -> str:
        return f"{self.status} of {self.created_at:%Y-%m-%d %H:%M:%S}"
