"""Keyset pagination: `cursor=` requests the first page, `nextCursor` of a response the next one, at a constant cost.

A cursor holds the sort columns of the last row of a page, signed, so a client cannot make one. Rows that others insert
or delete meanwhile neither repeat nor hide any other row.
"""

from typing import Any

from django.core import signing
from django.db.models import BooleanField, F, Func, Lookup, OrderBy, Q, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan

from core.api.relations import field_of, sort_by
from core.web.errors import FieldError

SALT = "core.cursor"
FORWARD, BACKWARD = "n", "p"
MAX_CURSOR_LENGTH = 8192  # enough for the longest title, each character outside the basic plane


def keyset_page(queryset: QuerySet[Any], cursor: str, limit: int) -> tuple[list[Any], dict[str, Any]]:
    """Return the rows and their `meta`. Raises FieldError for an invalid signature, a cursor of another sort, and a
    sort by expressions, whose values the rows do not hold."""
    order = order_of(queryset)
    direction, values = read(cursor, order) if cursor else (FORWARD, None)
    later = order if direction == FORWARD else [flipped(key) for key in order]
    queryset = in_order(queryset, later)
    if values is not None:
        queryset = queryset.filter(beyond(queryset, later, values))
    rows = list(queryset[: limit + 1])
    more, rows = len(rows) > limit, rows[:limit]
    if direction == BACKWARD:
        rows.reverse()
    has_next = more if direction == FORWARD else True
    has_previous = more if direction == BACKWARD else values is not None
    return rows, {
        "limit": limit,
        "nextCursor": write(FORWARD, order, rows[-1]) if rows and has_next else None,
        "prevCursor": write(BACKWARD, order, rows[0]) if rows and has_previous else None,
    }


def order_of(queryset: QuerySet[Any]) -> list[str]:
    """Return the columns and annotations that the rows are sorted by, the last of them the key, as `-created_at`."""
    order = []
    for key in queryset.query.order_by or queryset.model._meta.ordering:
        text = (
            f"{'-' * key.descending}{getattr(key.expression, 'name', '')}"
            if isinstance(key, OrderBy)
            else str(key)
        )
        name = text.removeprefix("-")
        column = field_of(queryset.model, name)
        is_column = getattr(column, "column", None) and name in {column.attname, "pk"}
        if name not in queryset.query.annotations and not is_column:
            raise FieldError("cursor", "invalid", "This sort has numbered pages only.")
        order.append(text)
    primary = queryset.model._meta.pk.attname
    is_unique = {"pk", primary} & {key.removeprefix("-") for key in order}
    return order if is_unique else [*order, primary]


def in_order(queryset: QuerySet[Any], order: list[str]) -> QuerySet[Any]:
    keys = [sort_by(queryset, key.removeprefix("-"), descending=key.startswith("-")) for key in order]
    return queryset.order_by(*keys)


def write(direction: str, order: list[str], row: Any) -> str:
    values = [row.serializable_value(key.removeprefix("-")) for key in order]
    return signing.dumps([direction, ",".join(order), [portable(value) for value in values]], salt=SALT)


def portable(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def read(cursor: str, order: list[str]) -> tuple[str, list[str | None]]:
    if len(cursor) > MAX_CURSOR_LENGTH:
        raise FieldError("cursor", "invalid", "Not a cursor of this list.")
    try:
        direction, written_for, values = signing.loads(cursor, salt=SALT)
    except signing.BadSignature as error:
        raise FieldError("cursor", "invalid", "Not a cursor of this list.") from error
    if written_for != ",".join(order):
        raise FieldError("cursor", "invalid", "This cursor belongs to another sort.")
    return direction, values


def flipped(key: str) -> str:
    return key.removeprefix("-") if key.startswith("-") else f"-{key}"


def beyond(queryset: QuerySet[Any], order: list[str], values: list[str | None]) -> "Q | Lookup[Any]":
    """Return the condition of the rows after these values."""
    names = [key.removeprefix("-") for key in order]
    annotations = queryset.query.annotations
    fields: list[Any] = [
        annotations[name].output_field if name in annotations else field_of(queryset.model, name)
        for name in names
    ]
    typed = [field.to_python(text) for field, text in zip(fields, values, strict=True)]
    nullable = {name for name in names if isinstance(sort_by(queryset, name, descending=False), OrderBy)}
    if not nullable and len({key.startswith("-") for key in order}) == 1:
        # One comparison of whole rows, with which the database begins in the middle of its index, however many
        # rows are equal in the first column.
        last = row_of(*(Value(value, output_field=field) for value, field in zip(typed, fields, strict=True)))
        return (LessThan if order[0].startswith("-") else GreaterThan)(row_of(*map(F, names)), last)
    return row_comparison(order, typed, nullable)


def row_of(*columns: F | Value) -> Func:
    return Func(*columns, template="(%(expressions)s)", output_field=BooleanField())


def row_comparison(order: list[str], values: list[Any], nullable: set[str]) -> Q:
    """Return the condition for directions that differ, and for NULLs: a later first column, or an equal one and a later
    second, and so on. The bound on the first column is redundant, but lets the database begin in the middle of an
    index."""
    condition, equal = Q(pk__in=[]), Q()
    for key, value in zip(order, values, strict=True):
        name, descending = key.removeprefix("-"), key.startswith("-")
        if value is None:  # the largest value
            later = Q(**{f"{name}__isnull": False}) if descending else Q(pk__in=[])
        else:
            later = Q(**{f"{name}__{'lt' if descending else 'gt'}": value})
            later |= Q(**{name: None}) if name in nullable and not descending else Q()
        condition |= equal & later
        equal &= Q(**{name: value})
    first, descending = order[0].removeprefix("-"), order[0].startswith("-")
    bound = Q() if first in nullable else Q(**{f"{first}__{'lte' if descending else 'gte'}": values[0]})
    return bound & condition
