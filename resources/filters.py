import django_filters
from django.db.models import QuerySet

from core.api.filters import Choices, Moment, TextFilter, Texts
from resources.models import Resource, Tag, canonical_name


class ResourceFilter(django_filters.FilterSet):
    status = Choices(choices=Resource.Status.choices, help_text="Repeatable: any of them.")
    tag = Texts(method="by_tags", help_text="Repeatable: all of them.")
    search = TextFilter(
        method="by_words",
        help_text="Every word begins a word of the title, the content or a tag, whatever the case or accent. Without "
        "`sort` and `cursor` those come first whose title has the words. Numbered pages show 500 at most.",
    )
    createdAfter = Moment(field_name="created_at", lookup_expr="gte", help_text="At this time or later.")
    createdBefore = Moment(field_name="created_at", lookup_expr="lt", help_text="Before this time.")
    updatedAfter = Moment(field_name="updated_at", lookup_expr="gte", help_text="At this time or later.")
    updatedBefore = Moment(field_name="updated_at", lookup_expr="lt", help_text="Before this time.")

    class Meta:
        model = Resource
        fields: tuple[str, ...] = ()

    def by_words(self, queryset: QuerySet[Resource], _name: str, value: str) -> QuerySet[Resource]:
        return queryset.matching(value)  # type: ignore[attr-defined]

    def by_tags(self, queryset: QuerySet[Resource], _name: str, names: list[str]) -> QuerySet[Resource]:
        return queryset.tagged(canonical_name(name) for name in names)  # type: ignore[attr-defined]


class TagFilter(django_filters.FilterSet):
    search = TextFilter(method="by_beginning", help_text="How the name begins.")

    class Meta:
        model = Tag
        fields: tuple[str, ...] = ()

    def by_beginning(self, queryset: QuerySet[Tag], _name: str, value: str) -> QuerySet[Tag]:
        return queryset.filter(name__startswith=canonical_name(value))
