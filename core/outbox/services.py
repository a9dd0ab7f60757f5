"""The outbox: messages to systems outside the database, written in the transaction of their cause.

A request calls `enqueue` in its transaction. After the commit the dispatcher wakes a worker up. The schedule finds
the messages of a lost wake-up. Each message is delivered at least once, under a lease (core/db/leases.py).
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from functools import partial
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from traceback import extract_tb
from typing import Any

import structlog
from django.db import connection, connections, transaction
from django.db.models.functions import Now
from django.utils import timezone

from core.audit import services as audit
from core.db.leases import BUDGET_SECONDS, Lease, caused_by, work_on
from core.outbox.dispatcher import dispatcher
from core.outbox.models import OutboxMessage
from core.web import metrics, traces
from core.web import request_context as context
from core.web.registry import Registry
from core.web.text import error_text

log = structlog.get_logger(__name__)

TASK = "core.drain_outbox"
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 8
MAX_CRASHES = 5  # attempts that were killed with their process
FIRST_DELAY = timedelta(seconds=15)
MAX_DELAY = timedelta(hours=6)
MAX_DELIVERIES = 4  # at once, by one task
SLOW_SECONDS = 2.0  # in which no delivery has ended: then others begin next to the slow ones
MAX_THREADS = 20
OVERDUE = timedelta(seconds=8)  # then a drain begins next to another
SECOND_SECONDS = 5.0  # in which it claims messages: its process may be the last one for jobs
BEGINNING = 0x6F7574626F78  # "outbox", for the advisory lock

Handler = Callable[[OutboxMessage], None]
handlers: Registry[Handler] = Registry()
wake_up = dispatcher.register(TASK)


class PermanentError(Exception):
    """Raised by a handler when another attempt cannot help."""


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Register the function that delivers messages of this kind. It must be safe to run twice."""
    return partial(handlers.register, kind)


def enqueue(kind: str, payload: dict[str, Any], *, expires_in: timedelta | None = None) -> OutboxMessage:
    """Write a message. Nothing secret goes into the payload: the row stays readable until it is purged."""
    now = timezone.now()
    message = OutboxMessage.objects.create(
        kind=kind,
        payload=payload,
        created_at=now,
        expires_at=now + expires_in if expires_in else None,
        request_id=context.current.get().request_id,
        trace_parent=traces.trace_parent(),
    )
    transaction.on_commit(wake_up)
    return message


def retry(*, message: OutboxMessage, actor: Any) -> None:
    """Start a failed message over, as staff. The caller holds the row."""
    before = message.status
    message.retry()
    changes: audit.Changes = {"status": [before, message.status]}
    audit.record("outboxmessage.retried", actor_id=actor.pk, target=message, changes=changes)
    transaction.on_commit(wake_up)


def drain() -> int:
    """Deliver due messages, oldest first, several at once. Return the number of messages, delivered or not.

    When none has ended for some seconds, those on their way have slow receivers: others begin next to them. So slow
    receivers take one process of a worker, and leave the others to jobs. A backlog takes the others for SECOND_SECONDS
    at a time. A message of which an attempt was killed with its process may be the cause: it is delivered alone.
    """
    if connection.in_atomic_block:  # no other connection sees what the caller has not committed
        return work_on(claim, deliver, wake_up=wake_up)
    first, is_second = claim_first()
    if first is None:
        return 0
    seconds = 0.0 if first.crashes else SECOND_SECONDS if is_second else BUDGET_SECONDS
    ended: list[OutboxMessage] = []
    seen, limit = 0, MAX_DELIVERIES
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="delivery") as threads:
        running = {threads.submit(deliver_in_thread, ended, seconds, first)}
        while running:
            if len(ended) == seen and time.monotonic() < deadline:
                due = len(OutboxMessage.objects.trusted().due().values_list("pk")[: limit - len(running)])
                running |= {threads.submit(deliver_in_thread, ended, seconds) for _ in range(due)}
                limit = MAX_THREADS
            seen = len(ended)
            done, running = wait(running, SLOW_SECONDS)
            for future in done:
                future.result()
    return len(ended)


