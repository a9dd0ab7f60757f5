"""A log line for each statement that takes long."""

import re
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import structlog
from django.conf import settings
from django.db.backends.signals import connection_created

from core.web.metrics import executed

log = structlog.get_logger(__name__)

PLACEHOLDERS = re.compile(r"%s(?:, %s)+")
MAX_LENGTH = 500  # of what is logged


def fingerprint(sql: str) -> str:
    """Return the same for statements that differ in their values only, also in the number of values of an IN."""
    return blake2b(PLACEHOLDERS.sub("%s", sql).encode(), digest_size=6).hexdigest()


def log_slow(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    """Execute a statement as a wrapper of Django's, and count it. One of SLOW_STATEMENT_MS or more is logged, without
    its values."""
    executed.number += 1
    began = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        milliseconds = (time.perf_counter() - began) * 1000
        if 0 < settings.SLOW_STATEMENT_MS <= milliseconds:
            text = str(sql)
            log.warning(
                "slow_statement",
                duration=round(milliseconds, 1),
                fingerprint=fingerprint(text),
                statement=text[:MAX_LENGTH],
            )


def watch(connection: Any, **_signal: Any) -> None:
    if log_slow not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, log_slow)


connection_created.connect(watch)
