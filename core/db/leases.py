"""Leases: of all workers, one works on a row. The outbox and the jobs use them.

A claim locks the first due row that no other transaction has locked, and writes a lease into it. The times of a lease
are the database's, so hosts may have different clocks. A thread renews the lease while the work goes on. The lease of a
worker that was killed runs out, and another worker claims the row. Every write of a worker is conditional on its lease.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, Self

import structlog
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
    models,
    transaction,
)
from django.db.models import F, Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from core.web import request_context as context
from core.web import traces

log = structlog.get_logger(__name__)

BUDGET_SECONDS = 60.0  # after which a task claims no more rows
RETRY_SECONDS = 1.0
MAX_SECONDS = 900.0  # after which a lease is no longer renewed: the work hangs


class LeaseLost(Exception):
    """The lease has run out: another worker may have claimed the row."""


class LeasedRows:
    """The methods of a queryset whose rows workers claim."""

    claim_lock: ClassVar[dict[str, Any]] = {"of": ("self",)}  # arguments of `select_for_update`

    def due(self: Any) -> Any:
        """Return the unfinished rows whose time has come and that no worker has a lease on."""
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        return self.filter(free, finished_at=None, due_at__lte=Now())

    def claim(self: Any, lease: timedelta, **values: Any) -> Any:
        """Claim the first due row for the length of `lease`, write `values` into it, and return it, or None."""
        due = self.due().order_by("due_at", "pk")
        with transaction.atomic(using=self.db):
            # SQLite ignores the lock: its transactions are immediate, and the UPDATE is conditional.
            row = due.select_for_update(**self.claim_lock, skip_locked=True).first()
            changes = {
                "attempts": F("attempts") + 1,
                "lease_id": uuid7(),
                "lease_until": Now() + lease,
                **values,
            }
            if row is None or not due.filter(pk=row.pk).update(**changes):
                return None
            row.refresh_from_db(fields=list(changes))
        return row


class LeasedModel(models.Model):
    """A row that describes work to be done, once, by whichever worker claims it."""

    attempts = models.PositiveSmallIntegerField(default=0, help_text="Since the last progress")
    last_error = models.TextField(blank=True, default="", help_text="For staff")
    request_id = models.CharField(max_length=64, blank=True, default="")
    trace_parent = models.CharField(
        max_length=55, blank=True, default="", db_default="", help_text="The span that wrote it, if traced"
    )
    due_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_id = models.UUIDField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    lease: "Lease | None" = None  # while a worker of this process works on the row

    class Meta:
        abstract = True

    def reset(self) -> tuple[str, ...]:
        """Make the row due, with a fresh set of attempts. Return the names of the columns to save."""
        self.attempts, self.due_at = 0, Now()
        self.finished_at = self.lease_until = self.lease_id = None
        return ("attempts", "due_at", "finished_at", "lease_until", "lease_id")


class Lease:
    """The lease on a claimed row. As a context manager it is renewed until the block ends."""

    def __init__(self, row: Any, duration: timedelta) -> None:
        self.row, self.duration = row, duration
        self.interval = duration.total_seconds() / 4
        self.started = time.monotonic()
        self.lost = False
        self.extend(self.started)
        self.ended = threading.Event()
        # Inside a transaction of the caller, as in tests, no other connection sees the row.
        self.thread = None if connection.in_atomic_block else threading.Thread(target=self.run, daemon=True)
        row.lease = self

    def __enter__(self) -> Self:
        if self.thread:
            self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.ended.set()
        if self.thread:
            self.thread.join()

    def extend(self, renewed_at: float) -> None:
        self.renewed_at = renewed_at
        self.expires_at = renewed_at + self.duration.total_seconds() * 0.9  # before the database's

    def check(self) -> None:
        """Raise LeaseLost if the lease is lost, or has not been renewed in time."""
        if self.lost or time.monotonic() > self.expires_at:
            raise LeaseLost

    def held(self) -> models.QuerySet[Any]:
        """Return the row as a queryset, which is empty when the lease is another worker's."""
        rows = type(self.row)._default_manager
        return rows.filter(pk=self.row.pk, lease_id=self.row.lease_id, finished_at=None)

    def write(self, **values: Any) -> None:
        """Update the row. Raises LeaseLost, and then nothing was written."""
        if not self.held().update(**values):
            self.lost = True
            raise LeaseLost

    def settle(self, **values: Any) -> None:
        """Write the outcome. While the database does not take it, try again until the lease has run out: without it
        the work would be done twice."""
        while True:
            try:
                self.write(**values)
            except (OperationalError, InterfaceError) as error:
                if self.thread is None or time.monotonic() > self.expires_at:
                    raise
                log.warning("outcome_not_written", row=str(self.row.pk), exc_info=error)
                connection.close()
                time.sleep(RETRY_SECONDS)
            else:
                return

    def renew(self, **values: Any) -> None:
        """Extend the lease, and write `values`. Raises LeaseLost."""
        renewed_at = time.monotonic()
        self.write(lease_until=Now() + self.duration, **values)
        self.extend(renewed_at)

    def beat(self) -> None:
        """Do what is due in each interval. Raises LeaseLost."""
        self.renew()

    def run(self) -> None:
        """Call `beat` in each interval until the work has ended, in a thread with a connection of its own."""
        try:
            while not self.ended.wait(self.interval) and time.monotonic() - self.started < MAX_SECONDS:
                try:
                    self.beat()
                except LeaseLost:
                    return
                except DatabaseError as error:  # the next one may succeed, before the lease runs out
                    log.warning("lease_not_renewed", row=str(self.row.pk), exc_info=error)
                    connections.close_all()
        finally:
            connections.close_all()


def work_on(
    claim: Callable[[], Any],
    work: Callable[[Any], None],
    *,
    wake_up: Callable[[], None],
    seconds: float | None = None,
) -> int:
    """Claim and work, row by row, until none is due or `seconds` (BUDGET_SECONDS) are over: then wake another worker
    up. Return the number of rows."""
    ends = time.monotonic() + (BUDGET_SECONDS if seconds is None else seconds)
    number = 0
    while (row := claim()) is not None:
        try:
            work(row)
        except (LeaseLost, DatabaseError) as error:  # the row is tried again when its lease has run out
            log.warning("lease_lost", row=str(row.pk), kind=row.kind, exc_info=error)
        number += 1
        if time.monotonic() >= ends:
            wake_up()
            break
    return number


@contextmanager
def caused_by(row: Any, *, user_id: str | None = None, **names: str) -> Iterator[None]:
    """Run the block in the name of the request that the row comes from, in its trace, with `names` in its log lines."""
    token = context.current.set(context.RequestContext(request_id=row.request_id, user_id=user_id))
    bound = structlog.contextvars.bind_contextvars(**names)
    try:
        with traces.continued(row.trace_parent, f"{row._meta.model_name} {row.kind}", row.request_id):
            yield
    finally:
        structlog.contextvars.reset_contextvars(**bound)
        context.current.reset(token)
