"""The threads that start tasks after a commit.

With a broker one thread publishes wake-ups, so a slow or silent broker never delays a request. Without one, in the
web server, there is a thread for each registered task, and one for the schedule (core/outbox/schedules.py).
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.db import close_old_connections, connections

from core.outbox.heartbeats import Heart
from core.outbox.models import Heartbeat
from core.outbox.schedules import run_due_entries

log = structlog.get_logger(__name__)


class Dispatcher:
    """The threads of this process, and an event for each registered task."""

    def __init__(self) -> None:
        self.events: dict[str, threading.Event] = {}
        self.causes: dict[str, Context] = {}  # of the latest wake-up of each task
        self.any = threading.Event()  # set with each of them, for the thread that publishes
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self.lock = threading.Lock()
        self.pid: int | None = None

    def register(self, task: str) -> Callable[[], None]:
        """Register a task that looks for work by itself. Return the function that wakes it up."""
        self.events[task] = threading.Event()
        return partial(self.wake_up, task)

    def wake_up(self, task: str) -> None:
        """Request a run of the task. Returns at once and never fails.

        Without a broker only a web server has the threads: it also does the work that a command has enqueued.
        """
        if settings.CELERY_BROKER_URL:
            self.start()
            self.causes[task] = copy_context()
        self.events[task].set()
        self.any.set()

    def start(self) -> None:
        with self.lock:
            if self.pid == os.getpid():  # a fork copies the object, but not the threads
                return
            self.pid = os.getpid()
            self.stopping.clear()
            if settings.CELERY_BROKER_URL:
                targets: dict[str, Callable[[], None]] = {"dispatcher": self.publish_all}
            else:
                targets = {task: partial(self.run_when_woken, task) for task in self.events}
                targets["schedule"] = self.follow_schedule
            self.threads = [
                threading.Thread(target=target, name=name, daemon=True) for name, target in targets.items()
            ]
            for thread in self.threads:
                thread.start()

    def stop(self, timeout: float) -> None:
        """End the threads after their current task."""
        self.stopping.set()
        for event in (self.any, *self.events.values()):
            event.set()
        for thread in self.threads:
            thread.join(timeout)
        self.pid = None

    def publish_all(self) -> None:
        while self.any.wait() and not self.stopping.is_set():
            self.any.clear()
            for task, event in self.events.items():
                if event.is_set():
                    event.clear()
                    self.causes.pop(task, Context()).run(publish, task)

    def run_when_woken(self, task: str) -> None:
        event = self.events[task]
        event.set()  # an earlier process may have left work
        while event.wait() and not self.stopping.is_set():
            event.clear()
            with surviving():
                run(task)

    def follow_schedule(self) -> None:
        seconds, heart = 0.0, Heart(Heartbeat.Program.BEAT)
        while not self.stopping.wait(seconds):
            seconds = 5.0  # after a failure
            with surviving():
                heart.beat()
                seconds = run_due_entries(current_app, self.run_entry)

    def run_entry(self, task: str, *args: Any, **kwargs: Any) -> None:
        """Wake a registered task up, in its own thread; run any other here."""
        if task in self.events:
            self.wake_up(task)
        else:
            run(task, *args, **kwargs)


def publish(task: str) -> None:
    """Send the message. It runs in the context of a request that has caused it, and so in its trace."""
    try:
        current_app.send_task(task, expires=60, retry=False, ignore_result=True)
    except Exception as error:  # the schedule runs the task later
        log.warning("wake_up_failed", task=task, error=repr(error))


@contextmanager
def surviving() -> Iterator[None]:
    """Log an exception instead of ending the thread, and close its connections."""
    try:
        close_old_connections()
        yield
    except Exception:
        log.exception("dispatcher_failed")
    finally:
        connections.close_all()


def run(task: str, *args: Any, **kwargs: Any) -> None:
    current_app.tasks[task].apply(args, kwargs, throw=True)


dispatcher = Dispatcher()
