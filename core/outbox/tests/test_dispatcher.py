import threading
from contextlib import suppress
from queue import Queue

import pytest
from django.db import transaction

from accounts.tests.factories import UserFactory
from core.jobs import services as jobs
from core.outbox import dispatcher as module
from core.outbox import services as outbox
from core.outbox.dispatcher import Dispatcher
from core.outbox.models import OutboxMessage
from core.tests.factories import JobFactory
from core.tests.interpreter import django_python

NOWHERE = "redis://127.0.0.1:1/0"


class Stop(BaseException):
    pass


class Mortal(Dispatcher):
    """Ends with its test; the thread of a server ends with the process."""

    def __init__(self):
        super().__init__()
        self.ending, self.ended = threading.Event(), threading.Event()

    def _run_due(self):
        if self.ending.is_set():
            raise Stop
        super()._run_due()

    def _work(self):
        with suppress(Stop):
            super()._work()
        self.wake_jobs()  # else it would not notice that it is ending

    def _work_on_jobs(self):
        with suppress(Stop):
            super()._work_on_jobs()
        self.ended.set()

    def _run_jobs(self):
        if self.ending.is_set():
            raise Stop
        super()._run_jobs()


@pytest.fixture
def dispatcher(settings, monkeypatch):
    """One as in a web server without a broker, with nothing to do but what the test gives it."""
    settings.CELERY_BROKER_URL = ""
    settings.CELERY_BEAT_SCHEDULE = {}
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)
    dispatcher = Mortal()
    monkeypatch.setattr(outbox, "dispatcher", dispatcher)
    yield dispatcher
    dispatcher.ending.set()
    if dispatcher._pid is not None:
        assert dispatcher.ended.wait(10)


@pytest.fixture
def kept(monkeypatch):
    """The ids of the messages that were handled, as they come."""
    queue = Queue()
    monkeypatch.setitem(outbox.handlers, "test.kept", lambda message: queue.put(message.pk))
    return queue


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name in {"dispatcher", "jobs"}]


def test_without_a_broker_waking_starts_no_thread(dispatcher):
    before = threads()
    dispatcher.wake()

    assert threads() == before


@pytest.mark.django_db(transaction=True)
def test_it_wakes_after_the_commit_and_keeps_the_promise(dispatcher, kept):
    dispatcher.start()
    with transaction.atomic():
        message = outbox.enqueue("test.kept", {})

    assert kept.get(timeout=10) == message.pk


@pytest.mark.django_db(transaction=True)
def test_what_nobody_woke_it_for_is_found_by_the_schedule(dispatcher, kept, settings):
    settings.CELERY_BEAT_SCHEDULE = {"drain": {"task": "core.jobs.tasks.drain_outbox", "schedule": 0.01}}
    message = OutboxMessage.objects.create(kind="test.kept")
    dispatcher.start()

    assert kept.get(timeout=10) == message.pk
    second = OutboxMessage.objects.create(kind="test.kept")
    assert kept.get(timeout=10) == second.pk


@pytest.mark.django_db(transaction=True)
def test_starting_it_twice_starts_its_two_threads_once(dispatcher):
    before = threads()
    dispatcher.start()
    dispatcher.start()

    assert sorted(threads()) == sorted([*before, "dispatcher", "jobs"])


@pytest.mark.django_db(transaction=True)
def test_no_mail_waits_for_a_job(dispatcher, kept, monkeypatch):
    """The job ends when the mail is sent."""
    sent, done = threading.Event(), Queue()

    def long(run):
        done.put(sent.wait(20))
        run.succeed({})

    monkeypatch.setitem(jobs.functions, "test.long", long)
    monkeypatch.setattr(jobs, "dispatcher", dispatcher)
    dispatcher.start()
    with transaction.atomic():
        job = jobs.enqueue_job(user=UserFactory(), kind="test.long", parameters={})
        message = outbox.enqueue("test.kept", {})
    assert kept.get(timeout=10) == message.pk
    sent.set()

    assert done.get(timeout=10) is True
    assert job.pk


@pytest.mark.django_db(transaction=True)
def test_a_job_that_nobody_woke_it_for_is_found_by_the_schedule_and_run_beside_the_mails(
    dispatcher, settings, monkeypatch
):
    settings.CELERY_BEAT_SCHEDULE = {"jobs": {"task": module.JOBS, "schedule": 0.01}}
    done = Queue()

    def run(run):
        run.succeed({})
        done.put((run.job.pk, threading.current_thread().name))

    monkeypatch.setitem(jobs.functions, "test.job", run)
    first = JobFactory()
    dispatcher.start()

    assert done.get(timeout=10) == (first.pk, "jobs")
    second = JobFactory()
    assert done.get(timeout=10) == (second.pk, "jobs")


@pytest.mark.django_db(transaction=True)
def test_a_failure_does_not_end_it(dispatcher, kept, settings, caplog):
    settings.CELERY_BEAT_SCHEDULE = {"broken": {"task": "core.jobs.tasks.no_such_task", "schedule": 0.0}}
    dispatcher.start()
    for _ in range(3):
        with transaction.atomic():
            outbox.enqueue("test.kept", {})
        kept.get(timeout=10)

    assert "dispatcher_failed" in [record.msg["event"] for record in caplog.records]


def test_a_task_is_not_run_before_it_is_due(dispatcher, settings):
    settings.CELERY_BEAT_SCHEDULE = {"never": {"task": "core.jobs.tasks.no_such_task", "schedule": 3600.0}}
    dispatcher._last_run["never"] = just_now = module.time.monotonic()

    dispatcher._run_due()  # a task of this name would raise

    assert dispatcher._last_run == {"never": just_now}


PUBLISH = """
import logging, threading, time
from celery import current_app
from core.outbox.dispatcher import Dispatcher

current_app.conf.broker_transport_options = {"max_retries": 0}  # the default takes 6 s to give a broker up
refused = threading.Semaphore(0)

class Watch(logging.Handler):
    def emit(self, record):
        if record.msg.get("event") == "nudge_failed":
            refused.release()

logging.getLogger().addHandler(Watch())
dispatcher = Dispatcher()
started = time.monotonic()
for _ in range(100):
    dispatcher.wake()
quick = time.monotonic() - started < 1
first = refused.acquire(timeout=10)
dispatcher.wake()
print(quick, first, refused.acquire(timeout=10), [t.name for t in threading.enumerate()].count("dispatcher"))
"""


def test_a_broker_that_refuses_holds_nobody_up_and_is_asked_again_next_time():
    done = django_python(PUBLISH, CELERY_BROKER_URL=NOWHERE, LOG_LEVEL="WARNING")

    assert done.stdout.split() == ["True", "True", "True", "1"], done.stderr
