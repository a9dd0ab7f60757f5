from datetime import timedelta

import pytest
import structlog
from django.db import transaction
from django.utils import timezone

from core.db import leases
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage
from core.tests.factories import OutboxMessageFactory, SampleMessageFactory
from core.tests.leases import pass_time
from core.tests.parallel import together
from core.web import request_context as context

pytestmark = pytest.mark.django_db

Status = OutboxMessage.Status


# --- writing it down ------------------------------------------------------------------------------


def test_a_promise_waits_until_it_is_kept(handled):
    message = outbox.enqueue("test.kept", {"n": 1}, expires_in=timedelta(hours=1))

    assert (message.status, message.attempts, handled) == (Status.PENDING, 0, [])
    assert message.expires_at - message.created_at == timedelta(hours=1)


@pytest.mark.django_db(transaction=True)
def test_a_promise_of_what_was_rolled_back_was_never_made():
    with transaction.atomic():
        outbox.enqueue("test.kept", {})
        transaction.set_rollback(True)

    assert not OutboxMessage.objects.exists()


def test_the_worker_is_woken_after_the_commit_and_not_before(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        outbox.enqueue("test.kept", {})

    assert callbacks == [outbox.wake_up]


# --- keeping it -----------------------------------------------------------------------------------


def test_a_promise_is_kept_once(handled):
    message = outbox.enqueue("test.kept", {"n": 1})
    counts = [outbox.drain(), outbox.drain()]
    message.refresh_from_db()

    assert (counts, handled) == ([1, 0], [{"n": 1}])
    assert (message.status, message.attempts, message.last_error) == (Status.DONE, 1, "")
    assert message.finished_at is not None


def test_the_oldest_is_kept_first(handled):
    now = timezone.now()
    for n in (2, 3, 1):
        SampleMessageFactory(payload={"n": n}, due_at=now - timedelta(minutes=10 - n))
    outbox.drain()

    assert [payload["n"] for payload in handled] == [1, 2, 3]


def test_what_is_not_due_waits(handled):
    SampleMessageFactory(due_at=timezone.now() + timedelta(minutes=1))

    assert outbox.drain() == 0
    pass_time(OutboxMessage, 120)
    assert outbox.drain() == 1


def test_a_drain_claims_no_more_after_its_time(handled, monkeypatch):
    monkeypatch.setattr(leases, "BUDGET_SECONDS", 0)
    SampleMessageFactory(), SampleMessageFactory()

    assert [outbox.drain(), outbox.drain(), outbox.drain()] == [1, 1, 0]


def test_one_that_fails_holds_none_of_the_others_up(handled, monkeypatch):
    monkeypatch.setitem(outbox.handlers, "test.broken", lambda _message: 1 / 0)
    OutboxMessageFactory(kind="test.broken")
    SampleMessageFactory()

    assert outbox.drain() == 2
    assert len(handled) == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_drains_keep_each_promise_once(handled):
    for n in range(200):
        SampleMessageFactory(payload={"n": n})
    counts = together(*[outbox.drain] * 10)

    assert sum(counts) == 200
    assert sorted(payload["n"] for payload in handled) == list(range(200))
    assert set(OutboxMessage.objects.values_list("status", "attempts")) == {(Status.DONE, 1)}


def test_the_handler_works_in_the_name_of_the_request_that_asked(monkeypatch):
    seen = []

    def look(_message):
        seen.append(context.current.get().request_id)

    monkeypatch.setitem(outbox.handlers, "test.look", look)
    token = context.current.set(context.RequestContext(request_id="asked-1"))
    outbox.enqueue("test.look", {})
    context.current.reset(token)
    outbox.drain()

    assert seen == ["asked-1"]
    assert context.current.get().request_id == ""
    assert "request_id" not in structlog.contextvars.get_contextvars()
