"""Query parameters: filters by django-filter, `sort`, `fields`, and a refusal of everything unknown."""

import re
from collections.abc import Iterator
from datetime import UTC
from functools import lru_cache
from itertools import chain
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _
from django_filters import rest_framework as django_filters
from django_filters.fields import IsoDateTimeField, RangeField
from django_filters.widgets import LookupChoiceWidget
from drf_spectacular.utils import extend_schema_field
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from core.api.relations import ordered, visible_along
from core.db.access import filterable
from core.web.error_details import detail_of, detail_with
from core.web.errors import ApiError, FieldError
from core.web.text import MAX_PARAMETER_LENGTH, refuse_mark_runs

MAX_VALUES = 100  # of a parameter that may be repeated
MAX_LENGTH_OF_VALUES = MAX_VALUES * MAX_PARAMETER_LENGTH  # together
COMPARED = frozenset({"gt", "gte", "lt", "lte", "in"})  # lookups that match few rows by an empty text
ODD_DIGIT = re.compile(r"_|(?![0-9])\d")
BOOLEANS = {"true": True, "false": False}
NO_BOOLEAN = "Must be true or false."
# The parameters whose value is a list of names with commas. Repeated ones combine.
NAME_LISTS = frozenset({"sort", "fields", "include"})


SCOPE_PARAMETER: dict[str, Any] = {
    "name": "scope",
    "in": "query",
    "required": False,
    "description": "Everybody's objects; 403 for a role that may not read them.",
    "schema": {"type": "string", "enum": ["all"]},
}


