import re
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.devices import device_name
from accounts.models import Session, User
from accounts.services import sessions
from core.admin.base import ReadOnlyAdmin
from core.admin.lists import KeyFilter
from core.admin.row_actions import RowAction

MAX_PEOPLE = 100  # whose sessions a search shows
IP_ADDRESS = re.compile(r"[0-9a-f]*[.:][0-9a-f.:]*")


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
    list_display = ("user", "device", "ip_address", "created_at", "last_used_at", "state")
    list_select_related = ("user",)
    list_filter = (LiveFilter, ("user", KeyFilter))
    search_fields = ("ip_address",)
    search_help_text = _(
        "A part of the user's name or email address, the id of a session, a user or a request, or, in the newest"
        " 20,000, the beginning of an IP address."
    )
    ordering = ("-id",)
    sortable_by = ()
    row_actions = (
        RowAction(
            name="end",
            label=_("End the session"),
            run=lambda session, actor: sessions.end_session(session=session, actor=actor),
            done=_("Ended"),
            consequence=_("The device is logged out at once, and has to log in again."),
            permissions=("accounts.change_session", "accounts.end_sessions_user"),
            applies=lambda session: session.is_live,
        ),
    )
    fields = (
        *("id", "user", "user_agent", "ip_address", "created_at", "last_used_at", "expires_at"),
        *("ended_at", "end_reason"),
    )

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the sessions from this beginning of an IP address, or else those of the newest people who match."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if IP_ADDRESS.fullmatch(term):
            return self.searched(queryset).filter(ip_address__startswith=term), False
        people = User.objects.matching(term).order_by("-created_at", "-id").values_list("pk", flat=True)
        return queryset.filter(user__in=list(people[:MAX_PEOPLE])), False

    @admin.display(description="state")
    def state(self, session: Session) -> str:
        if session.is_live:
            return "live"
        return (session.end_reason or "ended").replace("_", " ") if session.ended_at else "expired"

    @admin.display(description="device")
    def device(self, session: Session) -> str:
        return device_name(session.user_agent)
