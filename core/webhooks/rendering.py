"""The body of a delivery: the object as the API shows it to the owner of the webhook at the attempt.

Nothing of it is stored, so a log of deliveries outlives neither a row nor the right to read it.
"""

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
        data = shown(view_class_of(delivery.target_type), delivery.target_id, owner)
    envelope = {"type": delivery.event, "timestamp": delivery.created_at, "data": data}
    body = to_json(envelope)
    return body if len(body) <= MAX_BODY else to_json({**envelope, "data": {"id": delivery.target_id}})


def view_class_of(label: str) -> Any:
    """Return the viewset that shows the objects of a model: the first one whose queryset has no condition, else the
    first. Raises Unreadable where no route shows any."""
    classes = [view_class for view_class in viewsets() if model_of(view_class)._meta.label_lower == label]
    if not classes:
        raise Unreadable(f"no route shows a {label}")
    return next((each for each in classes if not leaves_rows_out(each)), classes[0])


def shown(view_class: Any, key: UUID | None, owner: Any) -> Any:
    """Return the object as `GET …/{id}` shows it to the user, also from the trash; of one that was deleted for good its
    id. Raises Unreadable."""
    model = model_of(view_class)
    if not model._base_manager.filter(pk=key).exists():
        return {"id": key}
    view = view_of(view_class, request_of(owner, "GET"), "retrieve", pk=key)
    every_row = type(model._default_manager.all())(model)  # the manager may leave rows out
    rows = every_row if leaves_rows_out(view_class) else view_class.queryset.all()
    try:
        view.check_permissions(view.request)
        row = rows.visible_to(owner).filter(pk=key).first()
        if row is None:
            raise Unreadable("the owner of the webhook may not read the object")
        view.check_object_permissions(view.request, row)
        return view.respond(row).data
    except (APIException, ApiError, PermissionDenied, Http404) as error:
        raise Unreadable("the API refuses the object to the owner of the webhook") from error
