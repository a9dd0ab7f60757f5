"""Celery's worker and beat as programs: their output is log lines. Named by config/celery.py."""

from typing import Any

from celery.apps import beat, worker
from django.conf import settings


class Worker(worker.Worker):
    """Celery's, without its banner where the log is JSON."""

    def on_before_init(self, quiet: bool = False, **options: Any) -> None:
        super().on_before_init(quiet=quiet or settings.LOG_FORMAT == "json", **options)


class Beat(beat.Beat):
    """Celery's, without its banner where the log is JSON."""

    def __init__(self, *, quiet: bool = False, **options: Any) -> None:
        super().__init__(quiet=quiet or settings.LOG_FORMAT == "json", **options)
