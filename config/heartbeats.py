"""The parts of worker and beat that write heartbeats. Named by config/programs.py and by CELERY_BEAT_SCHEDULER."""

import os
from contextvars import copy_context
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.beat import PersistentScheduler

from core.outbox.heartbeats import INTERVAL_SECONDS, Heart
from core.outbox.models import Heartbeat
from core.outbox.schedules import was_set_back


class WorkerHeart(bootsteps.StartStopStep):
    """A step of the consumer: heartbeats from when it takes messages until it loses the broker, or stops."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    timer: Any = None

    def start(self, consumer: Any) -> None:
        heart = Heart(Heartbeat.Program.WORKER)
        heart.beat()
        self.timer = consumer.timer.call_repeatedly(1.0, heart.beat)

    def stop(self, _consumer: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()


class Scheduler(PersistentScheduler):
    """Celery's default scheduler, which also makes the folder of its file, and writes heartbeats. When the clock was
    set back, Celery's would run nothing until the clock has made up for it."""

    schedule_filename: str

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.heart = Heart(Heartbeat.Program.BEAT)
        super().__init__(*arguments, **options)

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Run what is due, and return the seconds until the next look."""
        self.begin_again_if_set_back()
        seconds: float = super().tick(*arguments, **options)
        self.heart.beat()
        return min(seconds, INTERVAL_SECONDS)

    def apply_async(self, *arguments: Any, **options: Any) -> Any:
        """Publish in a context of its own: the instrumentation of Celery ends the span of a publication only if it
        succeeds."""
        return copy_context().run(super().apply_async, *arguments, **options)

    def begin_again_if_set_back(self) -> None:
        entries = [
            entry for entry in self.schedule.values() if was_set_back(entry.schedule, entry.last_run_at)
        ]
        for entry in entries:
            entry.last_run_at = entry.default_now()
        if entries:
            self.populate_heap()

    def setup_schedule(self) -> None:
        """Raise SystemExit naming the file if it is not writable. Celery would treat it as corrupted."""
        file = Path(self.schedule_filename).absolute()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(file if file.exists() else file.parent, os.W_OK):
                raise PermissionError("it is read-only")
        except OSError as error:
            reason = error.strerror or error
            raise SystemExit(
                f"beat cannot write its schedule to {file}: {reason}. Make the folder writable, or name another"
                " file by `-s`."
            ) from error
        super().setup_schedule()
