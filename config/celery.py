"""The Celery application: `celery -A config worker`, `celery -A config beat`.

The broker carries nudges, never promises: what must happen is an outbox row (core/outbox/services.py).
"""

import logging
import os
import sys
from functools import cached_property
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from celery.utils.log import LoggingProxy, get_multiprocessing_logger
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


# By name: the web server does without these modules. The types of Celery know classes only.
WORKER: Any = "config.programs:Worker"
BEAT: Any = "config.programs:Beat"


class Application(Celery):
    """Celery, with the programs of config/programs.py."""

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
def keep_our_logging(**_kwargs: object) -> None:
    """Keep the handlers of core/web/logs.py: Celery replaces them unless this signal has a receiver."""
    pool_logger: Any = get_multiprocessing_logger()
    pool_logger.propagate = True  # it has no handler of its own
    if settings.LOG_FORMAT == "json":
        # Where a worker writes "Warm shutdown", past every logger.
        sys.__stdout__ = LoggingProxy(logging.getLogger("celery.redirected"), logging.INFO)  # type: ignore[misc, assignment]