class FilterBackend(django_filters.DjangoFilterBackend):
    """django-filter's backend, which builds no form for a query without a filter."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filterset_class = self.get_filterset_class(view, queryset)
        filters = parameters_in(filterset_class)
        if request.query_params.keys().isdisjoint(filters):
            return queryset
        refuse_ignored(request.query_params, filters)
        filterset = self.get_filterset(request, queryset, view)
        if filterset.is_valid():
            rows: QuerySet[Any] = filterset.qs
            return rows
        details = [detail_of(name, error) for name, error in errors_of(filterset)]
        raise ApiError("VALIDATION_ERROR", details=details)

    def get_filterset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        """Return the filterset. Its relations are to rows that the caller may read: as choices, and as what another
        column is compared with (`customer__name`)."""
        filterset = super().get_filterset(request, queryset, view)
        for name, item in filterset.filters.items():
            if request.query_params.keys().isdisjoint(parameters_of_filter(name, item)):
                continue
            choices: Any = getattr(item.field, "queryset", None)
            if hasattr(choices, "visible_to"):
                item.field.queryset = filterable(choices.visible_to(request.user))
            narrowed = visible_along(queryset.model, path_of(item), request.user)
            filterset.queryset = filterset.queryset.filter(narrowed)
        return filterset


def parameters_of_filter(name: str, item: Any) -> tuple[str, ...]:
    """Return the parameters that a filter reads: its name, or two with a suffix, as of a RangeFilter."""
    # Not from `item.field`: django-filter would store it, with the choices of nobody's request.
    widget = item.extra.get("widget") or getattr(item.field_class, "widget", None)
    if isinstance(item, django_filters.LookupChoiceFilter):
        widget = LookupChoiceWidget
    suffixes = getattr(widget, "suffixes", None)  # of SuffixedMultiWidget
    return tuple(f"{name}_{suffix}" if suffix else name for suffix in suffixes) if suffixes else (name,)


def errors_of(filterset: Any) -> Iterator[tuple[str | None, forms.ValidationError]]:
    """Yield (parameter, error) of what the form refuses. Of a filter with several parameters it is the wrong one, or
    the first that is sent where each is valid by itself. An error of the whole form has none."""
    form = filterset.form
    for name, errors in form.errors.as_data().items():
        names = parameters_of_filter(name, filterset.filters[name]) if name in filterset.filters else (name,)
        if len(names) == 1:
            yield from ((None if name == NON_FIELD_ERRORS else name, error) for error in errors)
            continue
        field = form.fields[name]
        values = field.widget.value_from_datadict(form.data, form.files, name)
        wrong: list[tuple[str, forms.ValidationError]] = []
        for parameter, part, value in zip(names, field.fields, values, strict=True):
            try:
                part.clean(value)
            except forms.ValidationError as refusal:
                wrong += [(parameter, error) for error in refusal.error_list]
        sent = next(parameter for parameter in names if parameter in form.data)
        yield from wrong or [(sent, error) for error in errors]


@lru_cache(maxsize=256)  # django-filter may make a class for each request
def parameters_in(filterset_class: Any) -> dict[str, Any]:
    """Return {parameter: its filter} of a filterset, or of None."""
    filters = getattr(filterset_class, "base_filters", {}).items()
    return {parameter: item for name, item in filters for parameter in parameters_of_filter(name, item)}


@lru_cache(maxsize=256)
def repeatable_in(filterset_class: Any) -> frozenset[str]:
    """Return the parameters of a filterset that may be repeated."""
    filters = getattr(filterset_class, "base_filters", {})
    return frozenset(name for name, item in filters.items() if getattr(item, "repeatable", False))


def path_of(item: Any) -> str:
    """Return the whole lookup of a filter, which may go on over relations in `lookup_expr`; a `method` has none."""
    return "" if item.method is not None else f"{item.field_name or ''}__{item.lookup_expr}"


def refuse_ignored(query: QueryDict, filters: dict[str, Any]) -> None:
    """Refuse `createdAfter=` and `isDone=x`, which django-filter ignores, so that the list would hold all rows; and
    `amount=5_0`, a number to Python only. Only a text may be empty, unless it is compared by its order. Raises
    FieldError."""
    for name in query.keys() & filters.keys():
        item, text = filters[name], str(query[name]).strip().lower()
        may_be_empty = isinstance(item, django_filters.CharFilter | MultiValueFilter | MultiChoiceFilter)
        is_compared = item.method is None and item.lookup_expr.rpartition("__")[2] in COMPARED
        if not text and (is_compared or not may_be_empty):
            raise FieldError(name, "invalid", "May not be empty.")
        if item.field_class is forms.NullBooleanField and text not in BOOLEANS:
            raise FieldError(name, "invalid", NO_BOOLEAN)
        is_number = isinstance(item, django_filters.NumberFilter) or item.field_class is RangeField
        if is_number and ODD_DIGIT.search(text):
            raise FieldError(name, "invalid", "Enter a number.")


class SortBackend(BaseFilterBackend):
    """`sort=-createdAt,title`, from the view's `sort_fields` {parameter: column}; ties are broken by id. A search
    without `sort` is ranked, unless it has a cursor, whose order may not depend on the rows that match."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        columns = getattr(view, "sort_fields", None)
        if not columns:
            return queryset
        query = request.query_params
        if getattr(queryset, "search", None) and "sort" not in query and "cursor" not in query:
            return queryset.by_relevance()  # type: ignore[attr-defined]
        return ordered(queryset, sort_order(query, view), request.user)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        columns = getattr(view, "sort_fields", None)
        if not columns:
            return []
        text = (
            "Names with commas, or the parameter repeated; - for descending. Ties are broken by id. "
            f"By default `{view.default_sort}`."
        )
        return [names_parameter("sort", text, [f"{sign}{name}" for name in columns for sign in ("", "-")])]


def names_parameter(name: str, description: str, choices: list[str]) -> dict[str, Any]:
    """Return the OpenAPI parameter of a list of names, such as `sort=-createdAt,title`."""
    items = {"type": "string", "enum": choices}
    schema = {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_VALUES}
    style = {"style": "form", "explode": False}
    return {"name": name, "in": "query", "description": description, "schema": schema, **style}


def names_in(query: QueryDict, name: str) -> str | None:
    """Return the names in a parameter of NAME_LISTS with commas, or None where it is not given."""
    return ",".join(query.getlist(name)) if name in query else None


def sort_order(query: QueryDict, view: Any) -> list[str]:
    """Return the columns that a list is ordered by. Raises FieldError."""
    sort = names_in(query, "sort")
    return order_of(view.default_sort if sort is None else sort, view.sort_fields)


