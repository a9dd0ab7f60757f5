"""Lists of the admin: only declared filters are allowed, and the search box takes keys."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet, UUIDField
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.audit.models import AuditEvent
from core.web.text import MAX_PARAMETER_LENGTH, is_stream_safe

MAX_TARGETS = 1000  # of one request
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ListAdmin(admin.ModelAdmin):
    """A list that allows only its declared filters, and whose search box takes keys.

    `search_keys` names lookups to the keys of related rows, e.g. `resource__user`.
    """

    search_keys: ClassVar[tuple[str, ...]] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether a declared filter reads this parameter.

        Django allows every column of the model: `password__startswith` would disclose a hash character by character.
        """
        return any(lookup in self.parameters_of(item, request) for item in self.get_list_filter(request))

    def parameters_of(self, declared: Any, request: HttpRequest) -> Iterable[str | None]:
        """Return the query parameters of one entry of `list_filter`."""
        if isinstance(declared, type) and issubclass(declared, admin.SimpleListFilter):
            return [declared.parameter_name]
        if isinstance(declared, type):
            return declared(request, {}, self.model, self).expected_parameters()
        path, create = declared if isinstance(declared, tuple) else (declared, admin.FieldListFilter.create)
        field = get_fields_from_path(self.model, path)[-1]
        parameters: Iterable[str | None] = create(
            field, request, {}, self.model, self, field_path=path
        ).expected_parameters()
        return parameters

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows with this key or request id. Without any, return the rows that match the words."""
        if not self.is_searchable(request, search_term):
            return queryset.none(), False
        keys = self.matching_keys(search_term.strip())
        if keys:
            rows = queryset.filter(keys)
            if rows.exists():
                return rows, False
        return self.find_words(request, queryset, search_term)

    def is_searchable(self, request: HttpRequest, search_term: str) -> bool:
        """Return whether the text is short enough to search for, else add a message with the reason.

        Each word becomes a condition of its own, and a long text would become thousands.
        """
        if len(search_term) <= MAX_PARAMETER_LENGTH and is_stream_safe(search_term):
            return True
        message = gettext("A search has at most %(max_length)d characters, and few combining marks in a row.")
        messages.error(request, message % {"max_length": MAX_PARAMETER_LENGTH})
        return False

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that match the words. Override this method instead of `get_search_results`."""
        return super().get_search_results(request, queryset, search_term)

    def matching_keys(self, term: str) -> Q:
        """Return the condition that one of the row's keys equals the term. It is empty if the term cannot be a key."""
        condition = Q()
        key = as_uuid(term)
        if key is not None:
            for lookup in (*self.own_keys(), *self.search_keys):
                condition |= Q(**{lookup: key})
        if REQUEST_ID.fullmatch(term):
            condition |= self.of_request(term)
        return condition

    def of_request(self, request_id: str) -> Q:
        """Return the condition that a row names this request, or that an audit event of it is about the row."""
        if any(field.name == "request_id" for field in self.opts.fields):
            return Q(request_id=request_id)
        return Q(pk__in=targets_of(request_id, target_type=self.opts.label_lower))

    def own_keys(self) -> Iterator[str]:
        """Yield the UUID columns: the primary key and the foreign keys."""
        for field in self.opts.concrete_fields:
            column: Any = field
            if isinstance(column.target_field if column.is_relation else column, UUIDField):
                yield column.attname


def targets_of(request_id: str, **conditions: Any) -> list[UUID]:
    """Return the targets of the audit events of a request, with these conditions."""
    events = AuditEvent.objects.filter(request_id=request_id, **conditions)
    targets = events.values_list("target_id", flat=True).distinct()[:MAX_TARGETS]
    return [key for key in targets if key is not None]


class NullFilter(admin.SimpleListFilter):
    """A filter by `column`: `no` if it is NULL, `yes` if not."""

    column = ""
    shown: tuple[tuple[str, str], ...] = (("yes", "Yes"), ("no", "No"))

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return self.shown

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in {"yes", "no"}:
            return queryset.filter(**{f"{self.column}__isnull": self.value() == "no"})
        return queryset


class NameFilter(admin.SimpleListFilter):
    """A filter by the column `parameter_name`, with the choices of `names()`: Django would read them by a DISTINCT."""

    names: Callable[[], Iterable[str]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, name) for name in self.names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(Q((self.parameter_name, self.value()))) if self.value() else queryset


class KeyFilter(admin.FieldListFilter):
    """A filter by the key of a related row, used by links. It does not list all related rows: there are too many."""

    def expected_parameters(self) -> list[str | None]:
        return [f"{self.field_path}__id__exact"]

    def has_output(self) -> bool:
        return bool(self.used_parameters)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        [parameter] = self.expected_parameters()
        yield {
            "selected": False,
            "query_string": changelist.get_query_string(remove=[str(parameter)]),
            "display": _("All"),
        }
        related: Any = self.field.related_model
        keys = self.used_parameters[str(parameter)]
        for row in related._default_manager.filter(pk__in=keys):
            yield {"selected": True, "query_string": "?", "display": str(row)}


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
