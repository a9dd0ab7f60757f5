"""The only writer of audit events. Call it in the transaction of the change."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from math import isfinite
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DatabaseError, models, transaction
from django.utils import timezone

from core.audit.models import AuditEvent
from core.db.access import owner_id_of
from core.db.counters import is_first
from core.db.statements import insert
from core.web import request_context as context

log = structlog.get_logger(__name__)

MAX_VALUE_LENGTH = 500
BOUNDED_SECONDS = 60
VIEW_INTERVAL = timedelta(minutes=1)

Changes = dict[str, list[Any]]  # {field: [before, after]}
Recorded = Sequence[tuple[AuditEvent, models.Model | None]]  # events with their targets
# Functions that an app above adds in its `ready`. Each is called with the events in the transaction of the change.
followers: list[Callable[[Recorded], None]] = []


def record(
    event: str,
    *,
    actor_id: UUID | None = None,
    target: models.Model | None = None,
    changes: Changes | None = None,
) -> None:
    """Record an event. `event` is `<noun>.<past verb>`; `changes` has no secret."""
    written = _event(event, actor_id, target, changes)
    insert(written)
    log_after_commit([written])
    for follow in followers:
        follow([(written, target)])


def record_bounded(
    event: str,
    *,
    caller: Any,
    actor_id: UUID | None = None,
    target: models.Model | None = None,
    changes: Changes | None = None,
) -> None:
    """Record an event that a caller can repeat without limit, such as a refusal: at most one a minute for each caller.

    For a refusal call it outside the transaction that is rolled back. A failed write does not fail the request; it
    is logged.
    """
    if not is_first(f"{event}:{caller}", BOUNDED_SECONDS):
        return
    try:
        with transaction.atomic():
            record(event, actor_id=actor_id, target=target, changes=changes)
    except DatabaseError as error:
        log.error("audit_event_lost", kind=event, actorId=actor_id and str(actor_id), exc_info=error)


def record_view(*, actor_id: UUID, target: models.Model) -> None:
    """Record that the actor has viewed personal data, as `user.viewed`, `session.viewed` and so on.

    Views by the same actor within a minute are one event, so that reloading a page adds none.
    """
    event = view_event(target)
    kind = target._meta.label_lower
    seen = (
        AuditEvent.objects.filter(target_id=target.pk, target_type=kind, actor_id=actor_id, event=event)
        .order_by("-id")
        .first()
    )
    if seen is None or timezone.now() - seen.created_at > VIEW_INTERVAL:
        record(event, actor_id=actor_id, target=target)


def view_event(target: models.Model) -> str:
    return f"{target._meta.model_name}.viewed"


def record_many(
    happened: Iterable[tuple[str, models.Model, Changes | None]], *, actor_id: UUID | None = None
) -> None:
    """Record an event for each (event, target, changes), in this order, by one statement."""
    given = [(_event(event, actor_id, target, changes), target) for event, target, changes in happened]
    events = [event for event, _target in given]
    AuditEvent.objects.bulk_create(events)
    log_after_commit(events)
    for follow in followers:
        follow(given)


def log_after_commit(events: list[AuditEvent]) -> None:
    """Log each event too, without the changed values, which may be personal. Shipped logs are a second record, which
    an attacker with access to the database cannot change."""
    if log.is_enabled_for(logging.INFO):
        transaction.on_commit(partial(_log, events))


def _log(events: list[AuditEvent]) -> None:
    for event in events:
        log.info(
            "audit_event",
            kind=event.event,
            auditId=str(event.pk),
            actorId=event.actor_id and str(event.actor_id),
            target=f"{event.target_type} {event.target_id}" if event.target_id else None,
            subjectId=event.subject_id and str(event.subject_id),
            ip=event.ip_address,
            changed=sorted(event.changes),
        )


def _event(
    event: str, actor_id: UUID | None, target: models.Model | None, changes: Changes | None
) -> AuditEvent:
    request = context.current.get()
    subject_id = subject_of(target)
    names_somebody = actor_id is not None or subject_id is not None
    return AuditEvent(
        event=event,
        actor_id=actor_id,
        target_type=target._meta.label_lower if target else "",  # a class name may be that of two apps
        target_id=target.pk if target else None,
        subject_id=subject_id,
        ip_address=request.ip_address,
        # An event that names nobody is not found when its person is erased.
        user_agent=request.user_agent if names_somebody else "",
        request_id=request.request_id,
        changes=changes or {},
    )


def subject_of(target: models.Model | None) -> UUID | None:
    """Return the id of the person whom an event about `target` concerns: the target itself, or its owner."""
    if isinstance(target, AbstractBaseUser):
        return target.pk
    return owner_id_of(target) if target is not None else None


def redact(person_id: UUID) -> int:
    """Pseudonymise the events of a person who is erased, and return their number. No event is deleted."""
    return AuditEvent.objects.all().redact(person_id, uuid4())


# The fields of an object that differ after each change.
ALWAYS_CHANGED = frozenset({"updatedAt", "version"})


def difference(before: dict[str, Any], after: dict[str, Any]) -> Changes:
    """Return {field: [before, after]} of the fields that differ, with long texts truncated."""
    return {
        name: [_short(before.get(name)), _short(value)]
        for name, value in after.items()
        if name not in ALWAYS_CHANGED and before.get(name) != value
    }


def _short(value: Any) -> Any:
    """Return the value in the types of JSON: a serializer may return dates, decimals and others."""
    if isinstance(value, Mapping):
        return {str(name): _short(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_short(item) for item in value]
    if value is None or type(value) in {bool, int} or (type(value) is float and isfinite(value)):
        return value
    text = str(value)
    if len(text) > MAX_VALUE_LENGTH:
        return f"{text[:MAX_VALUE_LENGTH]}… ({len(text)} characters)"
    return text
