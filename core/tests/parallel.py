"""Calls at the same moment, each in a thread and on database connections of its own."""

from concurrent.futures import ThreadPoolExecutor
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
