"""A gate in front of what takes a whole core for its time.

More of it at once than there are cores only slows each other down, and a storm of it would leave no thread for
anybody else. So a process lets a few in, some more may wait, and the rest is told to come again (ASVS 5.0, 2.4.2).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import ApiError
from core.turns import turns

RETRY_SECONDS = 2


class Gate:
    def __init__(self, *, at_once: int, waiting: int, patience: float) -> None:
        self._room = threading.BoundedSemaphore(at_once + waiting)
        self._slots = threading.BoundedSemaphore(at_once)
        self._patience = patience

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Work inside it. Raises ApiError SERVICE_UNAVAILABLE when the room is full, or the wait too long."""
        if not self._room.acquire(blocking=False):
            raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS)
        try:
            with turns.aside():
                if not self._slots.acquire(timeout=self._patience):
                    raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS)
                try:
                    yield
                finally:
                    self._slots.release()
        finally:
            self._room.release()
