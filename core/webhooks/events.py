"""The names of events: `<model>.<verb>`, as the audit log has them."""

from collections.abc import Collection
from functools import cache
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from core.api.routers import viewsets
from core.api.row_access import model_of
from core.files.models import BaseAttachment

VERBS = ("created", "updated", "deleted", "restored", "erased")  # of every model behind a viewset
OF_ATTACHMENTS = ("attachment.created", "attachment.deleted")  # of the object that has them
TEST = "webhook.test"
ALL = "*"

published: set[str] = set()


def publishes(*names: str) -> None:
    """Declare events of an app that can be subscribed to, such as `invoice.paid`.

    Each is recorded by `core.audit.services.record` with the row as its target, in the transaction of the change.
    """
    published.update(names)


@cache
def emits(model: Any) -> bool:
    """Return whether webhooks may subscribe to events of this model: a BaseModel, but no account."""
    return getattr(model, "emits_events", False) and not issubclass(model, AbstractBaseUser)


def known_events() -> list[str]:
    """Return all names that can be subscribed to."""
    models = {model_of(view_class) for view_class in viewsets()}
    names = {f"{model._meta.model_name}.{verb}" for model in models if emits(model) for verb in VERBS}
    has_attachments = any(issubclass(model, BaseAttachment) for model in models)
    return sorted(names | published | set(OF_ATTACHMENTS if has_attachments else ()))


def patterns(names: Collection[str]) -> list[str]:
    """Return the names with the patterns of each noun, and `*`."""
    nouns = {f"{name.partition('.')[0]}.*" for name in names}
    return [*sorted({*names, *nouns}), ALL]


def matches(name: str, chosen: Collection[str]) -> bool:
    return not {name, f"{name.partition('.')[0]}.*", ALL}.isdisjoint(chosen)
