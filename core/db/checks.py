"""System checks of what a model declares about its rows."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from core.db.access import HOOKS, Access, AccessQuerySet, is_by_hand, levels, target_of
from core.db.base import BaseModel
from core.db.changes import refusal_of_feed


@register("core")
def check_access(**_options: Any) -> list[CheckMessage]:
    models_of_ours = (model for model in apps.get_models() if issubclass(model, BaseModel))
    return [problem for model in models_of_ours for problem in problems_of(model)]


def problems_of(model: Any) -> list[CheckMessage]:
    access: Access | None = model.access
    rows = type(model._default_manager.all())
    if not issubclass(rows, AccessQuerySet):
        hint = "Write `objects = BaseQuerySet.as_manager()`, or a manager made from a subclass of it."
        return [Error("Its default manager has no BaseQuerySet.", hint=hint, obj=model, id="core.E004")]
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
            return [*feed_problems(model)]
        hint = "Declare `access`, or give its queryset a `visible_to(user)`."
        return [Error("No rule states who may read its rows.", hint=hint, obj=model, id="core.E002")]
    return [*path_problems(model, access), *unique_problems(model, access), *feed_problems(model)]


def feed_problems(model: Any) -> Iterator[CheckMessage]:
    reason = refusal_of_feed(model) if model.keeps_changes else None
    if reason is not None:
        hint = "Remove `keeps_changes`, or declare `access` by a foreign key to the owner."
        yield Error(f"It cannot have a change feed: {reason}.", hint=hint, obj=model, id="core.E009")


def path_problems(model: Any, access: Access) -> Iterator[CheckMessage]:
    for name, path in access.named_paths:
        if not leads_somewhere(model, name, path):
            hint = "Write it as a lookup seen from the row, such as `customer__user`."
            text = f"`access` has {name}={path!r}, which is no path of the model."
            yield Error(text, hint=hint, obj=model, id="core.E003")
        elif name == "parent":
            yield from parent_problems(model, path)


def leads_somewhere(model: Any, name: str, path: str) -> bool:
    """Return whether it is a path of relations; only one of members may lead to many rows."""
    if name == "owner" and path == "pk":
        return True
    try:
        for part in path.split("__"):
            field = model._meta.get_field(part)
            if field.related_model is None or (
                name != "members" and not (field.many_to_one or field.one_to_one)
            ):
                return False
            model = field.related_model
    except FieldDoesNotExist:
        return False
    return True


def parent_problems(model: Any, path: str) -> Iterator[CheckMessage]:
    above = target_of(model, path)
    if not is_by_hand(above) and getattr(above, "access", None) is None:
        hint = f"Declare `access` on {above.__name__}, or give its queryset a `visible_to(user)`."
        text = f"`access` has parent={path!r}, and no rule states who may read a {above.__name__}."
        yield Error(text, hint=hint, obj=model, id="core.E005")
    last = levels(model)[-1]
    if last.access.parent and target_of(last, last.access.parent) in levels(model):
        hint = "Name the `owner` or the `members` on each row: a declaration cannot follow a tree."
        text = f"`access` has parent={path!r}, which leads back to {last.__name__}.{last.access.parent}."
        yield Error(text, hint=hint, obj=model, id="core.E006")


def unique_problems(model: Any, access: Access) -> Iterator[CheckMessage]:
    """Yield a warning for each unique value that owners share: a 409 then shows that a row of another owner exists."""
    if access.public == {} or access.owner == "pk":
        return
    shared = [
        field.name
        for field in model._meta.local_fields
        if field.unique and not field.primary_key and not field.is_relation
    ]
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and access.paths.isdisjoint(constraint.fields):
            relations = {field.name for field in model._meta.local_fields if field.is_relation}
            shared += [constraint.name] if relations.isdisjoint(constraint.fields) else []
    for name in shared:
        if name not in access.global_unique:
            hint = (
                f"Use a UniqueConstraint with {', '.join(sorted(access.paths)) or 'the owner'}, "
                f"or declare Access(global_unique={{{name!r}}})."
            )
            text = f"{name} is unique among the rows of all owners: a 409 shows what others have."
            yield CheckWarning(text, hint=hint, obj=model, id="core.W001")
