"""The outbox, for staff."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin.base import ReadOnlyAdmin
from core.admin.lists import as_uuid
from core.audit import services as audit
from core.outbox.models import OutboxMessage
from core.outbox.services import handlers, wake_up
from core.web.text import shortened

SHORT = 100


class KindFilter(admin.SimpleListFilter):
    """A filter by the registered kinds, without a query for distinct values."""

    title = parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(kind, kind) for kind in sorted(handlers)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(OutboxMessage)
class OutboxAdmin(ReadOnlyAdmin):
    always_personal = True  # the payload may hold an address
    list_display = ("kind", "status", "attempts", "short_error", "due_at", "created_at", "finished_at")
    list_filter = ("status", KindFilter)
    search_fields = ("payload",)
    search_help_text = _(
        "The id of a message or of its request, or a part of the payload such as an address."
    )
    ordering = ("-id",)
    sortable_by = ("status", "kind", "attempts", "due_at")
    actions = ("retry",)
    fields = (
        *("id", "kind", "status", "attempts", "last_error", "formatted_payload", "request_id"),
        *("created_at", "due_at", "expires_at", "lease_until", "finished_at"),
    )

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for word in search_term.split():
            rows = queryset.annotate(payload_text=Cast("payload", TextField()))
            queryset = rows.filter(payload_text__icontains=as_uuid(word) or word)
        return queryset, False

    @admin.display(description="last error")
    def short_error(self, message: OutboxMessage) -> str:
        return shortened(message.last_error, SHORT)

    @admin.display(description="payload")
    def formatted_payload(self, message: OutboxMessage) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(message.payload, indent=2, ensure_ascii=False))

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core_outbox.change_outboxmessage")

    @admin.action(description="Retry the failed among these", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> Any:
        def start_over(message: OutboxMessage) -> bool:
            if message.status != OutboxMessage.Status.FAILED:
                return False
            message.retry()
            audit.record(
                "outboxmessage.retried",
                actor_id=request.user.pk,
                target=message,
                changes={"status": [OutboxMessage.Status.FAILED.value, message.status]},
            )
            return True

        response = self.on_each(request, queryset, start_over, _("Waiting to be tried again"))
        wake_up()
        return response
