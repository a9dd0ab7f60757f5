"""The outbox messages in the admin, where staff retry them."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin.base import ReadOnlyAdmin
from core.admin.columns import as_json, short
from core.admin.lists import NameFilter, as_address, as_uuid, keys_of_people
from core.admin.row_actions import RowAction
from core.outbox.models import OutboxMessage
from core.outbox.services import handlers, retry


def known_kinds() -> list[str]:
    return sorted(handlers)


class MessageKindFilter(NameFilter):
    title = parameter_name = "kind"
    names = staticmethod(known_kinds)


@admin.register(OutboxMessage)
class OutboxAdmin(ReadOnlyAdmin):
    always_personal = True  # the payload may hold an address
    list_display = ("kind", "recipient", "status", "attempts", "short_error", "created_at")
    list_filter = ("status", MessageKindFilter)
    search_fields = ("payload",)
    search_help_text = _(
        "The id of a message, of a user or of its request, an email address, or, in the newest 20,000, a part of the"
        " payload."
    )
    ordering = ("-id",)
    sortable_by = ()
    row_actions = (
        RowAction(
            name="retry",
            label=_("Retry"),
            run=lambda message, actor: retry(message=message, actor=actor),
            done=_("Waiting to be tried again"),
            consequence=_(
                "A failed message is tried again, eight times within twelve hours, and does not expire."
            ),
            permissions=("core_outbox.change_outboxmessage",),
            applies=lambda message: message.status == OutboxMessage.Status.FAILED,
        ),
    )
    fields = (
        *("id", "kind", "status", "attempts", "crashes", "last_error", "formatted_payload", "request_id"),
        *("created_at", "due_at", "expires_at", "lease_until", "finished_at"),
    )

    def exact_conditions(self, term: str) -> Iterator[Q]:
        yield from super().exact_conditions(term)
        key, address = as_uuid(term), as_address(term)
        for person in (*keys_of_people(term), *filter(None, [key])):
            yield Q(payload__user=str(person))
        if address is not None:
            yield Q(payload__email=address)

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        queryset = self.searched(queryset) if search_term.strip() else queryset
        for word in search_term.split():
            rows = queryset.annotate(payload_text=Cast("payload", TextField()))
            queryset = rows.filter(payload_text__icontains=as_uuid(word) or word)
        return queryset, False

    @admin.display(description="recipient")
    def recipient(self, message: OutboxMessage) -> str:
        return str(message.payload.get("email", "–"))

    @admin.display(description="last error")
    def short_error(self, message: OutboxMessage) -> str:
        return short(message.last_error)

    @admin.display(description="payload")
    def formatted_payload(self, message: OutboxMessage) -> SafeString:
        return as_json(message.payload)
