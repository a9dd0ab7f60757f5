"""The schedule of an installation without a broker: each entry runs once in its period, in one process."""

import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from celery import Celery
from celery.schedules import crontab
from django.db import connection
from django.utils import timezone

from core.outbox.models import ScheduledTask
from core.outbox.schedules import MAX_SLEEP_SECONDS, run_due_entries
from core.tests.interpreter import django_python
from core.tests.parallel import together

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 25, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def runs():
    return []


@pytest.fixture
def follow(runs):
    """Look at the schedule with these entries, as one process; return the seconds until its next look."""

    def look(app=None, **entries):
        app = app or Celery("test", set_as_current=False)
        app.conf.beat_schedule.update(entries)
        return run_due_entries(app, lambda task, *args, **kwargs: runs.append((task, args, kwargs)))

    return look


@pytest.mark.parametrize(
    ("schedule", "early", "late"),
    [
        (60, 59, 61),
        (60.0, 59, 61),
        (timedelta(minutes=1), 59, 61),
        (crontab(minute="*/15"), 14 * 60, 14 * 60 + 31),
        (crontab(hour=3, minute=0), 14 * 3600, 15 * 3600),
    ],
)
def test_an_entry_runs_when_its_period_has_passed(follow, runs, schedule, early, late):
    entry = {"task": "test.task", "schedule": schedule, "args": (1,), "kwargs": {"n": 2}}
    seen = []
    for seconds in (0, early, late, late + 1):
        with time_machine.travel(NOON + timedelta(seconds=seconds), tick=False):
            follow(entry=entry)
        seen.append(len(runs))

    assert seen == [0, 0, 1, 1]
    assert runs == [("test.task", (1,), {"n": 2})]


def test_the_next_look_is_when_the_next_entry_is_due(follow):
    with time_machine.travel(NOON, tick=False):
        assert follow(slow={"task": "test.task", "schedule": 3600}) == MAX_SLEEP_SECONDS
        assert follow(quick={"task": "test.task", "schedule": 2}) == pytest.approx(2, abs=0.1)


def test_what_add_periodic_task_adds_is_followed(follow, runs):
    app = Celery("test", set_as_current=False)

    @app.task(name="test.mine")
    def mine():
        pass

    @app.on_after_finalize.connect(weak=False)
    def add(sender, **_kwargs):
        sender.add_periodic_task(60.0, mine.s(), name="mine")

    with time_machine.travel(NOON, tick=False):
        follow(app)
    with time_machine.travel(NOON + timedelta(seconds=61), tick=False):
        follow(app)

    assert runs == [("test.mine", (), {})]


def test_an_entry_that_fails_holds_up_no_other(runs, caplog):
    app = Celery("test", set_as_current=False)
    for name in ("broken", "whole"):
        app.conf.beat_schedule[name] = {"task": name, "schedule": 60}
    app.conf.beat_schedule["nonsense"] = {"task": "nonsense", "schedule": "often"}

    def run(task):
        runs.append(task)
        if task == "broken":
            raise OSError

    with time_machine.travel(NOON, tick=False):
        run_due_entries(app, run)
    with time_machine.travel(NOON + timedelta(seconds=61), tick=False):
        run_due_entries(app, run)

    assert runs == ["broken", "whole"]
    assert [record.msg["name"] for record in caplog.records][-2:] == ["broken", "nonsense"]


def test_a_restart_neither_runs_an_entry_again_nor_puts_it_off(follow, runs):
    entry = {"task": "test.task", "schedule": 3600}
    for minutes in range(0, 24 * 60, 7):  # a new process each time
        with time_machine.travel(NOON + timedelta(minutes=minutes), tick=False):
            follow(entry=entry)

    assert len(runs) in {22, 23}


@pytest.mark.parametrize(
    ("schedule", "times"),
    [
        (60, 119),
        (timedelta(hours=1), 1),
        (crontab(minute="*/15"), 8),
        (crontab(minute=30, hour=11), 0),
        (crontab(minute=30, hour=12), 1),
    ],
)
def test_after_the_clock_was_set_back_an_entry_runs_in_each_period(follow, runs, schedule, times):
    """One of certain hours does not run again for those that are repeated."""
    ScheduledTask.objects.create(name="entry", last_run_at=NOON - timedelta(seconds=29))
    for half_minutes in range(2 * 120):
        with time_machine.travel(NOON - timedelta(hours=1, seconds=-30 * half_minutes), tick=False):
            follow(entry={"task": "test.task", "schedule": schedule})

    assert len(runs) == times


def test_a_small_difference_between_the_clocks_of_two_hosts_adds_no_run(follow, runs):
    for seconds in range(0, 600, 5):
        skew = 30 if seconds % 2 else 0
        with time_machine.travel(NOON + timedelta(seconds=seconds - skew), tick=False):
            follow(entry={"task": "test.task", "schedule": 60})

    assert len(runs) <= 10


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_runs_it(follow, runs):
    ScheduledTask.objects.create(name="entry", last_run_at=timezone.now() - timedelta(minutes=2))
    together(*[lambda: follow(entry={"task": "test.task", "schedule": 60})] * 8)

    assert len(runs) == 1


FOLLOW = """
import time
from celery import current_app
from core.outbox.schedules import run_due_entries

current_app.conf.beat_schedule = {"entry": {"task": "test.task", "schedule": 1}}
ends = time.monotonic() + 4
while time.monotonic() < ends:
    time.sleep(run_due_entries(current_app, lambda task: print(time.time())))
"""


@pytest.mark.django_db(transaction=True)
def test_two_processes_run_it_once_in_each_period():
    name, url = connection.settings_dict["NAME"], os.environ["DATABASE_URL"]
    database = f"{url.rpartition('/')[0]}/{name}" if "postgres" in url else f"sqlite:///{name}"
    done = together(*[lambda: django_python(FOLLOW, DATABASE_URL=database, CELERY_BROKER_URL="")] * 2)
    times = sorted(float(line) for process in done for line in process.stdout.split())

    assert len(times) >= 3, [process.stderr for process in done]
    assert all(later - earlier > 0.9 for earlier, later in pairwise(times))
