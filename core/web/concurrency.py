"""A concurrency limit for CPU-bound work.

Running more of it than there are cores makes it slower, and many such requests would occupy every thread. So a process
runs a few at once, queues some more, and refuses the rest (ASVS 5.0, 2.4.2).

A limit may share its slots between users. Then one user can hold only a part of the slots and of the queue, and free
slots go to the waiting users in turn, not in the order of their requests.
"""

import threading
from collections import Counter, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from core.web.errors import ApiError

RETRY_SECONDS = 2


class ConcurrencyLimit:
    """Limit of `slots` running and `waiting` queued; one user has at most `slots_each` and `waiting_each` of them."""

    def __init__(
        self,
        *,
        slots: int,
        waiting: int,
        timeout: float,
        slots_each: int | None = None,
        waiting_each: int | None = None,
    ) -> None:
        self.slots, self.waiting, self.timeout = slots, waiting, timeout
        self.slots_each = slots if slots_each is None else slots_each
        self.waiting_each = waiting if waiting_each is None else waiting_each
        self._lock = threading.Lock()
        self._held: Counter[Hashable] = Counter()
        # The next free slot goes to the first of these users, who then moves to the end.
        self._queues: dict[Hashable, deque[threading.Event]] = {}

    @contextmanager
    def slot(self, user: Hashable = None) -> Iterator[None]:
        """Hold a slot. Raises ApiError SERVICE_UNAVAILABLE if the queue is full or after the timeout."""
        granted = self.enter(user)
        try:
            if not granted.wait(self.timeout):
                raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS)
            yield
        finally:
            self.leave(user, granted)

    def enter(self, user: Hashable) -> threading.Event:
        """Join the queue and return an event that is set when the user gets a slot. Always pass it to `leave`.

        Raises ApiError SERVICE_UNAVAILABLE if the queue is full.
        """
        granted = threading.Event()
        with self._lock:
            queue = self._queues.setdefault(user, deque())
            queue.append(granted)
            self._grant()
            waiting = sum(map(len, self._queues.values()))
            if not granted.is_set() and (waiting > self.waiting or len(queue) > self.waiting_each):
                queue.pop()
                raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS)
        return granted

    def leave(self, user: Hashable, granted: threading.Event) -> None:
        """Release the slot, or the place in the queue."""
        with self._lock:
            if granted.is_set():
                self._held[user] -= 1
                self._held += Counter()  # drops users without a slot
                self._grant()
            else:
                self._queues[user].remove(granted)

    def _grant(self) -> None:
        """Give the free slots to waiting users. The caller holds the lock."""
        while self._held.total() < self.slots:
            self._queues = {user: queue for user, queue in self._queues.items() if queue}
            ready = [user for user in self._queues if self._held[user] < self.slots_each]
            if not ready:
                return
            queue = self._queues.pop(ready[0])
            queue.popleft().set()
            if queue:
                self._queues[ready[0]] = queue  # at the end
            self._held[ready[0]] += 1
