"""The hold on deletions: while a backup reads the files, none is deleted. There is one holder at a time.

A file is written once, under a name of its own, and never changed. So the files of a moment are those that the rows of
this moment name, as long as none is deleted until they are copied. The hold is a lease by the database's clock, so that
of a killed process runs out.
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog
from django.db import DatabaseError, connections
from django.db.models import Exists, QuerySet
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from core.files.models import DeletionHold, StoredFile

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
ROW = 1
FREE = datetime(1970, 1, 1, tzinfo=UTC)


class AlreadyHeldError(Exception):
    """Another process has the hold."""


class HoldLostError(Exception):
    """The hold was not renewed in time: files may have been deleted."""


def deletable() -> QuerySet[StoredFile]:
    """Return the files that are scheduled for deletion; none during a hold. One statement reads both, so that it sees
    no deletion that is younger than a hold without seeing the hold."""
    held = DeletionHold.objects.filter(held_until__gt=Now())
    return StoredFile.objects.filter(~Exists(held), state=StoredFile.State.DELETING)


class Hold:
    """The hold of this process, as a context manager. A thread renews it until the block ends.

    Entering raises AlreadyHeldError. Call `check` at the end of the block: it raises HoldLostError if files may have
    been deleted meanwhile. (A lease of core/db/leases.py may be renewed after it was lost for a time.)
    """

    def __init__(self) -> None:
        self.holder = uuid7()
        self.lost = False
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Self:
        DeletionHold.objects.get_or_create(pk=ROW, defaults={"holder": self.holder, "held_until": FREE})
        free = DeletionHold.objects.filter(pk=ROW, held_until__lt=Now())
        if not free.update(holder=self.holder, held_until=Now() + LEASE):
            raise AlreadyHeldError
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.ended.set()
        self.thread.join()
        self.lost = self.lost or not self.held().update(held_until=FREE)

    def check(self) -> None:
        """Raise HoldLostError if there was a time without the hold."""
        if self.lost or not self.held().update(held_until=Now() + LEASE):
            raise HoldLostError

    def held(self) -> QuerySet[DeletionHold]:
        return DeletionHold.objects.filter(pk=ROW, holder=self.holder, held_until__gt=Now())

    def run(self) -> None:
        try:
            while not self.lost and not self.ended.wait(LEASE.total_seconds() / 4):
                try:
                    self.lost = not self.held().update(held_until=Now() + LEASE)
                except DatabaseError as error:  # the next one may succeed, before it runs out
                    log.warning("hold_not_renewed", exc_info=error)
                    connections.close_all()
        finally:
            connections.close_all()
