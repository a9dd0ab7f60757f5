"""The audit log, for staff."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin.base import ReadOnlyAdmin, audit_link
from core.admin.lists import NameFilter
from core.audit.models import AuditEvent

SHORT = 100


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


class DayFilter(admin.ListFilter):
    """The events between two days, in UTC. The key begins with the time, so its index is used."""

    title = "day"
    template = "admin/day_filter.html"
    names: ClassVar = ("from", "to")

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.names:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.names)

    def day(self, name: str) -> date | None:
        text = self.used_parameters.get(name)
        try:
            return date.fromisoformat(str(text)) if text else None
        except ValueError as error:
            raise IncorrectLookupParameters from error

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self.day("from"), self.day("to")
        if first:
            queryset = queryset.filter(pk__gte=first_key(first))
        if last and last < date.max:
            queryset = queryset.filter(pk__lt=first_key(last + timedelta(days=1)))
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield one row for the template: the values, and the other parameters of the query."""
        others = [
            (name, text) for name, text in changelist.params.items() if name not in {*self.names, PAGE_VAR}
        ]
        yield {"values": self.used_parameters, "others": others}


def first_key(day: date) -> UUID:
    """Return the lowest UUIDv7 of a day: 48 bits of milliseconds (RFC 9562, 5.7), the rest zero."""
    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    return UUID(int=max(0, int(midnight.timestamp() * 1000)) << 80)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    always_personal = True
    list_display = ("when", "event", "actor", "target", "ip_address", "request_id")
    list_display_links = ("when", "event")
    list_filter = (DayFilter, EventFilter)
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        people: Any = get_user_model()._default_manager
        return (
            super()
            .get_queryset(request)
            .annotate(
                actor_email=Subquery(people.filter(pk=OuterRef("actor_id")).values("email")),
                subject_email=Subquery(people.filter(pk=OuterRef("subject_id")).values("email")),
            )
        )

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        user_model: Any = get_user_model()
        people = user_model._default_manager.filter(email=user_model.normalize_username(term))
        ids = list(people.values_list("pk", flat=True))
        return queryset.filter(Q(actor_id__in=ids) | Q(subject_id__in=ids)), False

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

    @admin.display(description="changes")
    def changed(self, event: AuditEvent) -> SafeString | str:
        rows = ((name, *map(readable, values)) for name, values in event.changes.items())
        return format_html_join("", "<p><strong>{}</strong>: {} → {}</p>", rows) or "–"


def person(key: UUID, email: str | None) -> SafeString:
    return format_html('<a href="{}">{}</a>', audit_link(key), email or key)


def readable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
