from typing import ClassVar

import django_filters
from django.db.models import QuerySet

from core.api.filters import MultiValueFilter, TextFilter
from core.api.filtersets import FilterSet
from resources.models import Resource, Tag, canonical_name


class ResourceFilter(FilterSet):
    tag = MultiValueFilter(method="by_tags", help_text="Repeatable: all of them.")

    class Meta:
        model = Resource
        fields: ClassVar = {
            "status": ["exact", "in"],
            "created_at": ["gte", "gt", "lte", "lt"],
            "updated_at": ["gte", "gt", "lte", "lt"],
        }

    def by_tags(self, queryset: QuerySet[Resource], _name: str, names: list[str]) -> QuerySet[Resource]:
        return queryset.tagged(canonical_name(name) for name in names)  # type: ignore[attr-defined]


class TagFilter(django_filters.FilterSet):
    search = TextFilter(method="by_beginning", help_text="The beginning of the name.")

    class Meta:
        model = Tag
        fields: tuple[str, ...] = ()

    def by_beginning(self, queryset: QuerySet[Tag], _name: str, value: str) -> QuerySet[Tag]:
        return queryset.filter(name__startswith=canonical_name(value))
