"""A mail server that is slow or down, receivers that are slow, rows that are locked, and workers that are killed."""

import signal
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from aiosmtpd.controller import Controller

from config.tests.faults.measures import children, kill, unfinished, wait_until_drained
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_WORKER_CONCURRENCY": "2"}
SLOW = 9.0  # seconds for each reply


@pytest.fixture
def sink(stage):
    """The mail server, quick and empty."""
    yield stage.sink
    stage.sink.slow.clear()


@contextmanager
def mail_server_down(stage):
    stage.controller.stop()
    try:
        yield
    finally:
        stage.controller = Controller(stage.sink, hostname="127.0.0.1", port=stage.controller.port)
        stage.controller.start()


def address(name):
    return f"{name}@example.com"


def arrived(stage, *names):
    """Return how many emails each has got."""
    return {name: len(stage.mails(address(name))) for name in names}


def wait_for_mail(stage, *names, seconds=60):
    wait_until(lambda: all(arrived(stage, *names).values()), seconds, explain=lambda: arrived(stage, *names))


def test_a_slow_mail_server_gets_each_email_once(stage, sink, figure):
    sink.slow[""] = SLOW
    began = time.monotonic()
    stage.user("patient")
    wait_for_mail(stage, "patient")
    wait_until_drained(stage)

    figure("9 s for each reply: delivered after", time.monotonic() - began, "s")
    figure("copies", len(stage.mails(address("patient"))))
    assert arrived(stage, "patient") == {"patient": 1}


def test_slow_receivers_hold_up_no_other_email_and_no_job(stage, sink, figure):
    sink.slow["slow"] = SLOW
    slow, quick = [f"slow{n}" for n in range(8)], [f"quick{n}" for n in range(20)]
    for name in slow:
        stage.user(name)
    began = time.monotonic()
    tokens = [stage.user(name) for name in quick]
    job = stage.api("POST", "/resources/export", {"format": "csv"}, tokens[0]).json()["data"]["id"]
    wait_until(lambda: state(stage, job, tokens[0]) == "succeeded", explain=stage.log_path.read_text)
    exported = time.monotonic() - began
    wait_for_mail(stage, *quick)
    delivered = time.monotonic() - began
    wait_until_drained(stage)

    figure("8 slow, then 20 quick: the last quick one after", delivered, "s")
    figure("an export meanwhile after", exported, "s")
    figure("the last slow one after", time.monotonic() - began, "s")
    assert (delivered < 10, exported < 10) == (True, True)
    assert arrived(stage, *slow, *quick) == dict.fromkeys([*slow, *quick], 1)


def state(stage, job, token):
    return stage.api("GET", f"/jobs/{job}", token=token).json()["data"]["status"]


@pytest.mark.parametrize("when", ["waiting", "on its way"])
def test_only_the_row_that_another_transaction_has_locked_waits(stage, sink, figure, when):
    """For longer than a statement may wait for a lock."""
    name = f"locked-{when[:2]}"
    if when == "on its way":
        sink.slow["locked"] = 3
        stage.user(name)
        wait_for_row(stage, "lease_until IS NOT NULL")
    else:
        with mail_server_down(stage):
            stage.user(name)
            wait_for_row(stage, "attempts = 1 AND lease_until IS NULL")
    with stage.connection() as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM core_outbox_outboxmessage WHERE finished_at IS NULL FOR UPDATE")
        began = time.monotonic()
        stage.user(f"free-{name}")
        wait_for_mail(stage, f"free-{name}")
        others = time.monotonic() - began
        wait_until(lambda: time.monotonic() - began > 20)
        connection.execute("COMMIT")
    wait_for_mail(stage, name)
    wait_until_drained(stage)

    figure(f"a row that was {when}: other emails after", others, "s")
    figure(f"a row that was {when}: copies of its email", len(stage.mails(address(name))))
    assert others < 5
    assert arrived(stage, name) == {name: 1}


def wait_for_row(stage, condition):
    query = f"SELECT 1 FROM core_outbox_outboxmessage WHERE finished_at IS NULL AND {condition}"
    with stage.connection() as connection:
        wait_until(lambda: connection.execute(query).fetchone(), 30)


def test_a_mail_server_that_was_down_gets_each_email_once(stage, sink, figure):
    names = [f"down{n}" for n in range(5)]
    with mail_server_down(stage):
        for name in names:
            stage.user(name)
        wait_for_row(stage, "attempts = 1 AND lease_until IS NULL")
    began = time.monotonic()
    wait_for_mail(stage, *names)
    delivered = time.monotonic() - began
    wait_until_drained(stage)

    figure("the last of 5 emails after its return", delivered, "s")
    assert arrived(stage, *names) == dict.fromkeys(names, 1)


def test_a_worker_that_is_killed_sends_its_email_again_under_the_same_id(stage, sink, figure):
    """The mail server has the email and has not answered: nobody can know it."""
    sink.slow["twice"] = SLOW
    stage.user("twice")
    wait_for_mail(stage, "twice")
    began = time.monotonic()
    kill(children(stage.processes[1].pid))
    sink.slow.clear()
    wait_until(lambda: len(stage.mails(address("twice"))) == 2, 90)
    wait_until_drained(stage)
    ids = Counter(mail["Message-ID"] for mail in stage.mails(address("twice")))

    figure("sent again after", time.monotonic() - began, "s")
    figure("copies, Message-IDs", f"{ids.total()}, {len(ids)}")
    assert list(ids.values()) == [2]


def test_a_worker_that_is_terminated_finishes_its_email(stage, sink, figure):
    """SIGTERM in the middle of a delivery, as of a deployment: the email comes once, and the next worker goes on."""
    sink.slow["ended"] = 2
    stage.user("ended")
    wait_for_row(stage, "lease_until IS NOT NULL")
    worker = stage.processes[1]
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    status = worker.wait(60)
    stopped = time.monotonic() - began
    left = unfinished(stage)
    stage.user("next")
    stage.start("-m", "celery", "-A", stage.worker_app, "worker")
    stage.processes[1] = stage.processes.pop()
    wait_for_mail(stage, "next")
    wait_until_drained(stage)

    figure("stopped after", stopped, "s")
    assert (status, left) == (0, 0)
    assert arrived(stage, "ended", "next") == {"ended": 1, "next": 1}
