"""Panels on the page of a row: short tables of what belongs to it, each with a link to the whole list."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse

MAX_COUNTED_ROWS = 10_000


class Panel(NamedTuple):
    """A table of a few rows. `address` is the list of all of them."""

    title: Any
    columns: Sequence[Any]
    rows: Sequence[Sequence[Any]]
    address: str = ""


def list_of(model: Any, **query: Any) -> str:
    """Return the URL of the list of this model, with these parameters."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


def bounded_count(rows: QuerySet[Any]) -> int:
    """Return the number of rows, at most one more than MAX_COUNTED_ROWS: to count millions takes longer than to show a
    page of them."""
    return int(rows.order_by()[: MAX_COUNTED_ROWS + 1].count())


def counted(number: int) -> str:
    """Return a `bounded_count` as text: `10,000+` where the count has stopped."""
    return f"{number:,}" if number <= MAX_COUNTED_ROWS else f"{MAX_COUNTED_ROWS:,}+"
