import django_filters
from django.db.models import QuerySet

from accounts.models import Role, User
from core.filters import TextFilter


class UserFilter(django_filters.FilterSet):
    role = django_filters.ChoiceFilter(choices=Role.choices, help_text="Those with this role.")
    status = django_filters.ChoiceFilter(
        choices=[("active", "active"), ("deleted", "deleted")],
        method="by_status",
        help_text="Only the living accounts are listed, unless this asks for the deleted ones.",
    )
    search = TextFilter(
        method="by_words",
        help_text="Every word is a part of the email or the name, whatever the case or accent.",
    )

    class Meta:
        model = User
        fields: tuple[str, ...] = ()

    def by_status(self, queryset: QuerySet[User], _name: str, value: str) -> QuerySet[User]:
        return queryset.filter(deleted_at__isnull=value == "active")

    def by_words(self, queryset: QuerySet[User], _name: str, value: str) -> QuerySet[User]:
        return queryset.matching(value)  # type: ignore[attr-defined]
