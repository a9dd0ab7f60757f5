"""Mail: one function that renders and sends, and the backend that shows mails in a developer's terminal."""

import sys
import threading
from collections.abc import Callable, Sequence
from email.utils import parseaddr
from smtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPHeloError,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from typing import Any

import css_inline
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string

from core.models import OutboxMessage
from core.outbox import PermanentError

inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)


# What each app adds for the preview: functions from nothing to {template: context}.
previews: list[Callable[[], dict[str, dict[str, Any]]]] = []


def compose(template: str, *, to: str, context: dict[str, Any], message_id: str) -> EmailMultiAlternatives:
    """`templates/emails/<template>.txt` begins with its `Subject: ` line; `<template>.html` is its twin."""
    values = {"product": "Groundwork", "frontend_url": settings.FRONTEND_URL, **context}
    head, _, text = render_to_string(f"emails/{template}.txt", values).lstrip().partition("\n")
    html = inliner.inline(render_to_string(f"emails/{template}.html", values))
    message = EmailMultiAlternatives(
        subject=head.removeprefix("Subject: ").strip(),
        body=text.strip() + "\n",
        to=[to],
        headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(html, "text/html")
    return message


def send(template: str, *, to: str, context: dict[str, Any], cause: OutboxMessage) -> None:
    """Send it now. A retry of the same cause carries the same Message-ID, so that clients fold duplicates.

    Raises PermanentError when the mail server refuses for good (5xx, RFC 5321, 4.2.1), and whatever else the
    transport raises when a later attempt may help.
    """
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    message = compose(template, to=to, context=context, message_id=f"<{cause.pk}@{domain}>")
    message.connection = get_connection()
    try:
        message.send()
    except SMTPRecipientsRefused as error:
        codes = [code for code, _reason in error.recipients.values()]
        if all(code >= 500 for code in codes):
            raise PermanentError(f"recipient refused: {codes}") from error
        raise
    except (SMTPAuthenticationError, SMTPConnectError, SMTPHeloError):
        raise  # about our own access and not about this mail: it can be sent when that is mended
    except SMTPResponseException as error:
        if error.smtp_code >= 500:
            raise PermanentError(f"{error.smtp_code} {error.smtp_error!r}") from error
        raise
    finally:
        message.connection.close()  # Django leaves it open when the log-in fails


class TerminalBackend(BaseEmailBackend):
    """Prints the readable part. Django's console backend prints the encoded one, which breaks links."""

    lock = threading.Lock()

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        for message in email_messages:
            rule = "─" * 78
            with self.lock:
                sys.stdout.write(
                    f"\n{rule}\n✉  To: {', '.join(message.to)}\n   Subject: {message.subject}\n{rule}\n"
                    f"{message.body}\n{rule}\n"
                )
                sys.stdout.flush()
        return len(email_messages)
