from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Session
from accounts.services import sessions
from core.admin.base import ReadOnlyAdmin
from core.admin.lists import KeyFilter
from core.web.errors import ApiError


class LiveFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [("live", "Live"), ("over", "Ended or expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "live":
            return queryset.live()  # type: ignore[attr-defined]
        if self.value() == "over":
            return queryset.filter(Q(ended_at__isnull=False) | Q(expires_at__lte=timezone.now()))
        return queryset


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    list_display = (
        *("user", "device", "ip_address", "created_at", "last_used_at", "expires_at"),
        *("ended_at", "end_reason"),
    )
    list_select_related = ("user",)
    list_filter = (LiveFilter, ("user", KeyFilter))
    search_fields = ("user__email", "ip_address")
    search_help_text = _(
        "A part of the user's email address or of the IP address, or the id of a session, a user or a request."
    )
    ordering = ("-id",)
    sortable_by = ()
    actions = ("end",)
    fields = (
        *("id", "user", "user_agent", "ip_address", "created_at", "last_used_at", "expires_at"),
        *("ended_at", "end_reason"),
    )

    @admin.display(description="device")
    def device(self, session: Session) -> str:
        return session.user_agent[:60] or "unknown"

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_session")

    @admin.action(description="End these sessions", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[Session]) -> Any:
        actor: Any = request.user

        def end_one(session: Session) -> bool | None:
            if not session.is_live:
                return False
            if not actor.outranks(session.user):
                raise ApiError("FORBIDDEN", message="Only an admin may do this to staff.")
            sessions.end_session(session=session, actor=actor)
            return None

        consequence = _("Each device is logged out at once, and has to log in again.")
        return self.on_each(request, queryset, end_one, _("Ended"), consequence=consequence)
