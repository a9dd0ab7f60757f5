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
        """Filter by person: the actor, or the subject."""
        return self.filter(models.Q(actor_id=person_id) | models.Q(subject_id=person_id))

    def redact(self, person_id: UUID, pseudonym: UUID) -> int:
        """Replace the id of a person by a pseudonym, and delete the rest of their data from their events.

        The address, device and request id of another actor remain. Those of an event without an actor, such as a failed
        log-in, may be the person's. The triggers allow no other change.
        """
        by_them = models.Q(actor_id=person_id) | models.Q(actor_id=None)

        def case(column: str, condition: models.Q, value: Any) -> models.Case:
            field: Any = AuditEvent._meta.get_field(column)
            return models.Case(
                models.When(condition, then=models.Value(value)), default=column, output_field=field
            )

        ids = ("actor_id", "subject_id", "target_id")
        blanks = {"ip_address": None, "user_agent": "", "request_id": ""}
        return super(AuditEventQuerySet, self.about(person_id)).update(
            redacted_at=Now(),  # the time of the statement, which the triggers compare
            changes={},
            **{column: case(column, models.Q((column, person_id)), pseudonym) for column in ids},
            **{column: case(column, by_them, blank) for column, blank in blanks.items()},
        )


class AppendOnlyError(TypeError):
    def __init__(self) -> None:
        super().__init__("the audit log is append-only")


class AuditEvent(models.Model):
    """An event. Only core/audit/services.py writes it, and nothing changes it.

    Actor and target are ids and not foreign keys, because the log outlives these rows.
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
