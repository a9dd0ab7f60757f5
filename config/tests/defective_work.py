"""The Celery application of the tests of reports: `celery -A config.tests.defective_work`, with a task that fails."""

from typing import Any

from config.celery import app

__all__ = ["app"]


@app.task(name="test.defect")
def fail(*, password: str) -> Any:
    secret_of_task = password * 2
    raise KeyError(f"cannot use {len(secret_of_task)} of bob@example.com")
