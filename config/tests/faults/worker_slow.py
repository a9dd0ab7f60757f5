"""Workers that get each signal, or are killed, alone or with everything else, and messages of the broker that are
delivered again while their work goes on."""

import re
import signal
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from config.tests.faults.measures import children, descendants, kill, wait_until_drained
from config.tests.faults.samples import Sample
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_WORKER_CONCURRENCY": "3", "JOB_LEASE_SECONDS": "8"}
WORKER_APP = "config.tests.faults.sample_work"
SLOW = 6.0  # seconds for each reply of the mail server
JOB_SECONDS = 25.0  # it still runs when the mail server has the emails
RECOVERY_SECONDS = 90  # the lease of 60 s, the schedule, and the start of processes
OWNER = "owner@example.com"


@pytest.fixture(scope="module", autouse=True)
def owner(stage):
    stage.user("owner")
    wait_until(lambda: stage.mails(OWNER))


@contextmanager
def slow_receivers(stage, prefix):
    """Register three people whose mail server has their emails, and holds its reply back. Yield their addresses."""
    stage.sink.slow[prefix] = SLOW
    names = [f"{prefix}{number}" for number in range(3)]
    for name in names:
        stage.user(name)
    addresses = [f"{name}@example.com" for name in names]
    wait_until(lambda: all(stage.mails(address) for address in addresses))
    try:
        yield addresses
    finally:
        stage.sink.slow.clear()


def start_worker(stage):
    stage.processes.insert(1, stage.start("-m", "celery", "-A", stage.worker_app, "worker"))
    stage.processes.pop()


def copies(stage, addresses):
    """Return for each address how many emails it has got, and the number of their Message-IDs."""
    return [
        (len(stage.mails(address)), len({mail["Message-ID"] for mail in stage.mails(address)}))
        for address in addresses
    ]


def judge(stage, addresses, figure, began):
    """Require that each email came once or twice, with one Message-ID, and in time."""
    wait_until_drained(stage)
    seconds = time.monotonic() - began
    seen = copies(stage, addresses)
    figure("all delivered after", seconds, "s")
    figure("copies of each", ", ".join(str(number) for number, _ids in seen))
    assert {ids for _number, ids in seen} == {1}
    assert {number for number, _ids in seen} <= {1, 2}
    assert seconds < RECOVERY_SECONDS


def test_the_main_process_of_a_worker_is_killed(stage, figure):
    """Its children end with it."""
    worker = stage.processes.pop(1)
    orphans = children(worker.pid)
    with slow_receivers(stage, "main") as addresses:
        kill([worker.pid])
        worker.wait()
        began = time.monotonic()
        wait_until(lambda: not any(map(is_running, orphans)), 60, explain=lambda: orphans)
        ended = time.monotonic() - began
    start_worker(stage)
    judge(stage, addresses, figure, began)

    figure("its children ended after", ended, "s")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_everything_is_killed_at_once(stage, figure):
    """Web server, worker and scheduler end with all their processes, as when a machine loses its power."""
    job = Sample(stage, JOB_SECONDS, owner=OWNER)
    wait_until(lambda: job.attempts == 1)
    with slow_receivers(stage, "power") as addresses:
        assert not job.is_finished
        kill([pid for process in stage.processes for pid in descendants(process.pid)])
        for process in stage.processes:
            process.wait()
    stage.processes.clear()
    began = time.monotonic()
    stage.start_servers()
    wait_until(lambda: job.is_finished, RECOVERY_SECONDS)
    figure("a job after", time.monotonic() - began, "s")
    judge(stage, addresses, figure, began)

    assert (job.attempts, job.read("status")) == (2, ("succeeded",))


SIGNALS = {
    "SIGTERM": [signal.SIGTERM],
    "SIGTERM twice": [signal.SIGTERM, signal.SIGTERM],
    "SIGTERM, then SIGQUIT": [signal.SIGTERM, signal.SIGQUIT],
    "SIGQUIT": [signal.SIGQUIT],
}


@pytest.mark.parametrize("signals", SIGNALS)
def test_a_worker_gets(signals, stage, figure):
    """The signal comes in the middle of a delivery and of a job: both are finished or tried again."""
    job = Sample(stage, JOB_SECONDS, owner=OWNER)
    wait_until(lambda: job.attempts == 1)
    with slow_receivers(stage, f"signal{list(SIGNALS).index(signals)}-") as addresses:
        worker = stage.processes.pop(1)
        assert not job.is_finished
        began = time.monotonic()
        for number in SIGNALS[signals]:
            worker.send_signal(number)
        status = worker.wait(60)
        stopped = time.monotonic() - began
    start_worker(stage)
    wait_until(lambda: job.is_finished, RECOVERY_SECONDS)
    figure("stopped after", stopped, "s")
    figure("the job ended after", time.monotonic() - began, "s")
    judge(stage, addresses, figure, began)

    is_warm = signal.SIGQUIT not in SIGNALS[signals]
    assert job.read("status") == ("succeeded",)
    assert job.attempts <= 2
    if is_warm:
        assert (status, job.attempts, set(copies(stage, addresses))) == (0, 1, {(1, 1)})


def test_work_that_takes_longer_than_the_visibility_timeout_is_done_once(stage, figure):
    """The broker delivers the wake-ups again, after 5 s: they find the rows leased."""
    log, since = stage.log_path, len(stage.log_path.read_text())
    job, message = Sample(stage, 25.0, owner=OWNER), Sample(stage, 25.0)
    wait_until(lambda: job.is_finished and message.is_finished)
    runs = Counter(re.findall(r"began ([\w-]+)", log.read_text()[since:]))

    figure("attempts of the job, of the message", f"{job.attempts}, {message.attempts}")
    figure("tasks that the broker delivered again", sum(number > 1 for number in runs.values()))
    assert max(runs.values()) > 1
    assert (job.attempts, message.attempts) == (1, 1)
    assert (job.read("status", "attempts"), message.read("status", "attempts")) == (
        ("succeeded", 1),
        ("done", 1),
    )
