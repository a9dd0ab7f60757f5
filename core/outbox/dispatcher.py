"""One background thread per process between a commit and the work it calls for.

With a broker it publishes nudges, so a slow or silent broker never holds a request up. Without one, in the web
server, it is the worker and the scheduler: it drains the outbox and runs what the beat schedule says. There a
second thread runs the jobs, so that no mail waits for one.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.db import close_old_connections, connections

log = structlog.get_logger(__name__)

TICK_SECONDS = 5.0
OUTBOX = "core.jobs.tasks.drain_outbox"
JOBS = "core.jobs.tasks.run_jobs"


class Dispatcher:
    def __init__(self) -> None:
        self._events = {OUTBOX: threading.Event(), JOBS: threading.Event()}
        self._any = threading.Event()  # one of them, for the thread that publishes
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._last_run: dict[str, float] = {}

    def wake(self, task: str = OUTBOX) -> None:
        """There is something to do. Returns at once and never fails.

        Without a broker only a web server keeps the threads; a short command leaves its messages to that.
        """
        if settings.CELERY_BROKER_URL:
            self.start()
        self._events[task].set()
        self._any.set()

    def wake_jobs(self) -> None:
        self.wake(JOBS)

    def start(self) -> None:
        with self._lock:
            if self._pid == os.getpid():  # a fork copies the object, but not the threads
                return
            self._pid = os.getpid()
            embedded = {"dispatcher": self._work, "jobs": self._work_on_jobs}
            targets = {"dispatcher": self._publish} if settings.CELERY_BROKER_URL else embedded
            for name, target in targets.items():
                threading.Thread(target=target, name=name, daemon=True).start()

    def _publish(self) -> None:
        while True:
            self._any.wait()
            self._any.clear()
            for task, event in self._events.items():
                if event.is_set():
                    event.clear()
                    publish(task)

    def _work(self) -> None:
        while True:
            woken = self._events[OUTBOX].wait(TICK_SECONDS)
            self._events[OUTBOX].clear()
            with surviving():
                if woken:
                    run(OUTBOX)
                self._run_due()

    def _work_on_jobs(self) -> None:
        while True:
            self._events[JOBS].wait()
            self._events[JOBS].clear()
            with surviving():
                self._run_jobs()

    def _run_jobs(self) -> None:
        run(JOBS)

    def _run_due(self) -> None:
        now = time.monotonic()
        schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
        for name, entry in schedule.items():
            if now - self._last_run.get(name, float("-inf")) >= entry["schedule"]:
                self._last_run[name] = now
                if entry["task"] == JOBS:
                    self._events[JOBS].set()
                else:
                    run(entry["task"])


def publish(task: str) -> None:
    try:
        current_app.send_task(task, expires=60, retry=False, ignore_result=True)
    except Exception as error:  # the schedule makes good for it
        log.warning("nudge_failed", task=task, error=repr(error))


@contextmanager
def surviving() -> Iterator[None]:
    """Connections of its own, and a failure that does not end the thread."""
    try:
        close_old_connections()
        yield
    except Exception:
        log.exception("dispatcher_failed")
    finally:
        connections.close_all()


def run(task: str) -> Any:
    return current_app.tasks[task].apply(throw=True)


dispatcher = Dispatcher()
