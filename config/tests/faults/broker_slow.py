"""A thousand people who have forgotten their passwords while the broker fails."""

import pytest

from config.tests.faults.network import Fault
from config.tests.faults.resets import forget_passwords, require_quick_and_delivered
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_WORKER_CONCURRENCY": "2"}
ACCOUNTS = 1000


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.SILENT], ids=lambda fault: fault.name.lower())
def test_a_thousand_passwords_forgotten_while_the_broker_is(fault, stage, figure):
    if not stage.mails("reader@example.com"):
        stage.user("reader")
    wait_until(lambda: stage.mails("reader@example.com"))
    seen = forget_passwords(stage, fault, ACCOUNTS)

    require_quick_and_delivered(seen, ACCOUNTS, figure)
