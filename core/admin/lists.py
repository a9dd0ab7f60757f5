"""Lists of the admin: only declared filters are allowed, and the search box takes keys."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, reduce
from operator import attrgetter, or_
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet, UUIDField
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.admin.days import DayFilter
from core.admin.panels import MAX_COUNTED_ROWS, bounded_count
from core.audit.models import AuditEvent
from core.db.replica import read_from_replica
from core.db.search import MAX_MATCHES
from core.web.text import MAX_PARAMETER_LENGTH, is_stream_safe

MAX_TARGETS = 1000  # of one request
MAX_SEARCHED = 20_000  # rows, the newest, in whose texts a search looks
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class BoundedPaginator(Paginator):
    """Counts no further than MAX_COUNTED_ROWS: to count millions takes longer than to show a page of them."""

    @cached_property
    def number(self) -> int:
        """Return the number of rows, of which one more than shown are counted. A search counts MAX_MATCHES at most."""
        rows: Any = self.object_list
        return int(rows.count() if self.is_search else bounded_count(rows))

    @property
    def is_search(self) -> bool:
        return getattr(self.object_list, "search", None) is not None

    @cached_property
    def count(self) -> int:
        return min(self.number, MAX_COUNTED_ROWS)

    @property
    def is_cut(self) -> bool:
        """Return whether there may be more rows than counted."""
        return self.number == MAX_MATCHES if self.is_search else self.number > MAX_COUNTED_ROWS

    @property
    def shown_count(self) -> str:
        return f"{self.count:,}{'+' if self.is_cut else ''}"


class BoundedChangeList(ChangeList):
    """A list that reads one page at the most, by a slice: other reads of a search compare the text of each row. It is
    sorted by columns of `sortable_by` only, in a URL too: others have no index."""

    def get_ordering_field(self, field_name: Any) -> Any:
        is_sortable = self.sortable_by is None or field_name in self.sortable_by
        return super().get_ordering_field(field_name) if is_sortable else None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.show_all and self.can_show_all:
            rows = self.queryset[: self.list_max_show_all]
        else:
            rows = self.paginator.page(self.page_num if self.multi_page else 1).object_list
        self.result_list: Any = [*rows]
        model_admin: Any = self.model_admin
        model_admin.prepare_rows(self.result_list)


class ListAdmin(admin.ModelAdmin):
    """A list that allows only its declared filters, and whose search box takes keys.

    `search_keys` names lookups to the keys of related rows, e.g. `resource__user`.
    """

    search_keys: ClassVar[tuple[str, ...]] = ()

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Return the declared filters, and one by day of creation where the keys have it."""
        declared = super().get_list_filter(request)
        return (DayFilter, *declared) if isinstance(self.opts.pk, UUIDField) else declared

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedChangeList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list with its rows, read from the replica if there is one. A list that shows the message of an
        action is read from the primary, with what the action has just written."""
        if request.method != "GET" or len(messages.get_messages(request)):
            return super().get_changelist_instance(request)
        return read_from_replica(lambda: super(ListAdmin, self).get_changelist_instance(request))

    def prepare_rows(self, rows: list[Any]) -> None:
        """Read what the columns of these rows need, by a query for all of them. Override this method."""

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
        problem = search_problem(search_term)
        if problem:
            messages.error(request, problem)
            return queryset.none(), False
        conditions = [*self.exact_conditions(search_term.strip())]
        if conditions:
            rows = queryset.filter(reduce(or_, conditions))
            if rows.exists():
                return rows, False
        return self.find_words(request, queryset, search_term)

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that match the words. Override this method instead of `get_search_results`."""
        return super().get_search_results(request, queryset, search_term)

    def searched(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the newest MAX_SEARCHED rows: a search in texts without an index reads each row."""
        boundary = queryset.order_by("-pk").values_list("pk", flat=True)[MAX_SEARCHED : MAX_SEARCHED + 1]
        return queryset.filter(pk__gt=boundary[0]) if boundary else queryset

    def exact_conditions(self, term: str) -> Iterator[Q]:
        """Yield the conditions that a key of the row equals the term; none if it cannot be a key. An index serves each.
        The address of a person finds the rows of the person."""
        people = keys_of_people(term)
        for lookup in (*self.keys_of_people(), *self.search_keys) if people else ():
            yield Q(**{f"{lookup}__in": people})
        key = as_uuid(term)
        if key is not None:
            for lookup in (*self.own_keys(), *self.search_keys):
                yield Q(**{lookup: key})
        if REQUEST_ID.fullmatch(term):
            yield self.of_request(term)

    def find_exactly(self, request: HttpRequest, term: str, limit: int) -> list[Any]:
        """Return the newest rows with this key."""
        return newest(self.get_queryset(request), self.exact_conditions(term), limit)

    def of_request(self, request_id: str) -> Q:
        """Return the condition that a row names this request, or that an audit event of it is about the row."""
        if any(field.name == "request_id" for field in self.opts.fields):
            return Q(request_id=request_id)
        return Q(pk__in=targets_of(request_id, target_type=self.opts.label_lower))

    def keys_of_people(self) -> Iterator[str]:
        """Yield the foreign keys to a user."""
        for field in self.opts.concrete_fields:
            if field.is_relation and field.related_model is get_user_model():
                yield field.attname

    def own_keys(self) -> Iterator[str]:
        """Yield the UUID columns with an index: the primary key, the foreign keys, and the first of each index."""
        first = {index.fields[0].lstrip("-") for index in self.opts.indexes if index.fields}
        for field in self.opts.concrete_fields:
            column: Any = field
            is_indexed = column.primary_key or column.is_relation or column.name in first
            if is_indexed and isinstance(column.target_field if column.is_relation else column, UUIDField):
                yield column.attname


def search_problem(term: str) -> str:
    """Return why this text is not searched for, or an empty text if it is.

    Each word becomes a condition of its own, and a long text would become thousands.
    """
    if len(term) <= MAX_PARAMETER_LENGTH and is_stream_safe(term):
        return ""
    message = gettext("A search has at most %(max_length)d characters, and few combining marks in a row.")
    return message % {"max_length": MAX_PARAMETER_LENGTH}


def newest(rows: QuerySet[Any], conditions: Iterable[Q], limit: int) -> list[Any]:
    """Return the newest rows that meet any of the conditions. Each is a query of its own: the planner has no good plan
    for several in the order of another index."""
    rows_by_key = {
        row.pk: row for condition in conditions for row in rows.filter(condition).order_by("-pk")[:limit]
    }
    return sorted(rows_by_key.values(), key=attrgetter("pk"), reverse=True)[:limit]


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


def as_address(term: str) -> str | None:
    """Return the term as the address of an account is stored, or None if it cannot be one."""
    user_model: Any = get_user_model()
    return user_model.normalize_username(term) if "@" in term else None


def keys_of_people(term: str) -> list[UUID]:
    """Return the keys of the accounts with this address, of deleted ones too."""
    address = as_address(term)
    if address is None:
        return []
    people: Any = get_user_model()._default_manager.filter(email=address)
    # Two queries, each by its index.
    return [
        *people.filter(deleted_at=None).values_list("pk", flat=True)[:MAX_TARGETS],
        *people.filter(deleted_at__isnull=False).values_list("pk", flat=True)[:MAX_TARGETS],
    ]


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
