"""Leases of the outbox and of jobs: one worker for a row, for as long as its lease is renewed."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from queue import Queue

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, connections, transaction

from core.db import leases
from core.db.leases import Lease, LeaseLost
from core.jobs import services as jobs
from core.jobs.models import Job
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage
from core.tests.factories import JobFactory, OutboxMessageFactory, SampleMessageFactory
from core.tests.leases import pass_time
from core.tests.parallel import together
from core.tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")


@contextmanager
def locked(row):
    """A row that another transaction has locked, as an admin's action does."""
    is_locked, unlock = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            type(row).objects.select_for_update().get(pk=row.pk)
            is_locked.set()
            unlock.wait(20)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert is_locked.wait(20)
    yield
    unlock.set()
    thread.join()


@on_postgresql
@pytest.mark.parametrize(
    ("make", "drain"), [(SampleMessageFactory, outbox.drain), (JobFactory, jobs.run_due)]
)
def test_a_locked_row_holds_up_itself_alone(handled, work, make, drain):
    first, second = make(), make()
    with locked(first):
        assert drain() == 1
    second.refresh_from_db()

    assert second.finished_at is not None
    assert drain() == 1


def waits_for_a_lock(cursor):
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return cursor.fetchone()[0]


@on_postgresql
def test_an_outcome_is_written_once_the_row_is_free_and_holds_up_no_other(handled, monkeypatch):
    """Without it the message would be delivered twice."""
    first = OutboxMessageFactory(kind="test.locked")
    locks = []

    def lock(message):
        locks.append(locked(message))
        locks[0].__enter__()
        SampleMessageFactory()

    def release():
        """Free the row once a first attempt to write the outcome has waited in vain."""
        with connection.cursor() as cursor:
            wait_until(lambda: handled and waits_for_a_lock(cursor), 20)
            wait_until(lambda: not waits_for_a_lock(cursor), 20)
        with pytest.raises(StopIteration):
            next(locks[0].gen)

    monkeypatch.setitem(outbox.handlers, "test.locked", lock)
    assert together(outbox.drain, release)[0] == 2
    first.refresh_from_db()

    assert (first.status, first.attempts, len(handled)) == ("done", 1, 1)


def test_a_lease_is_renewed_while_a_delivery_goes_on(monkeypatch):
    monkeypatch.setattr(outbox, "LEASE", SECOND)
    seen = []

    def deliver(message):
        message.lease.ended.wait(1.5)
        seen.append(OutboxMessage.objects.claim(SECOND))

    monkeypatch.setitem(outbox.handlers, "test.slow", deliver)
    message = OutboxMessageFactory(kind="test.slow")
    outbox.drain()
    message.refresh_from_db()

    assert (seen, message.status, message.attempts) == ([None], "done", 1)


def test_a_lease_that_was_not_renewed_in_time_is_lost_before_anything_is_written():
    SampleMessageFactory()
    lease = Lease(OutboxMessage.objects.claim(SECOND), SECOND)
    lease.check()
    lease.expires_at -= 1  # as after a pause of the process

    with pytest.raises(LeaseLost):
        lease.check()


def test_a_lease_that_another_worker_has_is_lost():
    OutboxMessageFactory()
    lease = Lease(OutboxMessage.objects.claim(SECOND), SECOND)
    pass_time(OutboxMessage, 2)
    successor = OutboxMessage.objects.claim(SECOND)

    with pytest.raises(LeaseLost):
        lease.renew()
    with pytest.raises(LeaseLost):
        lease.check()
    assert OutboxMessage.objects.get().lease_id == successor.lease_id


def test_work_that_hangs_loses_its_lease(monkeypatch):
    monkeypatch.setattr(leases, "MAX_SECONDS", 0)
    OutboxMessageFactory()
    with Lease(OutboxMessage.objects.claim(SECOND), SECOND) as lease:
        lease.thread.join(10)

        assert not lease.thread.is_alive()


@pytest.mark.parametrize("number", [1, 8])
def test_slow_receivers_hold_up_no_other_delivery(monkeypatch, number):
    monkeypatch.setattr(outbox, "SLOW_SECONDS", 0.1)
    others, slow = Queue(), threading.Event()
    monkeypatch.setitem(outbox.handlers, "test.slow", lambda _message: slow.wait(20))
    monkeypatch.setitem(outbox.handlers, "test.quick", lambda message: others.put(message.pk))
    OutboxMessageFactory.create_batch(number, kind="test.slow")
    quick = {OutboxMessageFactory(kind="test.quick").pk for _ in range(10)}

    def release():
        assert {others.get(timeout=10) for _ in quick} == quick
        slow.set()

    assert together(outbox.drain, release)[0] == number + 10


def test_a_soft_time_limit_ends_the_task_and_the_job_is_tried_again(work):
    def exceed(_run):
        raise SoftTimeLimitExceeded

    work.act = exceed
    row = JobFactory()
    with pytest.raises(SoftTimeLimitExceeded):
        jobs.run_due()
    row.refresh_from_db()

    assert (row.finished_at, row.lease_until, row.attempts) == (None, None, 1)
    assert "SoftTimeLimitExceeded" in row.last_error


def test_parallel_claims_of_one_row_give_it_once():
    JobFactory()
    claimed = together(*[lambda: Job.objects.claim(SECOND)] * 8)

    assert sum(job is not None for job in claimed) == 1
