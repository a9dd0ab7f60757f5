"""The Celery application with time limits that a test can wait for: `celery -A config.tests.faults.short_limits`."""

from config.celery import app

HARD_SECONDS = 8

app.conf.task_soft_time_limit, app.conf.task_time_limit = 4, HARD_SECONDS
