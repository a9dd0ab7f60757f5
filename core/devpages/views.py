"""The pages under /dev/, routed only with DEBUG and served only to this machine."""

import re
import sqlite3
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from core.audit.models import AuditEvent
from core.devpages import emails, recording, records
from core.jobs.models import Job
from core.outbox import previews
from core.outbox.models import OutboxMessage
from core.web.client_address import is_this_machine

MAX_EFFECTS = 100  # rows of each kind that a request caused
HEAD = re.compile("<head[^>]*>", re.IGNORECASE)
View = Callable[..., HttpResponse]


def for_this_machine(view: View) -> View:
    """Return the view, which for other addresses is not there: a 403 would show that DEBUG is on. A file of records
    that cannot be read is a 503 that names it."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_this_machine(request):
            raise Http404
        try:
            return view(request, *args, **kwargs)
        except (OSError, sqlite3.Error) as error:
            text = (
                f"{records.path()} cannot be read: {error}. Delete it: it holds only what these pages show.\n"
            )
            return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8")

    return checked


@for_this_machine
def email_list(request: HttpRequest) -> HttpResponse:
    context = {
        "emails": records.newest(emails.KIND),
        "templates": sorted(previews.samples()),
        "max_records": records.MAX_RECORDS,
    }
    return render(request, "dev/emails.html", context)


@for_this_machine
def email_page(request: HttpRequest, key: str) -> HttpResponse:
    email = record_of(emails.KIND, key)
    # A link opens in a tab of its own: the pages of this server refuse to be in a frame.
    html = HEAD.sub(r'\g<0><base target="_blank">', email.details["html"], count=1)
    cause = records.newest(recording.KIND, request_id=email.request_id) if email.request_id else []
    return render(request, "dev/email.html", {"email": email, "html": html, "causes": cause})


@for_this_machine
def email_sample(request: HttpRequest, template: str, form: str) -> HttpResponse:
    return previews.email_preview(request, template, form)


@for_this_machine
def request_list(request: HttpRequest) -> HttpResponse:
    requests = records.newest(recording.KIND)
    names = users_named(record.summary["user"] for record in requests)
    rows = [(record, names.get(record.summary["user"])) for record in requests]
    return render(request, "dev/requests.html", {"rows": rows, "max_records": records.MAX_RECORDS})


@for_this_machine
def request_page(request: HttpRequest, key: str) -> HttpResponse:
    record = record_of(recording.KIND, key)
    request_id, user_id = record.request_id, record.summary["user"]
    context = {
        "record": record,
        "user": users_named([user_id]).get(user_id),
        "events": AuditEvent.objects.filter(request_id=request_id)[:MAX_EFFECTS],
        "messages": OutboxMessage.objects.filter(request_id=request_id).order_by("id")[:MAX_EFFECTS],
        "jobs": Job.objects.filter(request_id=request_id).order_by("id")[:MAX_EFFECTS],
        "emails": records.newest(emails.KIND, request_id=request_id),
    }
    return render(request, "dev/request.html", context)


def record_of(kind: str, key: str) -> records.Record:
    record = records.find(kind, int(key))
    if record is None:
        raise Http404
    return record


def users_named(ids: Iterable[str | None]) -> dict[str, str]:
    """Return {id: the user as text} of those that exist."""
    keys = {UUID(key) for key in ids if key}
    rows = get_user_model()._default_manager.filter(pk__in=keys)
    return {str(user.pk): str(user) for user in rows}
