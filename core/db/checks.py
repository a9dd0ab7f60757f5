"""System checks of what a model declares about its rows."""

from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, register

from core.db.access import Access, AccessQuerySet
from core.db.base import BaseModel

HOOKS = ("visible_to", "writable_by", "owned_by", "listed_for", "within")


@register("core")
def check_access(**_options: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for model in apps.get_models():
        if issubclass(model, BaseModel):
            found += problems_of(model)
    return found


def problems_of(model: Any) -> list[CheckMessage]:
    access: Access | None = model.access
    rows = type(model._default_manager.all())
    by_hand = [name for name in HOOKS if getattr(rows, name) is not getattr(AccessQuerySet, name)]
    if access is not None and by_hand:
        return [
            Error(
                f"It declares `access`, and {rows.__name__} has a `{by_hand[0]}` of its own.",
                hint="Remove one of the two: what is written by hand would be used in some places only.",
                obj=model,
                id="core.E001",
            )
        ]
    if access is None:
        if "visible_to" in by_hand:
            return []
        hint = "Declare `access`, or give its queryset a `visible_to(user)`."
        return [Error("Nothing says who may read its rows.", hint=hint, obj=model, id="core.E002")]
    return [
        wrong_path(model, name, path) for name, path in access.named_paths if not leads_somewhere(model, path)
    ]


def leads_somewhere(model: Any, path: str) -> bool:
    try:
        model._base_manager.filter(**{f"{path}__isnull": False})
    except Exception:  # FieldError, or whatever a lookup says of a path that is none
        return False
    return True


def wrong_path(model: Any, name: str, path: str) -> CheckMessage:
    hint = "Write it as a lookup seen from the row, such as `customer__user`."
    return Error(
        f"`access` has {name}={path!r}, which is no path of the model.", hint=hint, obj=model, id="core.E003"
    )
