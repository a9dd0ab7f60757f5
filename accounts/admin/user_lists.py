"""Filters of the list of users, and the list itself, which reads all lock-outs by one query."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
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


class UserChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        users = list(self.result_list)
        locks = lockout.locks(user.email for user in users)
        for user in users:
            user.locks = locks
        self.result_list = users
