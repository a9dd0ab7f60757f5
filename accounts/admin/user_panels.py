"""The tables on the page of a user: sessions, jobs, emails, audit events, and the number of everything else."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.devices import device_name
from accounts.models import Session, User
from core.admin.base import audit_link
from core.admin.lists import newest
from core.admin.panels import Panel, bounded_count, counted, list_of
from core.audit.models import AuditEvent
from core.jobs.models import Job
from core.outbox.models import OutboxMessage

MAX_ROWS = 8


def panels_of(request: HttpRequest, site: AdminSite, user: User) -> Iterator[Panel]:
    """Yield the tables of rows that the user of the request may view."""
    shown = ((Session, sessions), (OutboxMessage, emails), (Job, jobs), (AuditEvent, events))
    for model, panel in shown:
        if may_view(request, site, model):
            yield panel(user)
    yield owned(request, site, user)


def may_view(request: HttpRequest, site: AdminSite, model: Any) -> bool:
    return site.is_registered(model) and site.get_model_admin(model).has_view_permission(request)


def link_to(row: Any, text: Any) -> SafeString:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(name, args=[row.pk]), text)


def time_of(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "–"


def sessions(user: User) -> Panel:
    live = user.sessions.live().order_by("-last_used_at")[:MAX_ROWS]
    rows = [
        (
            link_to(session, device_name(session.user_agent)),
            session.ip_address or "–",
            time_of(session.last_used_at),
            time_of(session.created_at),
        )
        for session in live
    ]
    columns = (_("Device"), _("IP address"), _("Last use (UTC)"), _("Log-in (UTC)"))
    address = list_of(Session, user__id__exact=user.pk)
    return Panel(_("Live sessions"), columns, rows, address)


def emails(user: User) -> Panel:
    addresses = [address for address in (user.email, user.pending_email) if address]
    conditions = (Q(payload__user=str(user.pk)), *(Q(payload__email=address) for address in addresses))
    messages = newest(OutboxMessage.objects.all(), conditions, MAX_ROWS)
    rows = [
        (
            link_to(message, message.kind.rpartition(".")[2].replace("_", " ")),
            message.payload.get("email", "–"),
            message.status,
            time_of(message.created_at),
            time_of(message.finished_at),
        )
        for message in messages
    ]
    columns = (_("Email"), _("To"), _("State"), _("Caused (UTC)"), _("Finished (UTC)"))
    return Panel(_("Emails"), columns, rows, list_of(OutboxMessage, q=user.pk))


def jobs(user: User) -> Panel:
    rows = [
        (link_to(job, job.kind), job.status, f"{job.progress} %", time_of(job.created_at))
        for job in user.jobs.defer("position").order_by("-created_at", "-id")[:MAX_ROWS]
    ]
    columns = (_("Job"), _("State"), _("Progress"), _("Created (UTC)"))
    return Panel(_("Jobs"), columns, rows, list_of(Job, q=user.pk))


def events(user: User) -> Panel:
    happened = newest(AuditEvent.objects.all(), (Q(actor_id=user.pk), Q(subject_id=user.pk)), MAX_ROWS)
    people = {event.actor_id for event in happened if event.actor_id not in {None, user.pk}}
    emails_by_key = dict(User.objects.filter(pk__in=people).values_list("pk", "email"))
    rows = [
        (
            link_to(event, event.event),
            _("this person") if event.actor_id == user.pk else emails_by_key.get(event.actor_id, "–"),
            event.ip_address or "–",
            f"{event.created_at:%Y-%m-%d %H:%M:%S}",
        )
        for event in happened
    ]
    columns = (_("Event"), _("By"), _("IP address"), _("Time (UTC)"))
    return Panel(_("Audit events"), columns, rows, audit_link(user.pk))


def owned(request: HttpRequest, site: AdminSite, user: User) -> Panel:
    """Return the numbers of the person's rows, of every model with an admin and a foreign key to the user."""
    rows = []
    for relation in user._meta.related_objects:
        model: Any = relation.related_model
        if may_view(request, site, model):
            number = counted(bounded_count(model._base_manager.filter(**{relation.field.name: user})))
            link = format_html('<a href="{}">{}</a>', list_of(model, q=user.pk), number)
            rows.append((str(model._meta.verbose_name_plural).capitalize(), link))
    return Panel(_("In total"), (), rows)
