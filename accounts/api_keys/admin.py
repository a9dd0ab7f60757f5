from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.api_keys import services
from accounts.api_keys.models import ApiKey
from core.admin.base import ReadOnlyAdmin
from core.admin.lists import KeyFilter
from core.admin.row_actions import RowAction


class LiveFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [("live", "Live"), ("over", "Revoked or expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "live":
            return queryset.live()  # type: ignore[attr-defined]
        if self.value() == "over":
            return queryset.filter(Q(revoked_at__isnull=False) | Q(expires_at__lte=timezone.now()))
        return queryset


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "prefix", "user", "created_at", "expires_at", "last_used_at", "state")
    list_select_related = ("user",)
    list_filter = (LiveFilter, ("user", KeyFilter))
    search_fields = ("prefix",)
    search_help_text = _("The beginning of a key, or the id of a key or a user.")
    ordering = ("-id",)
    sortable_by = ()
    row_actions = (
        RowAction(
            name="revoke",
            label=_("Revoke the key"),
            run=lambda key, actor: services.revoke_key(key=key, actor=actor),
            done=_("Revoked"),
            consequence=_(
                "Programs that use the key are refused at once. Its user has to create another one."
            ),
            permissions=("accounts_api_keys.change_apikey", "accounts.end_sessions_user"),
            applies=lambda key: key.is_live,
            is_final=True,
        ),
    )
    fields = (
        *("id", "user", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at"),
        *("revoked_at", "revoke_reason"),
    )

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        if key.is_live:
            return "live"
        return (key.revoke_reason or "revoked").replace("_", " ") if key.revoked_at else "expired"
