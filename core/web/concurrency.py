"""A concurrency limit for work that takes a whole core for its time.

More of it at once than there are cores only slows each other down, and a storm of it would leave no thread for
anybody else. So a process lets a few in, some more may wait, and the rest is told to come again (ASVS 5.0, 2.4.2).

A gate may share its slots fairly between users. Then one user never holds all of them, waits with a share of the
others at most, and free slots go to the waiting users in turn, not in the order of their requests.
"""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from core.web.errors import ApiError

RETRY_SECONDS = 2


class Gate:
    """`at_once` slots and `waiting` places to wait; of these `slots_each` and `waiting_each` for one user."""

    def __init__(
        self,
        *,
        at_once: int,
        waiting: int,
        patience: float,
        slots_each: int | None = None,
        waiting_each: int | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._free, self._places = at_once, waiting
        self._slots_each = at_once if slots_each is None else slots_each
        self._places_each = waiting if waiting_each is None else waiting_each
        self._patience = patience
        self._held: Counter[Hashable] = Counter()
        # The next free slot is offered to the first user of these, who then becomes the last.
        self._lines: OrderedDict[Hashable, deque[threading.Event]] = OrderedDict()

    @contextmanager
    def slot(self, user: Hashable = None) -> Iterator[None]:
        """Work inside it. Raises ApiError SERVICE_UNAVAILABLE when no place to wait is left, or after the timeout."""
        granted = self.enter(user)
        try:
            if not granted.wait(self._patience):
                raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS)
            yield
        finally:
            self.leave(user, granted)

    def enter(self, user: Hashable) -> threading.Event:
        """Stand in line. The event is set as soon as there is a slot, at once where one is free. Call `leave` with it
        in any case. Raises ApiError SERVICE_UNAVAILABLE when no place to wait is left."""
        granted = threading.Event()
        with self._lock:
            line = self._lines.setdefault(user, deque())
            line.append(granted)
            self._hand_out()
            waiting = sum(map(len, self._lines.values()))
            if not granted.is_set() and (waiting > self._places or len(line) > self._places_each):
                self._drop(user, granted)
                raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS)
        return granted

    def leave(self, user: Hashable, granted: threading.Event) -> None:
        """Give the slot back, or the place in the line."""
        with self._lock:
            if not granted.is_set():
                self._drop(user, granted)
                return
            self._held[user] -= 1
            if not self._held[user]:
                del self._held[user]
            self._free += 1
            self._hand_out()

    # --- with the lock held -----------------------------------------------------------------------

    def _drop(self, user: Hashable, granted: threading.Event) -> None:
        self._lines[user].remove(granted)
        if not self._lines[user]:
            del self._lines[user]

    def _hand_out(self) -> None:
        while self._free:
            ready = [user for user in self._lines if self._held[user] < self._slots_each]
            if not ready:
                return
            user = ready[0]
            granted = self._lines[user][0]
            self._drop(user, granted)
            if user in self._lines:
                self._lines.move_to_end(user)
            self._held[user] += 1
            self._free -= 1
            granted.set()
