"""The Celery application of the tests that kill workers: `celery -A config.tests.faults.sample_work`.

Its messages and jobs wait, or kill their process, and write a line into a file at each attempt. The broker delivers a
message again after 5 seconds, while its task still runs. The log has a line for each run of a task.
"""

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

import django
from celery.signals import task_prerun
from django.db import transaction

from config.celery import app

django.setup()

from core.jobs.runner import Run  # noqa: E402 - it imports models
from core.jobs.services import runs  # noqa: E402 - likewise
from core.outbox.models import OutboxMessage  # noqa: E402 - likewise
from core.outbox.services import handles  # noqa: E402 - likewise

__all__ = ["app"]

SHORT = {"visibility_timeout": 5, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}

app.conf.broker_transport_options = app.conf.broker_transport_options | SHORT


@task_prerun.connect
def write_line(task_id: str, **_details: object) -> None:
    logging.getLogger(__name__).info("began %s", task_id)


def attempt(row: Any, parameters: dict[str, Any]) -> None:
    """Write the line, and wait for so many seconds, or kill this process after them."""
    with Path(parameters["attempts"]).open("a") as lines:
        lines.write(f"{row.pk}\n")
    threading.Event().wait(parameters["seconds"])
    if parameters.get("kills"):
        os.kill(os.getpid(), signal.SIGKILL)


@handles("test.attempt")
def deliver(message: OutboxMessage) -> None:
    attempt(message, message.payload)


@runs("test.attempt")
def run_job(run: Run) -> None:
    attempt(run.job, run.job.parameters)
    with transaction.atomic():
        run.succeed({"done": True})
