"""Celery's worker and beat, with output as log lines. Named by config/celery.py, and loaded before Django's apps."""

import atexit
import os
import shutil
import tempfile
from typing import Any

import structlog
from celery.apps import beat, worker
from celery.worker.consumer import Consumer
from django.conf import settings

log = structlog.get_logger(__name__)

# prometheus_client reads it when it is imported, which is later. The processes of the worker share the folder.
if settings.METRICS_PORT and not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder = tempfile.mkdtemp(prefix="worker-metrics-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


class LastingConsumer(Consumer):
    """Consumer that outlives a connection which cannot be closed."""

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Give up the lost connection. Where Redis ends between a message and its acknowledgement, kombu 5.7 may give
        back the message by a connection that it has cleared: an AttributeError, which would end the worker. The
        connection is deleted by then, and the next one is made as after each other error."""
        try:
            super().on_connection_error_after_connected(exc)
        except AttributeError as error:
            log.warning("broker_connection_not_closed", exc_info=error)


class Worker(worker.Worker):
    """Worker with heartbeats, and without a banner if logs are JSON."""

    def on_before_init(self, quiet: bool = False, **options: Any) -> None:
        super().on_before_init(quiet=quiet or settings.LOG_FORMAT == "json", **options)
        self.app.conf.worker_consumer = LastingConsumer
        self.app.steps["consumer"].add("config.heartbeats:WorkerHeart")
        self.app.steps["worker"].add("config.worker_metrics:MetricsServer")


class Beat(beat.Beat):
    """Beat without a banner if logs are JSON."""

    def __init__(self, *, quiet: bool = False, **options: Any) -> None:
        super().__init__(quiet=quiet or settings.LOG_FORMAT == "json", **options)
