"""A circuit breaker for each origin of one client."""

import threading
import time
from collections import OrderedDict

MAX_ORIGINS = 1000  # of a client; the least recently used is dropped


class Breaker:
    """Refuses calls for `seconds` after `failures` in a row, then permits one, whose result closes or opens it again.

    Other than the one around Redis (core/db/redis_client.py), which opens at the first failure and permits every call
    afterwards: a service of others may fail once, and must not be flooded when it is back.
    """

    def __init__(self, failures: int, seconds: float) -> None:
        self.limit, self.seconds = failures, seconds
        self.failures, self.closed_at = 0, 0.0
        self.lock = threading.Lock()

    def permits(self) -> bool:
        """Return whether a call may be made now. A call that is permitted while the circuit is open blocks the others
        for as long again, so one that never reports its result does no harm."""
        with self.lock:
            now = time.monotonic()
            if self.failures < self.limit:
                return True
            if now < self.closed_at:
                return False
            self.closed_at = now + self.seconds
            return True

    def succeeded(self) -> None:
        with self.lock:
            self.failures = 0

    def failed(self) -> bool:
        """Count a failure. Return whether it has opened the circuit."""
        with self.lock:
            self.failures += 1
            if self.failures >= self.limit:
                self.closed_at = time.monotonic() + self.seconds
            return self.failures == self.limit


class Breakers:
    """The breakers of one client."""

    def __init__(self, failures: int, seconds: float) -> None:
        self.failures, self.seconds = failures, seconds
        self.lock = threading.Lock()
        self.by_origin: OrderedDict[str, Breaker] = OrderedDict()

    def of(self, origin: str) -> Breaker:
        with self.lock:
            breaker = self.by_origin.setdefault(origin, Breaker(self.failures, self.seconds))
            self.by_origin.move_to_end(origin)
            if len(self.by_origin) > MAX_ORIGINS:
                self.by_origin.popitem(last=False)
            return breaker
