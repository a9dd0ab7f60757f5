"""The history of an object: its audit events, for users who may read the object."""

from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from rest_framework.decorators import action
from rest_framework.response import Response

from core.api.eligible_fields import shows_column
from core.api.mixins.history_schema import ERASED, MEMBER, OWNER, STAFF, history_page
from core.api.overrides import override_of
from core.api.viewsets import BaseViewSet
from core.audit import services as audit
from core.audit.models import AuditEvent


class HistoryViewSet(BaseViewSet):
    """A BaseViewSet with `GET …/{id}/history`: the events whose target is the object, also while it is in the trash.

    It shows the changes of those fields that the serializer shows to the caller; of a field whose value code of the
    author makes, perhaps for the caller alone, only those of the caller's own events. Who acted only an admin learns,
    and of an own event the caller; others learn whether it was the owner, another user, the staff or an erased person.
    From where somebody acted is for the audit log alone, and what was taken out of it with an erased person is not here
    either.
    """

    described_bodies: ClassVar[dict[str, Any]] = {"history": (None, history_page)}
    paged_actions: ClassVar = frozenset({"history"})

    @action(detail=True, url_path="history")
    def history(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Return the events of the object, newest first."""
        self.deleted = None
        instance = self.get_object()
        # An import may choose the id of a row that was deleted for good, whose events are not those of the new row.
        happened = AuditEvent.objects.filter(
            target_id=instance.pk, target_type=instance._meta.label_lower, created_at__gte=instance.created_at
        )
        happened = happened.exclude(event=audit.view_event(instance))  # a view changes nothing
        page: Any = self.paginate_queryset(happened.order_by("-id"))
        people = get_user_model()._default_manager.in_bulk({event.actor_id for event in page} - {None})
        serializer = self.get_serializer(instance)
        owner_id, shown = audit.subject_of(instance), frozenset(serializer.data)
        same = shown & names_of_stored_values(serializer)
        return self.get_paginated_response(
            [
                {
                    "id": event.pk,
                    "event": event.event,
                    "actor": actor(event, owner_id, people, request.user),
                    "changes": {
                        name: {"before": before, "after": after}
                        for name, (before, after) in event.changes.items()
                        if name in (shown if event.actor_id == request.user.pk else same)
                    },
                    "createdAt": event.created_at,
                }
                for event in page
            ]
        )


def names_of_stored_values(serializer: Any) -> frozenset[str]:
    """Return the fields that show everybody the same: an audit event has the values that its actor was shown."""
    if override_of(type(serializer), among=frozenset({"to_representation"})) is not None:
        return frozenset()
    model = serializer.Meta.model
    return frozenset(
        name
        for name, field in serializer.fields.items()
        if field.source in model.etag_covers or shows_column(model, field)
    )


def actor(event: AuditEvent, owner_id: Any, people: dict[Any, Any], caller: Any) -> dict[str, Any] | None:
    """Return the actor of an event, or None for the system. An erased user is in no table, and is not the owner."""
    if event.actor_id is None:
        return None
    person = people.get(event.actor_id)
    known: Any = person if caller.is_superuser or person == caller else None
    return {
        "kind": kind_of(event, owner_id, person),
        "id": known and event.actor_id,
        "name": known and known.name,
    }


def kind_of(event: AuditEvent, owner_id: Any, person: Any) -> str:
    if person is None:
        return ERASED
    if event.actor_id == owner_id:
        return OWNER
    return STAFF if person.is_staff else MEMBER
