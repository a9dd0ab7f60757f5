"""The audit log, for staff."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin.base import ReadOnlyAdmin, audit_link
from core.admin.lists import NameFilter, keys_of_people
from core.audit.models import AuditEvent

REQUEST_LENGTH = 8  # characters of a request id in the list


def known_events() -> list[str]:
    """Return the names of all events. The statement steps through the index from one name to the next, because a
    DISTINCT would read all of it."""
    table = connection.ops.quote_name(AuditEvent._meta.db_table)
    statement = f"""
        WITH RECURSIVE step(event) AS (
            SELECT min(event) FROM {table}
            UNION ALL
            SELECT (SELECT min(event) FROM {table} WHERE event > step.event)
            FROM step WHERE step.event IS NOT NULL
        )
        SELECT event FROM step WHERE event IS NOT NULL
    """  # noqa: S608 - nothing but the table's name is put in
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [event for (event,) in cursor.fetchall()]


class EventFilter(NameFilter):
    title = parameter_name = "event"
    names = staticmethod(known_events)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    always_personal = True
    list_display = ("when", "event", "actor", "target", "ip_address", "request")
    list_display_links = ("when", "event")
    list_filter = (EventFilter,)
    search_fields = ("request_id",)
    search_help_text = _(
        "An email address, or the id of an event, of a person, of an object or of a request."
    )
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        *("id", "when", "event", "actor", "target", "changed", "ip_address", "user_agent", "request_id"),
        *("actor_id", "target_type", "target_id", "subject_id", "redacted_at"),
    )

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        event = super().get_object(*args, **kwargs)
        self.prepare_rows([event] if event else [])
        return event

    def prepare_rows(self, rows: list[Any]) -> None:
        """Read the addresses of the people in these events."""
        people: Any = get_user_model()._default_manager
        keys = {key for event in rows for key in (event.actor_id, event.subject_id) if key}
        emails = dict(people.filter(pk__in=keys).values_list("pk", "email"))
        for event in rows:
            event.actor_email, event.subject_email = emails.get(event.actor_id), emails.get(event.subject_id)

    def exact_conditions(self, term: str) -> Iterator[Q]:
        yield from super().exact_conditions(term)
        people = keys_of_people(term)
        if people:
            yield from (Q(actor_id__in=people), Q(subject_id__in=people))

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return (queryset.none() if search_term.strip() else queryset), False

    @admin.display(description="time (UTC)")
    def when(self, event: AuditEvent) -> str:
        return f"{event.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="actor")
    def actor(self, event: Any) -> SafeString | str:
        return person(event.actor_id, event.actor_email) if event.actor_id else "–"

    @admin.display(description="target")
    def target(self, event: Any) -> SafeString | str:
        if not event.target_id:
            return "–"
        if event.target_id == event.subject_id:
            return person(event.subject_id, event.subject_email)
        link, short = audit_link(event.target_id), str(event.target_id)[-12:]
        target = format_html('{} <a href="{}">{}</a>', event.target_type, link, short)
        if event.subject_id is None:
            return target
        return format_html("{} of {}", target, person(event.subject_id, event.subject_email))

    @admin.display(description="request")
    def request(self, event: AuditEvent) -> SafeString | str:
        """Return the end of the request id, which leads to all events of the request."""
        if not event.request_id:
            return "–"
        link, short = audit_link(event.request_id), event.request_id[-REQUEST_LENGTH:]
        return format_html('<a href="{}">…{}</a>', link, short)

    @admin.display(description="changes")
    def changed(self, event: AuditEvent) -> SafeString | str:
        rows = ((name, *map(readable, values)) for name, values in event.changes.items())
        return format_html_join("", "<p><strong>{}</strong>: {} → {}</p>", rows) or "–"


def person(key: UUID, email: str | None) -> SafeString:
    return format_html('<a href="{}">{}</a>', audit_link(key), email or key)


def readable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
