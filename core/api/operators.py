"""Filters with an operator, such as `createdAt[gte]`: their names, and the classes that check their values."""

from collections import Counter
from typing import Any

from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django_filters import rest_framework as django_filters
from django_filters.fields import BaseCSVField, ModelMultipleChoiceField
from django_filters.filters import BaseInFilter
from django_filters.filters import BooleanFilter as NullBooleanFilter
from django_filters.widgets import BaseCSVWidget

from core.api.filters import BOOLEANS, MAX_VALUES, NO_BOOLEAN, DateTimeFilter, MultiChoiceFilter, TextFilter
from core.api.serializers import camel

# {lookup of Django: (operator, description)}. Whether `contains` and `startsWith` respect case is the author's choice.
OPERATORS = {
    "contains": ("contains", "With this text in it, in this case."),
    "icontains": ("contains", "With this text in it, whatever the case."),
    "startswith": ("startsWith", "Beginning with this text, in this case."),
    "istartswith": ("startsWith", "Beginning with this text, whatever the case."),
    "in": ("in", "Any of these values, with commas, or the parameter repeated."),
    "gte": ("gte", "This value or greater."),
    "gt": ("gt", "Greater than this value."),
    "lte": ("lte", "This value or less."),
    "lt": ("lt", "Less than this value."),
    "isnull": ("isNull", "True for rows without a value, false for the others."),
}
# What Django compares a relation by.
OF_RELATIONS = frozenset({"exact", "in", "isnull", "gt", "gte", "lt", "lte"})
MAX_INTEGER = 2**63 - 1  # what every database compares


def filter_name(field_name: str, lookup_expr: str) -> str | None:
    """Return the parameter of a lookup, such as `dueDate[gte]`, or None for a lookup that is no operator."""
    *transforms, lookup = lookup_expr.split("__")
    if lookup not in OPERATORS:
        return None
    return f"{camel('__'.join((field_name, *transforms)))}[{OPERATORS[lookup][0]}]"


def refuse_equal_names(filterset_class: Any) -> None:
    """Raise ImproperlyConfigured for two lookups of one parameter, such as `contains` and `icontains`."""
    fields = filterset_class.get_fields().items()
    names = Counter(
        filterset_class.get_filter_name(name, each) for name, lookups in fields for each in lookups
    )
    for name, times in names.items():
        if times > 1:
            raise ImproperlyConfigured(f"{filterset_class.__name__} declares {name} by {times} lookups.")


# --- the values -----------------------------------------------------------------------------------


class ListWidget(BaseCSVWidget):
    """The values of a parameter with commas, which may be repeated."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str] | None:
        values = data.getlist(name)
        return [part.strip() for value in values for part in value.split(",")] or None


def refuse_many(values: list[str]) -> None:
    """Raise ValidationError for more values than a parameter may have."""
    if len(values) > MAX_VALUES:
        raise forms.ValidationError("At most %(max)d values.", code="max_length", params={"max": MAX_VALUES})


class ListField(BaseCSVField):
    """Values of one field, each of them valid and not empty."""

    base_widget_class = ListWidget

    def clean(self, value: list[str] | None) -> Any:
        refuse_many(value or [])
        if value and "" in value:
            raise forms.ValidationError("May not be empty.", code="invalid")
        return super().clean(value)


class InFilter(BaseInFilter):
    """Rows with any of the values."""

    base_field_class = ListField
    repeatable = True


class ChoiceInFilter(InFilter, django_filters.ChoiceFilter):
    """Rows with any of the choices."""


class VisibleRow(django_filters.ModelChoiceFilter):
    """The key of another model's row. A row that the caller may not see is refused like one that does not exist."""

    def get_queryset(self, request: Any) -> Any:
        return visible(super().get_queryset(request), request)


class RowListField(ModelMultipleChoiceField):
    widget = ListWidget

    def clean(self, value: list[str] | None) -> Any:
        refuse_many(value or [])
        return super().clean(value or [])


class VisibleRowInFilter(django_filters.ModelMultipleChoiceFilter):
    """Keys of another model's rows, looked up with one query. Hidden rows are refused as by VisibleRow."""

    field_class = RowListField
    repeatable = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "distinct": False, "lookup_expr": "exact"})

    def get_queryset(self, request: Any) -> Any:
        return visible(super().get_queryset(request), request)


def visible(rows: Any, request: Any) -> Any:
    return rows.visible_to(request.user) if request is not None and hasattr(rows, "visible_to") else rows


class RelatedRowInFilter(VisibleRowInFilter):
    """Rows with a relation to any of several rows. A row that has a relation to two of them appears once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.distinct = True


class BooleanField(forms.NullBooleanField):
    """A field for `true` and `false`. Django takes any other text for no value, so the list would hold all rows."""

    widget = forms.TextInput

    def clean(self, value: str | None) -> bool | None:
        if value is None:
            return None
        if value.strip().lower() not in BOOLEANS:
            raise forms.ValidationError(NO_BOOLEAN, code="invalid")
        return BOOLEANS[value.strip().lower()]


class BooleanFilter(NullBooleanFilter):
    """`true` or `false`."""

    field_class = BooleanField


class IntegerFilter(django_filters.NumberFilter):
    """A whole number. Django would cut the fraction of another one."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"min_value": -MAX_INTEGER, "max_value": MAX_INTEGER, **kwargs})


GENERATED = {
    django_filters.ChoiceFilter: MultiChoiceFilter,
    django_filters.CharFilter: TextFilter,
    django_filters.IsoDateTimeFilter: DateTimeFilter,
    django_filters.ModelChoiceFilter: VisibleRow,
    django_filters.BooleanFilter: BooleanFilter,
}
LISTS = {
    MultiChoiceFilter: ChoiceInFilter,
    VisibleRow: VisibleRowInFilter,
    django_filters.ModelMultipleChoiceFilter: RelatedRowInFilter,
}


def checked(kind: Any, field: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the filter class in place of one of django-filter, which checks the values, and its arguments."""
    if kind is django_filters.NumberFilter and isinstance(field, models.IntegerField | models.AutoField):
        return IntegerFilter, parameters
    if kind is django_filters.NumberFilter and isinstance(field, models.DecimalField):
        digits = {"max_digits": field.max_digits, "decimal_places": field.decimal_places}
        return kind, {**digits, **parameters}
    return GENERATED.get(kind, kind), parameters


def list_of(kind: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the class of a filter by any of several values, and its arguments."""
    return LISTS.get(kind) or type(f"{kind.__name__}List", (InFilter, kind), {}), parameters
