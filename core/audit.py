"""The only writer of audit events. Called inside the transaction of what it records."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from core import context
from core.compiled import insert
from core.models import AuditEvent

LONGEST_VALUE = 500

Changes = dict[str, list[Any]]  # {field: [before, after]}


def record(
    event: str,
    *,
    actor_id: UUID | None = None,
    target: models.Model | None = None,
    changes: Changes | None = None,
) -> None:
    """`event` is `<noun>.<past verb>`; `changes` holds no secret."""
    insert(_event(event, actor_id, target, changes))


def record_many(
    happened: Iterable[tuple[str, models.Model, Changes | None]], *, actor_id: UUID | None = None
) -> None:
    """One event for each (event, target, changes), in this order, with one statement."""
    AuditEvent.objects.bulk_create(
        _event(event, actor_id, target, changes) for event, target, changes in happened
    )


def _event(
    event: str, actor_id: UUID | None, target: models.Model | None, changes: Changes | None
) -> AuditEvent:
    asking = context.current.get()
    return AuditEvent(
        event=event,
        actor_id=actor_id,
        target_type=target._meta.model_name or "" if target else "",
        target_id=target.pk if target else None,
        subject_id=subject_of(target),
        ip_address=asking.ip_address,
        user_agent=asking.user_agent,
        request_id=asking.request_id,
        changes=changes or {},
    )


def subject_of(target: models.Model | None) -> UUID | None:
    """The person whom an event about `target` concerns: itself when it is one, else its owner."""
    if isinstance(target, AbstractBaseUser):
        return target.pk
    return getattr(target, "user_id", None)


def forget(person_id: UUID) -> int:
    """Pseudonymise every event of a person who is being erased. None of the events is lost."""
    return AuditEvent.objects.all().redact(person_id, uuid4())


def difference(before: dict[str, Any], after: dict[str, Any]) -> Changes:
    """{field: [before, after]} of what differs, long texts shortened to their beginning."""
    return {
        name: [_short(before.get(name)), _short(value)]
        for name, value in after.items()
        if before.get(name) != value
    }


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        return f"{value[:LONGEST_VALUE]}… ({len(value)} characters)"
    if isinstance(value, bool | int | float | str | list | None):
        return value
    return str(value)
