"""The circuit breaker of Redis for Prometheus."""

import time

from core.db import redis_client
from core.web.metrics import circuit_open_until, circuit_opened_total


def count_opened(seconds: float) -> None:
    circuit_opened_total.inc()
    circuit_open_until.set(time.time() + seconds)


redis_client.listeners.append(count_opened)
