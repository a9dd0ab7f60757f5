"""Promises to the outside world: rows written with their cause, handled at least once by whoever claims them.

A request calls `enqueue` inside its transaction. After the commit the dispatcher nudges a worker; what a lost
nudge leaves behind is picked up by the periodic drain. A claim is a conditional UPDATE with a lease, which
behaves alike on PostgreSQL and SQLite, so any number of drains may run at once.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from traceback import extract_tb
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from uuid_utils.compat import uuid7

from core.outbox.dispatcher import dispatcher
from core.outbox.models import OutboxMessage
from core.web import metrics
from core.web import request_context as context
from core.web.text import error_text

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 8
FIRST_DELAY = timedelta(seconds=15)
LONGEST_DELAY = timedelta(hours=6)
BATCH = 50

Handler = Callable[[OutboxMessage], None]
handlers: dict[str, Handler] = {}


class PermanentError(Exception):
    """Raised by a handler when another attempt cannot help."""


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Register the function that keeps promises of this kind. It must be safe to run twice."""

    def register(handler: Handler) -> Handler:
        handlers[kind] = handler
        return handler

    return register


def enqueue(kind: str, payload: dict[str, Any], *, expires_in: timedelta | None = None) -> OutboxMessage:
    """Promise it. Nothing secret goes into the payload: the row stays readable until it is purged."""
    now = timezone.now()
    message = OutboxMessage.objects.create(
        kind=kind,
        payload=payload,
        created_at=now,
        due_at=now,
        expires_at=now + expires_in if expires_in else None,
        request_id=context.current.get().request_id,
    )
    transaction.on_commit(dispatcher.wake)
    return message


def drain(limit: int = 500) -> int:
    """Handle what is due, oldest first, and return how many were handled (done or not)."""
    handled = 0
    while handled < limit:
        due = OutboxMessage.objects.due(timezone.now()).order_by("due_at")
        ids = list(due.values_list("pk", flat=True)[:BATCH])
        claimed = 0
        for pk in ids:
            message = claim(pk)
            if message is not None:
                claimed += 1
                attempt(message)
        handled += claimed
        if len(ids) < BATCH or claimed == 0:
            break
    return handled


def claim(pk: Any) -> OutboxMessage | None:
    """Take one message for the length of a lease; None when another worker was faster, or it was deleted just now."""
    now = timezone.now()
    lease_id = uuid7()
    taken = (
        OutboxMessage.objects.due(now)
        .filter(pk=pk)
        .update(lease_until=now + LEASE, lease_id=lease_id, attempts=F("attempts") + 1)
    )
    return OutboxMessage.objects.filter(pk=pk).first() if taken else None


def attempt(message: OutboxMessage) -> None:
    """Run the handler and write down how it went. A worker that dies here leaves the lease to run out."""
    token = context.current.set(context.RequestContext(request_id=message.request_id))
    bound = structlog.contextvars.bind_contextvars(outboxId=str(message.pk))
    try:
        if message.expires_at and message.expires_at < timezone.now():
            raise PermanentError("expired before it could be handled")
        if message.attempts > MAX_ATTEMPTS:  # every attempt so far has killed its worker
            raise PermanentError(f"given up after {MAX_ATTEMPTS} attempts")
        handler = handlers.get(message.kind)
        if handler is None:
            raise PermanentError(f"nothing handles {message.kind}")
        handler(message)
    except Exception as error:
        _failed(message, error)
    else:
        _finish(message, OutboxMessage.Status.DONE, "")
    finally:
        structlog.contextvars.reset_contextvars(**bound)
        context.current.reset(token)


def _failed(message: OutboxMessage, error: Exception) -> None:
    text = error_text(error)
    final = isinstance(error, PermanentError) or message.attempts >= MAX_ATTEMPTS
    log.warning(
        "outbox_attempt_failed",
        kind=message.kind,
        attempt=message.attempts,
        final=final,
        error=type(error).__name__,
        smtpCode=smtp_code(error),
        at=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)],
    )
    if final:
        _finish(message, OutboxMessage.Status.FAILED, text)
        return
    metrics.outbox_total.labels(message.kind, "retried").inc()
    _mine(message).update(
        lease_until=None,
        lease_id=None,
        due_at=next_attempt(message.attempts, timezone.now()),
        last_error=text,
    )


def smtp_code(error: BaseException | None) -> int | None:
    """Return the code of a mail server's reply, which itself may hold an address, or None."""
    if isinstance(error, PermanentError):
        error = error.__cause__
    if isinstance(error, SMTPRecipientsRefused):
        return next((code for code, _reply in error.recipients.values()), None)
    return error.smtp_code if isinstance(error, SMTPResponseException) else None


def next_attempt(attempts: int, now: datetime) -> datetime:
    """Exponential, with jitter of ±20 % so that a broken mail server is not met by all at once."""
    delay = min(FIRST_DELAY * 4 ** (attempts - 1), LONGEST_DELAY)
    return now + delay * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing


def _finish(message: OutboxMessage, status: OutboxMessage.Status, error: str) -> None:
    metrics.outbox_total.labels(message.kind, status.value).inc()
    _mine(message).update(status=status, finished_at=timezone.now(), lease_until=None, last_error=error)


def _mine(message: OutboxMessage) -> Any:
    """Fencing: a worker whose lease ran out must not overwrite what the next one has written."""
    return OutboxMessage.objects.filter(pk=message.pk, lease_id=message.lease_id)
