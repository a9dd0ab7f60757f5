"""Pages by keyset: `cursor=` starts, and each answer's `nextCursor` goes on, at a cost that does not grow.

A cursor holds the sort columns of the row where it stands, signed, so that nothing but what we wrote comes back.
Rows that others insert or delete meanwhile neither repeat nor hide any other row.
"""

from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet

from core.errors import FieldError

SALT = "groundwork.cursor"
FORWARD, BACKWARD = "n", "p"


def keyset_page(queryset: QuerySet[Any], cursor: str, limit: int) -> tuple[list[Any], dict[str, Any]]:
    """The rows, and their `meta`. Raises FieldError for a cursor that is not ours, or of another sort."""
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
    try:
        direction, written_for, values = signing.loads(cursor, salt=SALT)
    except signing.BadSignature as error:
        raise FieldError("cursor", "invalid", "Not a cursor of this list.") from error
    if written_for != ",".join(order):
        raise FieldError("cursor", "invalid", "This cursor belongs to another sort.")
    return direction, values


def flipped(key: str) -> str:
    return key.removeprefix("-") if key.startswith("-") else f"-{key}"


def beyond(model: Any, order: list[str], values: list[str], direction: str) -> Q:
    """The rows after these values: a later first column, or an equal one and a later second, and so on. The bound
    on the first column says nothing new, but lets the database begin in the middle of its index."""
    condition, equal = Q(), Q()
    for key, text in zip(order, values, strict=True):
        column = key.lstrip("-")
        value = model._meta.get_field(column).to_python(text)
        later = "lt" if key.startswith("-") == (direction == FORWARD) else "gt"
        condition |= equal & Q(**{f"{column}__{later}": value})
        if not equal:
            bound = Q(**{f"{column}__{later}e": value})
        equal &= Q(**{column: value})
    return bound & condition
