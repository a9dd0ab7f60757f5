"""The Celery application for a worker and a scheduler with a clock that SET_BACK sets back by an hour, and a log line
for each run of an entry: `celery -A config.tests.faults.stepping_clock beat`."""

import logging
import signal
import sys
import time

import time_machine
from celery.signals import before_task_publish

from config.celery import app

__all__ = ["app"]

HOUR = 3600.0
SET_BACK = signal.SIGRTMIN


def set_back(*_arguments: object) -> None:
    time_machine.travel(time.time() - HOUR).start()


@before_task_publish.connect
def write_line(sender: str, **_message: object) -> None:
    if "beat" in sys.argv:
        logging.getLogger(__name__).info("published %s", sender)


signal.signal(SET_BACK, set_back)
