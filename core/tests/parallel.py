"""Calls at the same moment, each in a thread and on database connections of its own."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

from django.db import connections


def together(*calls):
    """Start all of them at once and return their results in order; an exception of one is raised here."""
    barrier = Barrier(len(calls), timeout=30)

    def run(call):
        barrier.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@contextmanager
def switching_often():
    """Let threads change places a thousand times as often, so that what is not atomic shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
