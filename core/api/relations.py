"""Filters, sorts and searches over relations: only rows that the caller may read have a part in them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import Case, F, OrderBy, Q, QuerySet, When

from core.db.access import filterable, has_field


def relations_on(model: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, relation) of the relations that a lookup on this path goes through."""
    here: list[str] = []
    for name, following in pairwise(path.split("__")):
        field = field_of(model, name)
        if field is None or not field.related_model or field_of(field.related_model, following) is None:
            return
        here.append(name)
        yield "__".join(here), field
        model = field.related_model


def field_of(model: Any, name: str) -> Any:
    try:
        return model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def restricted_on(model: Any, path: str, *, many: bool = False) -> list[tuple[str, Any]]:
    """Return (path, all rows) of the relations on this path to rows of which a caller may not see all.

    Raises ImproperlyConfigured for relations to many rows, which `visible_along` narrows only in the call of filter()
    that has the lookup too (`many`).
    """
    relations = list(relations_on(model, path))
    rows = [(prefix, field.related_model._default_manager.all()) for prefix, field in relations]
    guarded = [(prefix, each) for prefix, each in rows if hasattr(each, "visible_to")]
    if (
        guarded
        and not many
        and not all(field.many_to_one or field.one_to_one for _prefix, field in relations)
    ):
        raise ImproperlyConfigured(
            f"{path!r} of {model.__name__} leads to many rows, of which the caller may not see all: "
            "filter by a `method` that narrows them, and sort by an annotation."
        )
    return guarded


def visible_along(model: Any, path: str, user: Any, *, many: bool = False) -> Q:
    """Return the condition that the user may read the rows of the relations on this path, and none is deleted."""
    condition = Q()
    for prefix, rows in restricted_on(model, path, many=many):
        seen = filterable(rows.visible_to(user))
        seen = seen.filter(deleted_at=None) if has_field(rows.model, "deleted_at") else seen
        condition &= Q(**{f"{prefix}__pk__in": seen.values("pk")})
    return condition


def ordered(rows: QuerySet[Any], order: list[str], user: Any) -> QuerySet[Any]:
    """Return the rows in this order. A value of another row is an annotation, and NULL where the user may not read
    that row."""
    keys = []
    for key in order:
        name, descending = key.removeprefix("-"), key.startswith("-")
        if name not in rows.query.annotations and is_of_another_row(rows.model, name):
            condition = visible_along(rows.model, name, user)
            value = Case(When(condition, then=F(name))) if condition else F(name)
            name = f"sort_by_{name.replace('__', '_')}"
            rows = rows.annotate(**{name: value})
        keys.append(sort_by(rows, name, descending=descending))
    return rows.order_by(*keys)


def is_of_another_row(model: Any, path: str) -> bool:
    """Return whether the path begins with a relation; its key is a column of the row itself."""
    field = field_of(model, path.partition("__")[0])
    return field is not None and field.is_relation and path != getattr(field, "attname", None)


def sort_by(rows: QuerySet[Any], name: str, *, descending: bool) -> str | OrderBy:
    """Return a key of order_by(). NULL is the largest value on every database, as it is on PostgreSQL."""
    if name not in rows.query.annotations and not getattr(field_of(rows.model, name), "null", False):
        return f"-{name}" if descending else name
    return F(name).desc(nulls_first=True) if descending else F(name).asc(nulls_last=True)
