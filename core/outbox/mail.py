"""Emails: rendering, sending, and the backends: SMTP with a deadline, and a terminal for development."""

import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.utils import parseaddr
from smtplib import SMTPDataError, SMTPRecipientsRefused
from typing import Any

import css_inline
import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.console import EmailBackend as ConsoleBackend
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import sanitize_address
from django.template.loader import render_to_string

from core.outbox.models import OutboxMessage
from core.outbox.services import PermanentError, smtp_reply
from core.web.resolver import resolver

# Replies that are the same for every attempt, since they are about the recipient or the content: by the enhanced
# code (RFC 3463; 5.1.7 and 5.1.8 are about the sender, 5.2.2 is a full mailbox, 5.7 mostly our own rights), and by
# the plain code where there is no enhanced one or a vague one (RFC 5321, 4.2.3; 552 is a quota).
ENHANCED_CODE = re.compile(rb"\s*\d\.\d{1,3}\.\d{1,3}\b")
FINAL_ENHANCED_CODE = re.compile(rb"\s*5\.(1\.([1-6]|10)|2\.[13]|3\.4|6\.\d{1,3})\b")
VAGUE_ENHANCED_CODE = re.compile(rb"\s*5\.[0-2]\.0\b")
FINAL_CODES = frozenset({550, 551, 553, 554, 556})
SMTP_SECONDS = 57.0  # for a whole dialogue: below the lease of the outbox
CONTENT_SECONDS = 19.0  # of them, for the content: the replies to DATA and to its end
log = structlog.get_logger(__name__)

inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)


# Functions that return {template: context}, which each app adds for the preview.
previews: list[Callable[[], dict[str, dict[str, Any]]]] = []


def compose(template: str, *, to: str, context: dict[str, Any], message_id: str) -> EmailMultiAlternatives:
    """Render `emails/<template>.txt`, which begins with its `Subject: ` line, and `emails/<template>.html`."""
    values = {"product": settings.PRODUCT_NAME, "frontend_url": settings.FRONTEND_URL, **context}
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
    """Send an email now. A retry of the same cause has the same Message-ID, so that clients can drop duplicates.

    Raises PermanentError if the mail server refuses the recipient or the content for good. Any other error of the
    transport may end with a later attempt: a refused log-in or sender is an error of the configuration.
    """
    # As it is sent: a domain beyond ASCII in punycode.
    domain = parseaddr(sanitize_address(settings.DEFAULT_FROM_EMAIL, "utf-8"))[1].rpartition("@")[2]
    message_id = f"<{cause.pk}@{domain}>"
    message = compose(template, to=to, context=context, message_id=message_id)
    message.connection = get_connection()
    if cause.lease is not None:
        cause.lease.check()
    try:
        message.send()
    except (SMTPRecipientsRefused, SMTPDataError) as error:
        if (reply := smtp_reply(error)) and is_final(*reply):
            raise PermanentError("mail server refused: {} {!r}".format(*reply)) from error
        raise
    finally:
        message.connection.close()  # Django leaves it open when the log-in fails
    user = context.get("user")  # the log has its id, and no addresses
    log.info("mail_sent", userId=user and str(user.pk), template=template, messageId=message_id)


def is_final(code: int, reply: bytes) -> bool:
    """Return whether a refusal of a recipient or of the content is the same for every attempt."""
    if ENHANCED_CODE.match(reply) and not VAGUE_ENHANCED_CODE.match(reply):
        return code >= 500 and FINAL_ENHANCED_CODE.match(reply) is not None
    return code in FINAL_CODES


class SMTPBackend(EmailBackend):
    """Django's backend with a deadline for the whole dialogue: EMAIL_TIMEOUT applies to each read of the socket."""

    client: Any = None
    deadline = 0.0

    @property
    def connection_class(self) -> Any:
        backend, base = self, super().connection_class

        class Client(base):  # type: ignore[misc, valid-type]
            def connect(self, host: str, *args: Any, **kwargs: Any) -> Any:
                backend.client = self
                resolver.addresses_of(host, backend.timeout)
                return super().connect(host, *args, **kwargs)

            def data(self, msg: Any) -> Any:
                """Send the content if time is left for the last reply: without that reply the outcome is unknown."""
                if time.monotonic() > backend.deadline - CONTENT_SECONDS:
                    raise TimeoutError("the mail server is too slow")
                return super().data(msg)

        return Client

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        self.deadline = time.monotonic() + SMTP_SECONDS
        timer = threading.Timer(SMTP_SECONDS, self.abort)
        timer.start()
        try:
            return super().send_messages(email_messages)
        finally:
            timer.cancel()

    def abort(self) -> None:
        """Close the connection from another thread, which ends a read that waits for a reply."""
        with suppress(AttributeError, OSError):  # not connected yet, or any more
            self.client.sock.shutdown(socket.SHUT_RDWR)


class TerminalBackend(ConsoleBackend):
    """Django's console backend with the readable part: the encoded one breaks links."""

    def write_message(self, message: Any) -> None:
        rule = "─" * 78
        self.stream.write(
            f"\n{rule}\n✉  To: {', '.join(message.to)}\n   Subject: {message.subject}\n{rule}\n"
            f"{message.body}\n{rule}\n"
        )
