"""Celery's worker and beat, with output as log lines. Named by config/celery.py, and loaded before Django's apps."""

from typing import Any

from celery.apps import beat, worker
from django.conf import settings


class Worker(worker.Worker):
    """Worker with heartbeats, and without a banner if logs are JSON."""

    def on_before_init(self, quiet: bool = False, **options: Any) -> None:
        super().on_before_init(quiet=quiet or settings.LOG_FORMAT == "json", **options)
        self.app.steps["consumer"].add("config.heartbeats:WorkerHeart")


class Beat(beat.Beat):
    """Beat without a banner if logs are JSON."""

    def __init__(self, *, quiet: bool = False, **options: Any) -> None:
        super().__init__(quiet=quiet or settings.LOG_FORMAT == "json", **options)
