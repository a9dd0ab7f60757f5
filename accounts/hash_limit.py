"""The concurrency limit of the slow hash: a process uses its share of the cores."""

import os

from django.conf import settings

from core.web.concurrency import ConcurrencyLimit

WAIT_SECONDS = 5.0
FREE_THREADS = 3  # of each server process, for other requests
UNBOUNDED = 1000  # the development server has a thread for every request


def limit_for_this_process() -> ConcurrencyLimit:
    slots = max(1, (os.cpu_count() or 1) // settings.WEB_CONCURRENCY)
    waiting = max(0, settings.WEB_THREADS - slots - FREE_THREADS) if settings.WEB_THREADS else UNBOUNDED
    return ConcurrencyLimit(slots=slots, waiting=waiting, timeout=WAIT_SECONDS)


hash_limit = limit_for_this_process()
