"""One background thread per process between a commit and the work it calls for.

With a broker it publishes a nudge, so a slow or silent broker never holds a request up. Without one, in the
web server, it is the worker and the scheduler: it drains the outbox and runs what the beat schedule says.
"""

import os
import threading
import time
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.db import close_old_connections, connections

log = structlog.get_logger(__name__)

TICK_SECONDS = 5.0


class Dispatcher:
    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._last_run: dict[str, float] = {}

    def wake(self) -> None:
        """There is something in the outbox. Returns at once and never fails.

        Without a broker only a web server keeps a thread; a short command leaves its messages to that.
        """
        if settings.CELERY_BROKER_URL:
            self.start()
        self._event.set()

    def start(self) -> None:
        with self._lock:
            if self._pid == os.getpid():  # a fork copies the object, but not the thread
                return
            self._pid = os.getpid()
            target = self._publish if settings.CELERY_BROKER_URL else self._work
            threading.Thread(target=target, name="dispatcher", daemon=True).start()

    def _publish(self) -> None:
        while True:
            self._event.wait()
            self._event.clear()
            try:
                current_app.send_task("core.tasks.drain_outbox", expires=60, retry=False, ignore_result=True)
            except Exception as error:  # the periodic drain makes good for it
                log.warning("nudge_failed", error=repr(error))

    def _work(self) -> None:
        while True:
            woken = self._event.wait(TICK_SECONDS)
            self._event.clear()
            try:
                close_old_connections()
                if woken:
                    run("core.tasks.drain_outbox")
                self._run_due()
            except Exception:
                log.exception("dispatcher_failed")
            finally:
                connections.close_all()

    def _run_due(self) -> None:
        now = time.monotonic()
        schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
        for name, entry in schedule.items():
            if now - self._last_run.get(name, float("-inf")) >= entry["schedule"]:
                self._last_run[name] = now
                run(entry["task"])


def run(task: str) -> Any:
    return current_app.tasks[task].apply(throw=True)


dispatcher = Dispatcher()
