import socket
import threading
from queue import Queue

import pytest
from celery import current_app
from django.db import transaction

from accounts.tests.factories import UserFactory
from core.jobs import services as jobs
from core.outbox import services as outbox
from core.outbox.dispatcher import Dispatcher
from core.outbox.models import OutboxMessage
from core.tests.factories import JobFactory
from core.tests.interpreter import django_python

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def schedule():
    """The entries of the schedule: none but those of the test."""
    ours = current_app.conf.beat_schedule
    current_app.conf.beat_schedule = entries = {}
    yield entries
    current_app.conf.beat_schedule = ours


@pytest.fixture
def dispatcher(settings, monkeypatch, schedule):
    """One as in a web server without a broker."""
    settings.CELERY_BROKER_URL = ""
    dispatcher = Dispatcher()
    for room in (outbox, jobs):
        monkeypatch.setattr(room, "wake_up", dispatcher.register(room.TASK))
    yield dispatcher
    dispatcher.stop(timeout=10)
    assert not any(thread.is_alive() for thread in dispatcher.threads)


@pytest.fixture
def delivered(monkeypatch):
    """The ids of the messages that were handled, as they come."""
    queue = Queue()
    monkeypatch.setitem(outbox.handlers, "test.kept", lambda message: queue.put(message.pk))
    return queue


def test_without_a_broker_waking_starts_no_thread(dispatcher):
    dispatcher.wake_up(outbox.TASK)

    assert dispatcher.threads == []


@pytest.mark.django_db(transaction=True)
def test_it_delivers_after_the_commit(dispatcher, delivered):
    dispatcher.start()
    with transaction.atomic():
        message = outbox.enqueue("test.kept", {})

    assert delivered.get(timeout=10) == message.pk


@pytest.mark.django_db(transaction=True)
def test_it_begins_with_what_an_earlier_process_has_left(dispatcher, delivered):
    message = OutboxMessage.objects.create(kind="test.kept")
    dispatcher.start()

    assert delivered.get(timeout=10) == message.pk


@pytest.mark.django_db(transaction=True)
def test_what_no_wake_up_came_for_is_found_by_the_schedule(dispatcher, delivered, schedule):
    schedule["drain"] = {"task": outbox.TASK, "schedule": 0.01}
    dispatcher.start()

    for _ in range(2):
        message = OutboxMessage.objects.create(kind="test.kept")
        assert delivered.get(timeout=10) == message.pk


@pytest.mark.django_db(transaction=True)
def test_starting_it_twice_starts_its_threads_once(dispatcher):
    dispatcher.start()
    threads = dispatcher.threads
    dispatcher.start()

    assert dispatcher.threads is threads
    assert [thread.name for thread in threads] == [outbox.TASK, jobs.TASK, "schedule"]


@pytest.mark.django_db(transaction=True)
def test_no_email_waits_for_a_job(dispatcher, delivered, monkeypatch):
    """The job ends when the message is delivered."""
    sent, done = threading.Event(), Queue()

    def long(run):
        done.put(sent.wait(20))
        run.succeed({})

    monkeypatch.setitem(jobs.functions, "test.long", long)
    dispatcher.start()
    with transaction.atomic():
        job = jobs.enqueue_job(user=UserFactory(), kind="test.long", parameters={})
        message = outbox.enqueue("test.kept", {})
    assert delivered.get(timeout=10) == message.pk
    sent.set()

    assert done.get(timeout=10) is True
    assert job.pk


@pytest.mark.django_db(transaction=True)
def test_a_scheduled_job_runs_in_the_thread_of_the_jobs(dispatcher, schedule, monkeypatch):
    schedule["jobs"] = {"task": jobs.TASK, "schedule": 0.01}
    done = Queue()

    def run(run):
        run.succeed({})
        done.put((run.job.pk, threading.current_thread().name))

    monkeypatch.setitem(jobs.functions, "test.job", run)
    dispatcher.start()

    for _ in range(2):
        job = JobFactory()
        assert done.get(timeout=10) == (job.pk, jobs.TASK)


@pytest.mark.django_db(transaction=True)
def test_a_failure_does_not_end_a_thread(dispatcher, delivered, monkeypatch, caplog):
    drain, failures = outbox.drain, [OSError("once")]

    def fail_once():
        if failures:
            raise failures.pop()
        return drain()

    monkeypatch.setattr(outbox, "drain", fail_once)
    message = OutboxMessage.objects.create(kind="test.kept")
    dispatcher.start()
    while delivered.empty() and dispatcher.threads[0].is_alive():
        dispatcher.wake_up(outbox.TASK)

    assert delivered.get(timeout=10) == message.pk

    assert "dispatcher_failed" in [record.msg["event"] for record in caplog.records]


PUBLISH = """
import logging, threading, time
from celery import current_app
from core.outbox import services as outbox

current_app.conf.broker_transport_options = {"max_retries": 0}  # the default takes 6 s to give a broker up
refused = threading.Semaphore(0)

class Watch(logging.Handler):
    def emit(self, record):
        if record.msg.get("event") == "wake_up_failed":
            refused.release()

logging.getLogger().addHandler(Watch())
started = time.monotonic()
for _ in range(100):
    outbox.wake_up()
quick = time.monotonic() - started < 1
first = refused.acquire(timeout=10)
outbox.wake_up()
print(quick, first, refused.acquire(timeout=10), [t.name for t in threading.enumerate()].count("dispatcher"))
"""


def test_a_broker_that_refuses_holds_nobody_up_and_is_tried_again_next_time():
    done = django_python(PUBLISH, CELERY_BROKER_URL=NOWHERE, LOG_LEVEL="WARNING")

    assert done.stdout.split() == ["True", "True", "True", "1"], done.stderr


SILENT = """
import time
from core.outbox.dispatcher import publish
from core.outbox.services import TASK

started = time.monotonic()
publish(TASK)
print(time.monotonic() - started < 10)
"""


@pytest.mark.parametrize("url", ["amqp://guest@127.0.0.1:{port}//", "redis://127.0.0.1:{port}/0"])
def test_a_broker_that_accepts_and_never_answers_is_given_up(url):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = url.format(port=silent.getsockname()[1])
        done = django_python(SILENT, CELERY_BROKER_URL=address, LOG_LEVEL="WARNING")

    assert done.stdout.strip() == "True", done.stderr
    assert "wake_up_failed" in done.stderr
