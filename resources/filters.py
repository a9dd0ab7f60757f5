import django_filters
from django.db.models import QuerySet

from core.filters import Choices, Texts
from resources.models import Resource, Tag


class ResourceFilter(django_filters.FilterSet):
    status = Choices(choices=Resource.Status.choices, help_text="Repeatable: any of them.")
    tag = Texts(method="by_tags", help_text="Repeatable: all of them.")
    search = django_filters.CharFilter(
        method="by_words",
        max_length=200,
        help_text="Every word begins a word of the title, the content or a tag, whatever the case or accent.",
    )
    createdAfter = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    createdBefore = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    updatedAfter = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gte")
    updatedBefore = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="lt")

    class Meta:
        model = Resource
        fields: tuple[str, ...] = ()

    def by_words(self, queryset: QuerySet[Resource], _name: str, value: str) -> QuerySet[Resource]:
        return queryset.matching(value)  # type: ignore[attr-defined]

    def by_tags(self, queryset: QuerySet[Resource], _name: str, names: list[str]) -> QuerySet[Resource]:
        return queryset.tagged(name.lower() for name in names)  # type: ignore[attr-defined]


class TagFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="startswith", max_length=50)

    class Meta:
        model = Tag
        fields: tuple[str, ...] = ()
