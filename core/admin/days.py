"""The filter of a list by days."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from core.db.base import key_at


class DayFilter(admin.ListFilter):
    """The rows of a model with UUIDv7 keys that were created between two days, in UTC. A key begins with the time, so
    its index is used."""

    title = "day"
    template = "admin/day_filter.html"
    names: ClassVar = ("from", "to")

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.names:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.names)

    def day(self, name: str) -> date | None:
        text = self.used_parameters.get(name)
        try:
            return date.fromisoformat(str(text)) if text else None
        except ValueError as error:
            raise IncorrectLookupParameters from error

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self.day("from"), self.day("to")
        if first:
            queryset = queryset.filter(pk__gte=first_key(first))
        if last and last < date.max:
            queryset = queryset.filter(pk__lt=first_key(last + timedelta(days=1)))
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield one row for the template: the values, and the other parameters of the query."""
        others = [
            (name, text) for name, text in changelist.params.items() if name not in {*self.names, PAGE_VAR}
        ]
        yield {"values": self.used_parameters, "others": others}


def first_key(day: date) -> UUID:
    """Return the lowest UUIDv7 of a day."""
    return key_at(datetime.combine(day, time.min, tzinfo=UTC))
