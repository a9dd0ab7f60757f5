import django_filters
from django.db.models import QuerySet

from accounts.models import Role, Status, User
from core.api.filters import MultiChoiceFilter, TextFilter


class UserFilter(django_filters.FilterSet):
    role = MultiChoiceFilter(choices=Role.choices, help_text="Repeatable: any of them.")
    status = MultiChoiceFilter(
        choices=Status.choices,
        method="by_status",
        help_text="Repeatable. Active and suspended accounts are listed without it.",
    )
    search = TextFilter(
        method="by_words",
        help_text="Every word is a part of the email or the name, regardless of case and accents.",
    )

    class Meta:
        model = User
        fields: tuple[str, ...] = ()

    def by_status(self, queryset: QuerySet[User], _name: str, statuses: list[str]) -> QuerySet[User]:
        return queryset.with_status(*statuses)  # type: ignore[attr-defined]

    def by_words(self, queryset: QuerySet[User], _name: str, value: str) -> QuerySet[User]:
        return queryset.matching(value)  # type: ignore[attr-defined]
