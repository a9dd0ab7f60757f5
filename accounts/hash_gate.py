"""The gate in front of the slow hash: a process hashes on its share of the cores."""

import os

from django.conf import settings

from core.web.concurrency import Gate

PATIENCE_SECONDS = 5.0
FREE_THREADS = 3  # of each server process, whatever the storm
UNBOUNDED = 1000  # the development server has a thread for every request


def gate_for_this_process() -> Gate:
    at_once = max(1, (os.cpu_count() or 1) // settings.WEB_CONCURRENCY)
    waiting = max(0, settings.WEB_THREADS - at_once - FREE_THREADS) if settings.WEB_THREADS else UNBOUNDED
    return Gate(at_once=at_once, waiting=waiting, patience=PATIENCE_SECONDS)


gate = gate_for_this_process()
