"""Celery's worker and beat, with output as log lines, and a scheduler that makes its folder.

Named by config/celery.py and by CELERY_BEAT_SCHEDULER.
"""

import os
from pathlib import Path
from typing import Any

from celery.apps import beat, worker
from celery.beat import PersistentScheduler
from django.conf import settings


class Worker(worker.Worker):
    """Worker without a banner if logs are JSON."""

    def on_before_init(self, quiet: bool = False, **options: Any) -> None:
        super().on_before_init(quiet=quiet or settings.LOG_FORMAT == "json", **options)


class Beat(beat.Beat):
    """Beat without a banner if logs are JSON."""

    def __init__(self, *, quiet: bool = False, **options: Any) -> None:
        super().__init__(quiet=quiet or settings.LOG_FORMAT == "json", **options)


class Scheduler(PersistentScheduler):
    """Celery's default scheduler, which also makes the folder of its file."""

    schedule_filename: str

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
