"""Promises that could not be kept: tried again, given up, or taken over from a worker that died."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from core.db.retention import purge_expired
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage
from core.outbox.services import PermanentError
from core.tests.factories import OutboxMessageFactory, SampleMessageFactory
from core.tests.leases import pass_time

pytestmark = pytest.mark.django_db

Status = OutboxMessage.Status


def claim():
    return OutboxMessage.objects.claim(outbox.LEASE)


# --- failing --------------------------------------------------------------------------------------


def test_a_failure_is_written_down_and_tried_again_later(handled):
    handled.error = OSError("no route to host")
    message = SampleMessageFactory()
    outbox.drain()
    message.refresh_from_db()

    assert (message.status, message.attempts) == (Status.PENDING, 1)
    assert message.last_error == "OSError: no route to host"
    assert (message.lease_until, message.finished_at) == (None, None)
    assert message.due_at > timezone.now()
    assert outbox.drain() == 0


@pytest.mark.parametrize(
    ("attempts", "delay"),
    [(1, 15), (2, 60), (3, 240), (4, 960), (5, 3840), (6, 15360), (7, 21600), (8, 21600)],
)
def test_the_wait_grows_fourfold_up_to_six_hours_give_or_take_a_fifth(attempts, delay):
    waits = [outbox.retry_delay(attempts).total_seconds() for _ in range(200)]

    assert delay * 0.8 <= min(waits) < delay * 0.9
    assert delay * 1.1 < max(waits) <= delay * 1.2


def test_a_promise_that_is_kept_in_the_end_forgets_its_failures(handled):
    handled.error = OSError("busy")
    message = SampleMessageFactory()
    outbox.drain()
    handled.error = None
    pass_time(OutboxMessage, 19)
    outbox.drain()
    message.refresh_from_db()

    assert (message.status, message.attempts, message.last_error) == (Status.DONE, 2, "")


def test_after_eight_attempts_it_has_failed(handled):
    handled.error = OSError("busy")
    message = SampleMessageFactory()
    for _ in range(12):
        outbox.drain()
        pass_time(OutboxMessage, 8 * 3600)
    message.refresh_from_db()

    assert (len(handled), message.attempts, message.status) == (8, 8, Status.FAILED)
    assert message.finished_at is not None
    assert message.last_error == "OSError: busy"


def test_what_cannot_be_helped_is_not_tried_again(handled):
    handled.error = PermanentError("550 no such user")
    message = SampleMessageFactory()
    outbox.drain()
    message.refresh_from_db()

    assert (message.status, message.attempts) == (Status.FAILED, 1)
    assert "550 no such user" in message.last_error


def test_what_has_expired_is_not_done_any_more(handled):
    message = SampleMessageFactory(expires_at=timezone.now() - timedelta(seconds=1))
    outbox.drain()
    message.refresh_from_db()

    assert (handled, message.status) == ([], Status.FAILED)
    assert "expired" in message.last_error


def test_a_kind_that_nothing_handles_has_failed():
    message = OutboxMessageFactory(kind="test.unheard-of")
    outbox.drain()
    message.refresh_from_db()

    assert message.status == Status.FAILED
    assert "test.unheard-of" in message.last_error


def test_a_long_error_is_shortened(handled):
    handled.error = OSError("x" * 10_000)
    message = SampleMessageFactory()
    outbox.drain()
    message.refresh_from_db()

    assert len(message.last_error) == 2000


# --- workers that die or are late -----------------------------------------------------------------


def test_nobody_takes_what_another_holds(handled):
    message = SampleMessageFactory()

    assert claim().pk == message.pk
    assert claim() is None
    assert outbox.drain() == 0


def test_what_a_dead_worker_held_is_taken_again_when_its_lease_has_run_out(handled):
    message = SampleMessageFactory()
    claim()
    pass_time(OutboxMessage, 59)
    assert outbox.drain() == 0
    pass_time(OutboxMessage, 2)
    assert outbox.drain() == 1
    message.refresh_from_db()

    assert (message.status, message.attempts, len(handled)) == (Status.DONE, 2, 1)


@pytest.mark.parametrize("late", [None, OSError("late"), PermanentError("late")])
def test_a_late_worker_does_not_overwrite_what_the_next_one_does(monkeypatch, late):
    claimed = []

    def slow(_message):
        pass_time(OutboxMessage, 61)
        claimed.append(claim())
        if late is not None:
            raise late

    monkeypatch.setitem(outbox.handlers, "test.slow", slow)
    message = OutboxMessageFactory(kind="test.slow")
    outbox.drain()
    message.refresh_from_db()

    assert (message.status, message.attempts, message.last_error) == (Status.PENDING, 2, "")
    assert message.lease_id == claimed[0].lease_id
    assert message.lease_until > timezone.now()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"attempts": 4, "crashes": 3}, (1, 4, Status.DONE)),
        ({"attempts": 5, "crashes": 4}, (0, 5, Status.FAILED)),
        ({"attempts": 7, "crashes": 0}, (1, 1, Status.DONE)),
        ({"attempts": 8, "crashes": 0}, (0, 1, Status.FAILED)),
    ],
)
def test_what_kills_its_workers_is_given_up(handled, values, expected):
    message = SampleMessageFactory(lease_until=timezone.now() - timedelta(seconds=1), **values)
    outbox.drain()
    message.refresh_from_db()

    assert (len(handled), message.crashes, message.status) == expected
    assert ("given up" in message.last_error) == (not handled)


def killed(*messages):
    """Let a worker claim these, and be killed."""
    for _message in messages:
        claim()
    pass_time(OutboxMessage, 61)
    return messages


@pytest.mark.django_db(transaction=True)
def test_what_may_have_killed_its_worker_is_delivered_alone(handled):
    killed(SampleMessageFactory(), SampleMessageFactory())
    SampleMessageFactory(), SampleMessageFactory()

    assert [outbox.drain() for _ in range(4)] == [1, 1, 2, 0]


@pytest.mark.django_db(transaction=True)
def test_of_what_may_have_killed_its_worker_one_is_delivered_at_a_time(handled):
    killed(SampleMessageFactory(payload={"n": 1}), SampleMessageFactory(payload={"n": 2}))
    claim()
    SampleMessageFactory(payload={"n": 3}, due_at=timezone.now() - outbox.OVERDUE - timedelta(seconds=1))
    outbox.drain()

    assert handled == [{"n": 3}]


def test_what_was_killed_again_is_behind_what_was_killed_with_it(handled):
    first, second = killed(SampleMessageFactory(), SampleMessageFactory())
    claim()
    pass_time(OutboxMessage, 61)

    assert [claim().pk, claim().pk] == [second.pk, first.pk]


# --- afterwards -----------------------------------------------------------------------------------


def test_staff_can_start_a_failed_one_over(handled):
    handled.error = PermanentError("no")
    message = SampleMessageFactory(expires_at=timezone.now() + timedelta(minutes=1))
    outbox.drain()
    message.refresh_from_db()
    handled.error = None
    message.retry()
    outbox.drain()
    message.refresh_from_db()

    assert (message.status, message.attempts, len(handled)) == (Status.DONE, 1, 2)


def test_one_that_is_started_over_has_no_crashes(handled):
    message = SampleMessageFactory(crashes=5, status=Status.FAILED, finished_at=timezone.now())
    message.retry()
    outbox.drain()
    message.refresh_from_db()

    assert (message.status, message.crashes) == (Status.DONE, 0)


@pytest.mark.parametrize(
    ("status", "days", "left"),
    [(Status.DONE, 6, 1), (Status.DONE, 8, 0), (Status.FAILED, 29, 1), (Status.FAILED, 31, 0)],
)
def test_what_is_over_is_purged_after_a_while(status, days, left):
    OutboxMessageFactory(status=status, finished_at=timezone.now() - timedelta(days=days))
    purge_expired()

    assert OutboxMessage.objects.count() == left


def test_what_waits_is_never_purged():
    OutboxMessageFactory(created_at=timezone.now() - timedelta(days=400))
    purge_expired()

    assert OutboxMessage.objects.count() == 1


@pytest.mark.parametrize("values", [{"status": "done"}, {"finished_at": timezone.now()}])
def test_a_message_is_finished_unless_it_is_pending(values):
    with pytest.raises(IntegrityError, match="outbox_is_finished_unless_pending"), transaction.atomic():
        OutboxMessageFactory(**values)


def test_a_message_says_what_it_is():
    assert str(OutboxMessageFactory(kind="test.nothing")) == "test.nothing (pending)"
