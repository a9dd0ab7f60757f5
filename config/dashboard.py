"""The first page of the admin: what happens now, in figures. Every query is bounded, and served by an index."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from accounts.models import Session, User
from core.admin.panels import MAX_COUNTED_ROWS, bounded_count, counted, list_of
from core.audit.models import AuditEvent
from core.db.base import key_at
from core.jobs.models import Job
from core.outbox.models import OutboxMessage
from core.web import health

DAYS = 14
DAY = timedelta(days=1)
BAR_WIDTH, BAR_STEP, CHART_HEIGHT = 28, 40, 90  # pixels of the chart


class Figure(NamedTuple):
    """A number with its name. `address` is the list of what is counted."""

    label: Any
    value: str
    note: str = ""
    address: str = ""
    is_bad: bool = False


class Card(NamedTuple):
    title: Any
    figures: list[Figure]


class Bar(NamedTuple):
    x: int
    y: int
    height: int
    middle: int
    number: str
    day: datetime


def context_for(request: HttpRequest) -> dict[str, Any]:
    now = timezone.now()
    may_view_users = may_view(request, User)
    return {
        "cards": [*cards(request, now)],
        "bars": sign_ups(now) if may_view_users else [],
        "chart": {"width": DAYS * BAR_STEP, "base": CHART_HEIGHT + 20, "height": CHART_HEIGHT + 40},
        "bar_width": BAR_WIDTH,
        "readiness": health.readiness(),
        "version": settings.VERSION,
    }


def may_view(request: HttpRequest, model: Any) -> bool:
    return request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def cards(request: HttpRequest, now: datetime) -> Iterator[Card]:
    if may_view(request, Session):
        number = counted(bounded_count(Session.objects.live()))
        yield Card(_("Sessions"), [Figure(_("Active"), number, address=list_of(Session, state="live"))])
    if may_view(request, AuditEvent):
        names = (("account.locked", _("Lock-outs, 24 h")), ("login.failed", _("Failed log-ins, 24 h")))
        yield Card(_("Log-ins"), [of_event(name, label, now) for name, label in names])
    if may_view(request, OutboxMessage):
        yield Card(_("Emails"), [*of_work(OutboxMessage, _("Pending"), _("Done, 24 h"), now)])
    if may_view(request, Job):
        yield Card(_("Jobs"), [*of_work(Job, _("Queued or running"), _("Finished, 24 h"), now)])


def of_event(name: str, label: Any, now: datetime) -> Figure:
    rows = AuditEvent.objects.filter(event=name, pk__gte=key_at(now - DAY))
    return Figure(label, counted(bounded_count(rows)), address=list_of(AuditEvent, event=name))


def of_work(model: Any, waiting_label: Any, done_label: Any, now: datetime) -> Iterator[Figure]:
    """Yield the numbers of rows that wait, have failed, and were finished within a day."""
    waiting = oldest(model.objects.filter(finished_at=None).order_by("due_at"))
    failed = oldest(model.objects.filter(status="failed").order_by("-pk"))
    done = model.objects.filter(finished_at__gte=now - DAY).exclude(status="failed")
    yield Figure(waiting_label, counted(waiting["number"]), age(waiting["since"], now), list_of(model))
    yield Figure(
        _("Failed"),
        counted(failed["number"]),
        age(failed["since"], now),
        list_of(model, status__exact="failed"),
        is_bad=failed["number"] > 0,
    )
    yield Figure(done_label, counted(bounded_count(done)))


def oldest(rows: QuerySet[Any]) -> dict[str, Any]:
    """Return the number of these rows, and when the oldest was created."""
    return rows[: MAX_COUNTED_ROWS + 1].aggregate(number=Count("pk"), since=Min("created_at"))


def age(since: datetime | None, now: datetime) -> str:
    return _("oldest: %(age)s") % {"age": timesince(since, now, depth=1)} if since else ""


def sign_ups(now: datetime) -> list[Bar]:
    """Return a bar for each of the last days, today included."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - number * DAY for number in reversed(range(DAYS))]
    numbers = [
        bounded_count(User.objects.filter(created_at__gte=day, created_at__lt=day + DAY)) for day in days
    ]
    top = max(*numbers, 1)
    bars = []
    for place, (day, number) in enumerate(zip(days, numbers, strict=True)):
        height = round(number / top * CHART_HEIGHT)
        x = place * BAR_STEP + (BAR_STEP - BAR_WIDTH) // 2
        bars.append(Bar(x, CHART_HEIGHT + 20 - height, height, x + BAR_WIDTH // 2, counted(number), day))
    return bars
