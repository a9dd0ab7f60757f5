"""The body of a delivery: the object as the API shows it to the owner of the webhook at the attempt.

Nothing of it is stored, so a log of deliveries outlives neither a row nor the right to read it.
"""

from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import APIException
from rest_framework.utils.encoders import JSONEncoder

from core.api.caller import request_of, view_of
from core.api.personal_data import leaves_rows_out
from core.api.routers import viewsets
from core.api.row_access import model_of
from core.web.errors import ApiError
from core.web.json_bytes import dumps
from core.webhooks.events import TEST
from core.webhooks.models import WebhookDelivery

MAX_BODY = 1024 * 1024  # bytes; of a larger object only the id is sent

to_json = partial(dumps, default=JSONEncoder().default)


class Unreadable(Exception):
    """The owner of the webhook may not read the object now."""


def body_of(delivery: WebhookDelivery, owner: Any) -> bytes:
    """Return the body of an attempt. Raises Unreadable."""
    if delivery.event == TEST:
        data: Any = {"webhookId": delivery.webhook_id}
    else:
        data = shown_by_any(view_classes_of(delivery.target_type), delivery.target_id, owner)
    envelope = {"type": delivery.event, "timestamp": delivery.created_at, "data": data}
    body = to_json(envelope)
    return body if len(body) <= MAX_BODY else to_json({**envelope, "data": {"id": delivery.target_id}})


def view_classes_of(label: str) -> list[Any]:
    """Return the viewsets of a model, those whose queryset has no condition first. Raises Unreadable where no route
    shows its objects."""
    classes = [view_class for view_class in viewsets() if model_of(view_class)._meta.label_lower == label]
    if not classes:
        raise Unreadable(f"no route shows a {label}")
    return sorted(classes, key=leaves_rows_out)


def shown_by_any(view_classes: list[Any], key: UUID | None, owner: Any) -> Any:
    """Return the object as the first of the viewsets that admits the user shows it. Raises Unreadable."""
    for view_class in view_classes[:-1]:
        with suppress(Unreadable):
            return shown(view_class, key, owner)
    return shown(view_classes[-1], key, owner)


def shown(view_class: Any, key: UUID | None, owner: Any) -> Any:
    """Return the object as `GET …/{id}` shows it to the user, also from the trash; of one that was deleted for good its
    id. Raises Unreadable."""
    row = model_of(view_class)._base_manager.filter(pk=key).first()
    if row is None:
        return {"id": key}
    view = view_of(view_class, request_of(owner, "GET"), "retrieve", **{**parents_of(row), "pk": key})
    view.deleted = None
    try:
        view.check_permissions(view.request)
        row = view.object_rows().filter(pk=key).first()
        if row is None:
            raise Unreadable("the owner of the webhook may not read the object")
        view.check_object_permissions(view.request, row)
        return view.respond(row).data
    except (APIException, ApiError, PermissionDenied, Http404) as error:
        raise Unreadable("the API refuses the object to the owner of the webhook") from error


def parents_of(row: Any) -> dict[str, Any]:
    """Return the variables of a nested path, which are named after foreign keys."""
    keys = [field for field in row._meta.concrete_fields if field.many_to_one]
    return {name: getattr(row, key.attname) for key in keys for name in (key.name, key.attname)}
