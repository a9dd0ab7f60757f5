"""The gate in front of the slow hash.

bcrypt takes a whole core for its time. More hashes at once than there are cores only slow each other down, and
a storm of logins would leave no thread for anybody else. So one process hashes on its share of the cores, some
more callers may wait, and the rest is told to come again (ASVS 5.0, 2.4.2).
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from core.errors import ApiError

PATIENCE_SECONDS = 5.0
RETRY_SECONDS = 2
FREE_THREADS = 4  # of each server process, whatever the storm
UNBOUNDED = 1000  # the development server has a thread for every request


class HashGate:
    def __init__(self, *, at_once: int, waiting: int, patience: float = PATIENCE_SECONDS) -> None:
        self._room = threading.BoundedSemaphore(at_once + waiting)
        self._slots = threading.BoundedSemaphore(at_once)
        self._patience = patience

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hash inside it. Raises ApiError SERVICE_UNAVAILABLE when the room is full, or the wait too long."""
        if not self._room.acquire(blocking=False):
            raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS)
        try:
            release_connection()
            if not self._slots.acquire(timeout=self._patience):
                raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS)
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._room.release()


def release_connection() -> None:
    """Who waits here must not keep one of the pool's few connections from those who have work for it."""
    if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
        connection.close()


def gate_for_this_process() -> HashGate:
    at_once = max(1, (os.cpu_count() or 1) // settings.WEB_CONCURRENCY)
    waiting = max(0, settings.WEB_THREADS - at_once - FREE_THREADS) if settings.WEB_THREADS else UNBOUNDED
    return HashGate(at_once=at_once, waiting=waiting)


gate = gate_for_this_process()
