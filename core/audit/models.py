"""The audit log. Written by core/audit/services.py alone."""

from typing import Any, ClassVar, NoReturn, Self
from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7


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
            redacted_at=Now(),  # the time of the statement, which the triggers insist on
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
    """What happened, by whom, from where. Written only by core/audit/services.py; never changed.

    Actor and target are plain ids, not foreign keys: the log outlives what it speaks of.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    event = models.CharField(max_length=60)
    actor_id = models.UUIDField(null=True)
    target_type = models.CharField(max_length=120, blank=True, default="")
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
