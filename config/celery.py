"""The Celery application: `celery -A config worker`, `celery -A config beat`.

Messages of the broker only wake up workers; the work itself is an outbox row or a job (core/outbox/services.py).
"""

import logging
import os
import sys
from functools import cached_property
from typing import Any

from celery import Celery
from celery.signals import (
    beat_embedded_init,
    beat_init,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
)
from celery.utils.log import LoggingProxy, get_multiprocessing_logger
from django.conf import settings

from core.web import log_stream
from core.web.logs import write_in_background
from core.web.observation import observe, stop_observing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


# Names, so that the web server does not import these modules. Celery's types accept classes only.
WORKER: Any = "config.programs:Worker"
BEAT: Any = "config.programs:Beat"


class Application(Celery):
    """Celery application with the programs of config/programs.py."""

    @cached_property
    def Worker(self) -> Any:
        return self.subclass_with_self(WORKER)

    @cached_property
    def Beat(self) -> Any:
        return self.subclass_with_self(BEAT)


app = Application("backend")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def configure_worker_logging(**_kwargs: object) -> None:
    """Keep the handlers of core/web/logs.py: Celery replaces them unless this signal has a receiver."""
    write_in_background()
    pool_logger: Any = get_multiprocessing_logger()
    pool_logger.propagate = True  # it has no handler of its own
    if settings.LOG_FORMAT == "json":
        # A worker writes "Warm shutdown" here, without a logger.
        sys.__stdout__ = LoggingProxy(logging.getLogger("celery.redirected"), logging.INFO)  # type: ignore[misc, assignment]


@worker_process_init.connect
def observe_tasks(**_kwargs: object) -> None:
    observe("worker")


@beat_embedded_init.connect
@beat_init.connect
def observe_schedule(**_kwargs: object) -> None:
    observe("beat")


@worker_process_shutdown.connect
def write_last_lines(**_kwargs: object) -> None:
    """Write what a process of the pool still has: it ends without the functions of `atexit`."""
    stop_observing()
    log_stream.stderr.drain()
