"""The filters of every list: ranges of times, `filterset_fields` and `search_fields` of the view."""

import operator
from functools import reduce
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q, QuerySet
from django_filters import rest_framework as django_filters
from django_filters.exceptions import FieldLookupError
from rest_framework.filters import OrderingFilter, SearchFilter

from core.api.filters import DateTimeFilter, TextFilter, path_of
from core.api.operators import OF_RELATIONS, OPERATORS, checked, filter_name, list_of, refuse_equal_names
from core.api.relations import restricted_on, visible_along
from core.api.row_access import has_model, model_of
from core.api.serializers import camel

MAX_SEARCH_WORDS = 20


class FilterSet(django_filters.FilterSet):
    """Filters of a BaseModel: ranges of its times, those of `Meta.fields`, and a search.

    The names are camelCase, with the operator in brackets: `{"due_date": ["exact", "gte"]}` are `dueDate` and
    `dueDate[gte]`.
    A model with `search_text` is searched by it, another one in the columns of `search_fields`.
    """

    search_fields: ClassVar[tuple[str, ...]] = ()
    written: ClassVar[Any] = None  # the author's class that `filterset_of` has made this one of
    createdAfter = DateTimeFilter(
        field_name="created_at", lookup_expr="gte", help_text="At this time or later."
    )
    createdBefore = DateTimeFilter(field_name="created_at", lookup_expr="lt", help_text="Before this time.")
    updatedAfter = DateTimeFilter(
        field_name="updated_at", lookup_expr="gte", help_text="At this time or later."
    )
    updatedBefore = DateTimeFilter(field_name="updated_at", lookup_expr="lt", help_text="Before this time.")

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        if cls._meta.model:
            refuse_equal_names(cls)
        filters: dict[str, Any] = super().get_filters()
        if cls._meta.model and hasattr(cls._meta.model._default_manager.all(), "matching"):
            text = (
                "Every word begins a word of the text, whatever the case or accent. Without `sort` and `cursor` rows "
                "whose title has the words come first. Numbered pages show 500 at most."
            )
            filters.setdefault("search", TextFilter(method="by_index", help_text=text))
        elif cls.search_fields:
            text = "Every word is in the text, whatever the case."
            filters.setdefault("search", TextFilter(method="by_columns", help_text=text))
        return filters

    @classmethod
    def get_filter_name(cls, field_name: str, lookup_expr: str) -> str:
        return filter_name(field_name, lookup_expr) or camel(super().get_filter_name(field_name, lookup_expr))

    @classmethod
    def filter_for_lookup(cls, field: Any, lookup_type: str) -> tuple[Any, dict[str, Any]]:
        if field.many_to_many and lookup_type not in OF_RELATIONS:  # other relations: django-filter itself
            raise FieldLookupError(field, lookup_type)
        is_list = lookup_type == "in"
        kind, parameters = super().filter_for_lookup(field, "exact" if is_list else lookup_type)
        kind, parameters = checked(kind, field, parameters)
        if kind is not None and lookup_type in OPERATORS:
            parameters = {"help_text": OPERATORS[lookup_type][1], **parameters}
        return list_of(kind, parameters) if is_list and kind is not None else (kind, parameters)

    def by_index(self, queryset: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        return queryset.matching(value)  # type: ignore[attr-defined]

    def by_columns(self, queryset: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Search as REST framework's SearchFilter does, with its prefixes; each row appears once."""
        search = SearchFilter()
        lookups = [search.construct_search(name, queryset) for name in self.search_fields]
        # In one call of filter() both are about the same row of a relation. Code without a request sees all rows.
        visible = [
            visible_along(queryset.model, each, self.request.user, many=True) if self.request else Q()
            for each in lookups
        ]
        repeats = search.must_call_distinct(queryset, self.search_fields)
        rows = queryset.model._base_manager.all() if repeats else queryset
        for word in value.split()[:MAX_SEARCH_WORDS]:
            either = (Q(**{lookup: word}) & seen for lookup, seen in zip(lookups, visible, strict=True))
            rows = rows.filter(reduce(operator.or_, either))
        return queryset.filter(pk__in=rows.values("pk")) if repeats else rows


def filterset_of(view_class: Any) -> Any:
    """Return the filterset of a viewset: its own, or one of the filters that the view names by `filterset_fields`; with
    a search in `search_fields`. A view of a BaseModel without any has the ranges of times."""
    own = view_class.filterset_class
    own = getattr(own, "__dict__", {}).get("written", own)
    model = model_of(view_class) if has_model(view_class) else None
    if own is None and hasattr(model, "created_at") and hasattr(model, "updated_at"):
        own = FilterSet
    if own is None or not issubclass(own, FilterSet):
        return own
    fields = getattr(view_class, "filterset_fields", ()) if own is FilterSet else own._meta.fields or ()
    members = {
        "Meta": type("Meta", (getattr(own, "Meta", object),), {"model": model, "fields": fields}),
        "search_fields": own.search_fields or tuple(getattr(view_class, "search_fields", ())),
        "written": own,
    }
    return type(own.__name__, (own,), members)


def refuse_leaks(view_class: Any) -> None:
    """Raise ImproperlyConfigured for a filter, sort or search that would reveal rows which the caller may not see, and
    cannot be narrowed to the others."""
    if not has_model(view_class):
        return
    model = model_of(view_class)
    filters = getattr(view_class.filterset_class, "base_filters", {}).values()
    for path in (*map(path_of, filters), *view_class.sort_fields.values()):
        restricted_on(model, path)
    unnarrowed = [path for item in filters for path in getattr(item, "param_map", {}).values()]
    for kind, name in ((SearchFilter, "search_fields"), (OrderingFilter, "ordering_fields")):
        if any(issubclass(each, kind) for each in view_class.filter_backends):
            unnarrowed += getattr(view_class, name, None) or ()
    for path in unnarrowed:
        if restricted_on(model, path.lstrip("-^=@$"), many=True):
            raise ImproperlyConfigured(
                f"{view_class.__name__} searches or sorts by {path!r} of rows that the caller may not see: "
                "use `sort_fields`, and `search_fields` with the standard filter backends."
            )
