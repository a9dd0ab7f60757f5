"""Keyset pagination: `cursor=` requests the first page, `nextCursor` of a response the next one, at a constant cost.

A cursor holds the sort columns of the last row of a page, signed, so a client cannot make one. Rows that others insert
or delete meanwhile neither repeat nor hide any other row.
"""

from typing import Any

from django.core import signing
from django.db.models import BooleanField, F, Func, Lookup, Q, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan

from core.web.errors import FieldError

SALT = "core.cursor"
FORWARD, BACKWARD = "n", "p"
MAX_CURSOR_LENGTH = 8192  # enough for the longest title, each character outside the basic plane


def keyset_page(queryset: QuerySet[Any], cursor: str, limit: int) -> tuple[list[Any], dict[str, Any]]:
    """Return the rows and their `meta`. Raises FieldError for an invalid signature, or a cursor of another sort."""
    order = [str(key) for key in queryset.query.order_by]
    direction, values = read(cursor, order) if cursor else (FORWARD, None)
    if values is not None:
        queryset = queryset.filter(beyond(queryset.model, order, values, direction))
    if direction == BACKWARD:
        queryset = queryset.order_by(*(flipped(key) for key in order))
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


def write(direction: str, order: list[str], row: Any) -> str:
    values = [row.serializable_value(key.lstrip("-")) for key in order]
    return signing.dumps([direction, ",".join(order), [portable(value) for value in values]], salt=SALT)


def portable(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def read(cursor: str, order: list[str]) -> tuple[str, list[str]]:
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


def beyond(model: Any, order: list[str], values: list[str], direction: str) -> "Q | Lookup[Any]":
    """Return the condition of the rows after these values."""
    columns = [key.lstrip("-") for key in order]
    fields = [model._meta.get_field(column) for column in columns]
    typed = [field.to_python(text) for field, text in zip(fields, values, strict=True)]
    later = ["lt" if key.startswith("-") == (direction == FORWARD) else "gt" for key in order]
    if len(set(later)) == 1:
        # One comparison of whole rows, with which the database begins in the middle of its index, however many
        # rows are equal in the first column.
        last = row_of(*(Value(value, output_field=field) for value, field in zip(typed, fields, strict=True)))
        return (LessThan if later[0] == "lt" else GreaterThan)(row_of(*map(F, columns)), last)
    return row_comparison(columns, typed, later)


def row_of(*columns: F | Value) -> Func:
    return Func(*columns, template="(%(expressions)s)", output_field=BooleanField())


def row_comparison(columns: list[str], values: list[Any], later: list[str]) -> Q:
    """Return the condition for directions that differ: a later first column, or an equal one and a later second, and
    so on. The bound on the first column is redundant, but lets the database begin in the middle of an index."""
    condition, equal = Q(), Q()
    for column, value, comparison in zip(columns, values, later, strict=True):
        condition |= equal & Q(**{f"{column}__{comparison}": value})
        equal &= Q(**{column: value})
    return Q(**{f"{columns[0]}__{later[0]}e": values[0]}) & condition
