"""The Celery application: `celery -A config worker`, `celery -A config beat`.

The broker carries nudges, never promises: what must happen is an outbox row (core/outbox.py).
"""

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("groundwork")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_kwargs: object) -> None:
    """Celery replaces the root logger's handlers unless somebody claims this signal."""