@transaction.atomic
def claim_first() -> tuple[OutboxMessage | None, bool]:
    """Claim the first message of a drain; none while another drain is at work, unless something is overdue. Return the
    message, and whether another drain is at work.

    One drain at a time begins. Otherwise two that began together could both end up with slow receivers. So of the
    messages that may kill their process one at a time is delivered.
    """
    if connection.vendor == "postgresql":  # transactions of SQLite exclude each other anyway
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [BEGINNING])
    is_second = OutboxMessage.objects.filter(finished_at=None, lease_until__gte=Now()).exists()
    messages = OutboxMessage.objects.trusted() if is_second else OutboxMessage.objects.all()
    overdue = messages.due().filter(due_at__lt=Now() - OVERDUE)
    return (None if is_second and not overdue.exists() else messages.claim(LEASE)), is_second


def claim() -> OutboxMessage | None:
    return OutboxMessage.objects.claim(LEASE)


def deliver_in_thread(ended: list[OutboxMessage], seconds: float, first: OutboxMessage | None = None) -> None:
    """Deliver `first`, and then until no message is due, or `seconds` are over. Each is added to `ended`, delivered or
    not."""
    claimed = [first] if first else []

    def next_message() -> OutboxMessage | None:
        return claimed.pop() if claimed else OutboxMessage.objects.trusted().claim(LEASE)

    def deliver_one(message: OutboxMessage) -> None:
        try:
            deliver(message)
        finally:
            ended.append(message)

    try:
        work_on(next_message, deliver_one, wake_up=wake_up, seconds=seconds)
    finally:
        connections.close_all()


def deliver(message: OutboxMessage) -> None:
    """Call the handler of a claimed message, and write the outcome. Raises LeaseLost.

    A handler that hangs is ended with its process, at the time limit of the task.
    """
    with caused_by(message, outboxId=str(message.pk)), Lease(message, LEASE) as lease:
        try:
            if message.expires_at and message.expires_at < timezone.now():
                raise PermanentError("expired before it could be handled")
            if message.attempts > MAX_ATTEMPTS or message.crashes >= MAX_CRASHES:
                raise PermanentError(
                    f"given up after {message.attempts - 1} attempts, {message.crashes} of which were killed"
                )
            handler = handlers.get(message.kind)
            if handler is None:
                raise PermanentError(f"nothing handles {message.kind}")
            handler(message)
        except Exception as error:
            fail(lease, error)
        else:
            finish(lease, OutboxMessage.Status.DONE, "")


def fail(lease: Lease, error: Exception) -> None:
    """Set the message to be tried again later, or write that it has failed. Raises LeaseLost."""
    message, text = lease.row, error_text(error)
    reply = smtp_reply(error.__cause__ if isinstance(error, PermanentError) else error)
    final = isinstance(error, PermanentError) or message.attempts >= MAX_ATTEMPTS
    log.warning(
        "outbox_attempt_failed",
        kind=message.kind,
        attempt=message.attempts,
        final=final,
        error=type(error).__name__,
        smtpCode=reply and reply[0],  # its text may hold an address
        at=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)],
    )
    if final:
        finish(lease, OutboxMessage.Status.FAILED, text)
        return
    lease.settle(
        lease_until=None, lease_id=None, due_at=Now() + retry_delay(message.attempts), last_error=text
    )
    metrics.outbox_total.labels(message.kind, "retried").inc()


def smtp_reply(error: BaseException | None) -> tuple[int, bytes] | None:
    """Return the code and the text of the mail server's reply that raised `error`, or None."""
    if isinstance(error, SMTPRecipientsRefused):
        return next(iter(error.recipients.values()), None)
    if isinstance(error, SMTPResponseException):
        text = error.smtp_error
        return error.smtp_code, text if isinstance(text, bytes) else text.encode()
    return None


def retry_delay(attempts: int) -> timedelta:
    """Return an exponential delay with jitter of ±20 %, so that the retries of many messages are spread."""
    delay = min(FIRST_DELAY * 4 ** (attempts - 1), MAX_DELAY)
    return delay * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing


def finish(lease: Lease, status: OutboxMessage.Status, error: str) -> None:
    lease.settle(status=status, finished_at=timezone.now(), lease_until=None, last_error=error)
    metrics.outbox_total.labels(lease.row.kind, status.value).inc()
