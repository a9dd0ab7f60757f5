"""Samples of all emails, for the page of developers (core/devpages/views.py)."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from core.outbox import mail


def email_preview(_request: HttpRequest, template: str, form: str) -> HttpResponse:
    context = samples().get(template)
    if context is None:
        raise Http404
    message = mail.compose(template, to="ann@example.com", context=context, message_id="<preview@localhost>")
    if form == "html":
        html, _type = message.alternatives[0]
        return HttpResponse(html)
    return HttpResponse(
        f"Subject: {message.subject}\n\n{message.body}", content_type="text/plain; charset=utf-8"
    )


def samples() -> dict[str, dict[str, Any]]:
    return {template: context for sample in mail.previews for template, context in sample().items()}
