"""The email backend of development: sends by the backend that is configured, and records what was sent."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from core.devpages import records
from core.web import request_context as context

KIND = "email"
log = structlog.get_logger(__name__)


class RecordingBackend(BaseEmailBackend):
    """A backend around DELIVERING_EMAIL_BACKEND. An email that it refuses is not recorded."""

    def __init__(self, fail_silently: bool = False, **options: Any) -> None:
        super().__init__(fail_silently=fail_silently)
        backend = settings.DELIVERING_EMAIL_BACKEND
        self.delivering = get_connection(backend, fail_silently=fail_silently, **options)

    def open(self) -> bool | None:
        return self.delivering.open()

    def close(self) -> None:
        self.delivering.close()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        sent = 0
        for message in email_messages:
            if self.delivering.send_messages([message]):
                sent += 1
                record(message)
        return sent


def record(message: EmailMessage) -> None:
    """Store an email that has been sent. A failure is logged: a second attempt would send the email twice."""
    summary = {
        "subject": message.subject,
        "sender": message.from_email,
        "recipients": message.recipients(),
    }
    html = [content for content, kind in getattr(message, "alternatives", ()) if kind == "text/html"]
    details = {"text": message.body, "html": html[0] if html else ""}
    try:
        records.add(KIND, context.current.get().request_id, summary, details)
    except (OSError, sqlite3.Error) as error:
        log.info("email_not_recorded", error=repr(error))