def order_of(sort: str, columns: dict[str, str]) -> list[str]:
    """Return the columns to order by. Of a repeated name the first counts. Raises FieldError for an unknown one."""
    order: dict[str, str] = {}
    for key in sort.split(","):
        name = key.strip().removeprefix("-")
        if name not in columns:
            raise FieldError("sort", "invalid", f"Sorts by {', '.join(columns)}, each with - for descending.")
        order.setdefault(name, "-" if key.strip().startswith("-") else "")
    signs = list(order.values())
    # The id follows the first key's direction, so that one index serves both.
    return [f"{sign}{columns[name]}" for name, sign in order.items()] + [f"{signs[0]}id"]


def refuse_unknown(query: QueryDict, known: frozenset[str], repeatable: frozenset[str]) -> None:
    """Refuse unknown parameters, since a mistyped filter that is ignored returns the wrong data. Raises ApiError, which
    names them and those with too many or too long values."""
    problems = parameter_problems(query, known, repeatable)
    first = next(problems, None)
    if first is not None:
        raise ApiError("VALIDATION_ERROR", details=chain([first], problems))


def parameter_problems(
    query: QueryDict, known: frozenset[str], repeatable: frozenset[str]
) -> Iterator[dict[str, Any]]:
    for name in query:
        if name not in known:
            yield detail_with(name, "unknown_parameter", _("This parameter is not known here."))
    for name, values in query.lists():
        if name not in known:
            continue
        if name not in repeatable and len(values) > 1:
            yield detail_with(name, "repeated_parameter", _("This parameter may be given once."))
        elif number_of_values(name, values) > MAX_VALUES:
            params = {"max": MAX_VALUES}
            yield detail_with(name, "max_length", _("At most %(max)d values.") % params, params)
        elif sum(map(len, values)) > MAX_LENGTH_OF_VALUES:
            params = {"max": MAX_LENGTH_OF_VALUES}
            yield detail_with(name, "max_length", _("At most %(max)d characters.") % params, params)


def number_of_values(name: str, values: list[str]) -> int:
    commas = sum(value.count(",") for value in values) if name in NAME_LISTS else 0
    return len(values) + commas


def requested_fields(request: Request, names: frozenset[str]) -> frozenset[str] | None:
    """Return the names in `fields`, always with `id`, or None without the parameter. Raises FieldError."""
    text = names_in(request.query_params, "fields")
    if text is None:
        return None
    requested = {name.strip() for name in text.split(",")}
    unknown = requested - names
    if unknown:
        raise FieldError("fields", "invalid", f"Must be among {', '.join(sorted(names))}.")
    return frozenset(requested | {"id"})


class MultiValueField(forms.Field):
    """A list of short texts, from a repeated parameter."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[str]:
        texts = [text.strip() for text in value or []]
        if any("\x00" in text or len(text) > MAX_PARAMETER_LENGTH for text in texts):
            raise forms.ValidationError("Not a valid value.", code="invalid")
        for text in texts:
            refuse_mark_runs(text)
        return [text for text in texts if text]


class TextFilter(django_filters.CharFilter):
    """A short text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, max_length=MAX_PARAMETER_LENGTH, validators=[refuse_mark_runs], **kwargs)


class UtcDateTimeField(IsoDateTimeField):
    def clean(self, value: Any) -> Any:
        """Return the time in UTC. Near the ends of the calendar an offset may lead to a year that no database has."""
        moment = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


class DateTimeFilter(django_filters.IsoDateTimeFilter):
    """A time, ISO 8601."""

    field_class = UtcDateTimeField


@extend_schema_field(
    {"type": "array", "items": {"type": "string", "maxLength": MAX_PARAMETER_LENGTH}, "maxItems": MAX_VALUES}
)
class MultiValueFilter(django_filters.Filter):
    """A repeatable parameter of free text."""

    field_class = MultiValueField
    repeatable = True


class MultiChoiceFilter(django_filters.MultipleChoiceFilter):
    """A repeatable parameter: rows with any of the given values."""

    repeatable = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Repeatable: any of them.")
        super().__init__(*args, distinct=False, **kwargs)  # a column of the row itself doubles nothing
