"""Celery's worker and beat, with output as log lines. Named by config/celery.py, and loaded before Django's apps."""

import atexit
import os
import shutil
import tempfile
from typing import Any

from celery.apps import beat, worker
from django.conf import settings

# prometheus_client reads it when it is imported, which is later. The processes of the worker share the folder.
if settings.METRICS_PORT and not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder = tempfile.mkdtemp(prefix="worker-metrics-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


class Worker(worker.Worker):
    """Worker with heartbeats, and without a banner if logs are JSON."""

    def on_before_init(self, quiet: bool = False, **options: Any) -> None:
        super().on_before_init(quiet=quiet or settings.LOG_FORMAT == "json", **options)
        self.app.steps["consumer"].add("config.heartbeats:WorkerHeart")
        self.app.steps["worker"].add("config.worker_metrics:MetricsServer")


class Beat(beat.Beat):
    """Beat without a banner if logs are JSON."""

    def __init__(self, *, quiet: bool = False, **options: Any) -> None:
        super().__init__(quiet=quiet or settings.LOG_FORMAT == "json", **options)
