"""Filters of the list of users."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.services import lockout
from core.admin.lists import NullFilter


class VerifiedFilter(NullFilter):
    title = parameter_name = "verified"
    column = "email_verified_at"


class SuspendedFilter(NullFilter):
    title = parameter_name = "suspended"
    column = "suspended_at"


class LockedFilter(admin.SimpleListFilter):
    title = "lock"
    parameter_name = "locked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [("yes", "Locked now")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(pk__in=lockout.locked_users()) if self.value() == "yes" else queryset
