"""What has happened to one object, for whoever may see it, out of the audit log."""

from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth import get_user_model
from rest_framework.decorators import action
from rest_framework.response import Response

from core.api.mixins.history_schema import history_page
from core.api.viewsets import BaseViewSet
from core.audit import services as audit
from core.audit.models import AuditEvent

OWNER, STAFF = "owner", "staff"


class HistoryViewSet(BaseViewSet):
    """A BaseViewSet with `GET …/{id}/history`: the events whose target is the object, also while it is in the trash.

    Its owner learns that somebody of the staff has acted, but not who. An admin learns who. From where somebody
    acted is for the audit log alone, and what was taken out of it with an erased person is not here either.
    """

    described_bodies: ClassVar[dict[str, Any]] = {"history": (None, history_page)}
    paged_actions: ClassVar = frozenset({"history"})

    @action(detail=True, url_path="history")
    def history(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """What has happened to it, the newest first."""
        instance = self.pick(self.filter_queryset(self.rows_in_state(None)))
        happened = AuditEvent.objects.filter(target_id=instance.pk, target_type=instance._meta.model_name)
        happened = happened.exclude(event=audit.view_event(instance))  # a view changes nothing
        page: Any = self.paginate_queryset(happened.order_by("-id"))
        owner_id = audit.subject_of(instance)
        names = names_of({event.actor_id for event in page}) if request.user.is_superuser else {}
        names.setdefault(request.user.pk, getattr(request.user, "name", ""))
        return self.get_paginated_response([entry(event, owner_id, names) for event in page])


def names_of(people: Iterable[UUID | None]) -> dict[UUID, str]:
    rows = get_user_model()._default_manager.filter(pk__in={pk for pk in people if pk})
    return dict(rows.values_list("pk", "name"))


def entry(event: AuditEvent, owner_id: UUID | None, names: dict[UUID, str]) -> dict[str, Any]:
    return {
        "id": event.pk,
        "event": event.event,
        "actor": actor(event, owner_id, names),
        "changes": {
            name: {"before": before, "after": after} for name, (before, after) in event.changes.items()
        },
        "createdAt": event.created_at,
    }


def actor(event: AuditEvent, owner_id: UUID | None, names: dict[UUID, str]) -> dict[str, Any] | None:
    """`names` holds whom the caller may know; None is the system itself."""
    if event.actor_id is None:
        return None
    known = names.get(event.actor_id)
    return {
        "kind": OWNER if event.actor_id == owner_id else STAFF,
        "id": None if known is None else event.actor_id,
        "name": known,
    }
