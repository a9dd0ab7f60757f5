"""Calls at the same moment, each in a thread and on database connections of its own."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

from django.db import connection, connections

CONNECT_SECONDS = (
    20  # a busy machine may not start twenty processes of PostgreSQL in the two seconds of production
)


def together(*calls):
    """Start all of them at once and return their results in order; an exception of one is raised here."""
    barrier = Barrier(len(calls), timeout=30)

    def run(call):
        barrier.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with patient_connections(), ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@contextmanager
def patient_connections():
    options = connection.settings_dict["OPTIONS"]  # of the connections of all threads
    seconds = options.get("connect_timeout")
    if seconds is not None:
        options["connect_timeout"] = CONNECT_SECONDS
    try:
        yield
    finally:
        if seconds is not None:
            options["connect_timeout"] = seconds


@contextmanager
def switching_often():
    """Let threads change places a thousand times as often, so that what is not atomic shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
