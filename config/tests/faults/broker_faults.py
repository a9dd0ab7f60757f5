"""A broker that fails while emails are requested, a server that is killed before it publishes, and a scheduler that is
killed or whose clock is set back: the row in the database is what counts."""

import shelve
import signal
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import redis

from config.tests.faults.measures import add_users, descendants, kill, unfinished, wait_until_drained
from config.tests.faults.network import Fault, Proxy
from config.tests.faults.resets import (
    OF_RESETS,
    forget_passwords,
    queue_without_wake_up,
    require_quick_and_delivered,
)
from config.tests.faults.stage import through
from config.tests.faults.stepping_clock import SET_BACK
from config.tests.processes import call
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_WORKER_CONCURRENCY": "2"}
WORKER_APP = "config.tests.faults.stepping_clock"
ACCOUNTS = 200
# For the slowest; a test has to pass on a machine with other work going on.
RESPONSE_SECONDS = 2.0
PERIOD = 10.0  # of the schedule, in which it drains the outbox
SENDING = "published core.drain_outbox"


@pytest.fixture(scope="module", autouse=True)
def reader(stage):
    """An account, whose own email has been sent."""
    stage.user("reader")
    wait_until(lambda: stage.mails("reader@example.com"))


@pytest.fixture
def address(stage, request):
    with stage.connection() as connection:
        [one] = add_users(connection, f"{abs(hash(request.node.name))}-", 1)
    return one


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.SILENT], ids=lambda fault: fault.name.lower())
def test_passwords_forgotten_while_the_broker_is(fault, stage, figure):
    seen = forget_passwords(stage, fault, ACCOUNTS)

    require_quick_and_delivered(seen, ACCOUNTS, figure)
    assert seen.seconds[-1] < RESPONSE_SECONDS


def test_a_server_that_is_killed_before_it_publishes_loses_no_email(stage, address, figure):
    """Its broker is silent, so that it is killed after the COMMIT and before anything was published."""
    beat = stage.processes[2]
    with Proxy(urlsplit(stage.redis.url).port) as broker, redis.Redis.from_url(stage.redis.url) as queues:
        url = stage.another_server(CELERY_BROKER_URL=through(stage.redis.url, broker))
        stage.wait_until_ready(url)
        server = stage.processes.pop()
        beat.send_signal(signal.SIGSTOP)
        try:
            broker.set(Fault.LOST)
            status = call(f"{url}/api/v1/auth/forgot-password", "POST", {"email": address}).status
            committed = unfinished(stage, f"{OF_RESETS} AND attempts = 0")
            kill(descendants(server.pid))
            server.wait()
            published = queues.llen("celery")
        finally:
            beat.send_signal(signal.SIGCONT)
    began = time.monotonic()
    wait_until(lambda: stage.mails(address), 2 * PERIOD)
    delivered = time.monotonic() - began
    wait_until_drained(stage)

    figure("sent by the schedule after", delivered, "s")
    assert (status, committed, published) == (202, 1, 0)
    assert len(stage.mails(address)) == 1


def replace_beat(stage, app="config"):
    """Kill the scheduler, and return a function that starts one again on its file."""
    beat = stage.processes.pop(2)
    kill([beat.pid])
    beat.wait()

    def start():
        schedule = str(stage.log_path.with_name("beat"))
        stage.processes.insert(2, stage.start("-m", "celery", "-A", app, "beat", "-s", schedule))
        stage.processes.pop()

    return start


def times_sent(stage, since):
    """Return how often the scheduler has woken up the outbox, after this position of the log."""
    return stage.log_path.read_text()[since:].count(SENDING)


def seconds_for(stage, number):
    """Return how long the schedule needs from its next run to the one so many later."""
    since, began = len(stage.log_path.read_text()), None
    wait_until(lambda: times_sent(stage, since) >= 1, 3 * PERIOD)
    began = time.monotonic()
    wait_until(lambda: times_sent(stage, since) >= 1 + number, (number + 2) * PERIOD)
    return time.monotonic() - began


def test_a_scheduler_that_is_killed_goes_on_although_its_last_run_is_in_the_future(stage, address, figure):
    """The clock has been set back by an hour meanwhile."""
    start = replace_beat(stage)
    with shelve.open(str(stage.log_path.with_name("beat")), writeback=True) as file:
        for entry in file["entries"].values():
            entry.last_run_at += timedelta(hours=1)
    queue_without_wake_up(stage, address)
    began = time.monotonic()
    start()
    wait_until(lambda: stage.mails(address), 4 * PERIOD)
    delivered = time.monotonic() - began
    wait_until_drained(stage)

    figure("sent by the schedule after", delivered, "s")
    assert len(stage.mails(address)) == 1


def test_a_scheduler_whose_clock_is_set_back_by_an_hour_runs_once_in_each_period(stage, address, figure):
    replace_beat(stage, WORKER_APP)()
    seconds_for(stage, 0)
    for process in stage.processes[1:]:
        process.send_signal(SET_BACK)
    two_periods = seconds_for(stage, 2)
    queue_without_wake_up(stage, address)
    began = time.monotonic()
    wait_until(lambda: stage.mails(address), 2 * PERIOD)
    delivered = time.monotonic() - began

    figure("sent by the schedule after", delivered, "s")
    figure("two periods of 10 s", two_periods, "s")
    assert len(stage.mails(address)) == 1
    assert 2 * PERIOD - 2 < two_periods < 2 * PERIOD + 5
