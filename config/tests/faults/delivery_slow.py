"""A delivery that does not end, in a worker with short time limits."""

import time

from config.tests.faults.short_limits import HARD_SECONDS
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_WORKER_CONCURRENCY": "2"}
WORKER_APP = "config.tests.faults.short_limits"


def test_a_delivery_that_hangs_ends_with_its_task(stage, figure):
    """The row is tried again when its lease has run out, and other emails go on meanwhile."""
    stage.sink.slow["hung"] = HARD_SECONDS + 1.0  # before it has the content
    stage.user("hung")
    began = time.monotonic()
    wait_until(lambda: "Hard time limit" in stage.log_path.read_text(), 60)
    killed = time.monotonic() - began
    stage.sink.slow.clear()
    stage.user("quick")
    wait_until(lambda: stage.mails("quick@example.com"), 30)
    meanwhile = time.monotonic() - began
    wait_until(lambda: stage.mails("hung@example.com"), 120)

    figure("process killed after", killed, "s")
    figure("tried again after", time.monotonic() - began, "s")
    assert meanwhile < 45  # before the lease has run out
    assert len(stage.mails("hung@example.com")) == 1
