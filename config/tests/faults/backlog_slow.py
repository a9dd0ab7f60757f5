"""A mail server that was down while thousands of emails waited, some of them too long."""

import os
import time
from collections import Counter

import pytest
from aiosmtpd.controller import Controller

from config.tests.faults.measures import add_users
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_WORKER_CONCURRENCY": "2"}
BACKLOG = int(os.environ.get("FAULT_BACKLOG", "2000"))
EXPIRED = BACKLOG // 4
MAX_AT_ONCE = 8  # four for each process of the worker
QUEUE = """
    INSERT INTO core_outbox_outboxmessage
        (id, kind, payload, status, created_at, expires_at, due_at, attempts, last_error, request_id)
    SELECT gen_random_uuid(), 'accounts.password_reset', jsonb_build_object('email', email), 'pending',
        now() - interval '1 hour', now() + interval '1 hour' * (CASE WHEN email LIKE 'late%' THEN -1 ELSE 1 END),
        now() - interval '10 minutes', 3, 'ConnectionRefusedError', ''
    FROM accounts_user WHERE email LIKE 'late%' OR email LIKE 'queued%'
"""


@pytest.fixture
def token(stage):
    """The access token of a user, whose own email has been sent."""
    token = stage.user("reader")
    wait_until(lambda: stage.mails("reader@example.com"))
    return token


@pytest.fixture
def backlog(stage, token):
    """Emails that wait for their fourth attempt, as after ten minutes without a mail server."""
    stage.controller.stop()
    with stage.connection() as connection:
        add_users(connection, "queued", BACKLOG)
        add_users(connection, "late", EXPIRED)
        connection.execute(QUEUE)
    stage.controller = Controller(stage.sink, hostname="127.0.0.1", port=stage.controller.port)
    stage.controller.start()


def outcomes(stage):
    """Return the number of messages for each status, and whether they have expired."""
    query = (
        "SELECT status, last_error LIKE '%expired%', count(*) FROM core_outbox_outboxmessage GROUP BY 1, 2"
    )
    with stage.connection() as connection:
        return {(status, late): number for status, late, number in connection.execute(query).fetchall()}


def pending(stage):
    return sum(number for (status, _late), number in outcomes(stage).items() if status == "pending")


def test_a_backlog_drains_at_a_bounded_rate_and_holds_up_nothing(stage, token, backlog, figure):
    began = time.monotonic()
    stage.user("newer")
    wait_until(lambda: pending(stage) < BACKLOG)  # both processes of the worker are at work
    posted = time.monotonic()
    job = stage.api("POST", "/resources/export", {"format": "csv"}, token).json()["data"]["id"]
    wait_until(
        lambda: stage.api("GET", f"/jobs/{job}", token=token).json()["data"]["status"] == "succeeded", 600
    )
    exported = time.monotonic() - posted
    wait_until(lambda: stage.mails("newer@example.com"), 600)
    newer = time.monotonic() - began
    wait_until(lambda: not pending(stage), 600)
    drained = time.monotonic() - began
    sent = Counter(mail["To"] for mail in list(stage.sink.messages.queue))

    figure("emails in a second, most at once", f"{BACKLOG / drained:.0f}, {stage.sink.most}")
    figure("a newer email, an export meanwhile, all", f"{newer:.1f}, {exported:.1f}, {drained:.1f} s")
    assert stage.sink.most <= MAX_AT_ONCE
    assert exported < 15
    assert outcomes(stage)["failed", True] == EXPIRED
    assert sum(number for to, number in sent.items() if to.startswith("late")) == 0
    assert [sent[f"queued{number}@example.com"] for number in range(1, BACKLOG + 1)] == [1] * BACKLOG
