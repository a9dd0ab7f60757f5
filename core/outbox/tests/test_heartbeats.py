"""Heartbeats of worker and beat, and those who read them."""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from socket import gethostname

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from core.db.retention import purge_expired
from core.outbox.heartbeats import Heart, ages
from core.outbox.models import Heartbeat

WORKER, BEAT = Heartbeat.Program.WORKER, Heartbeat.Program.BEAT


def heartbeat(program, seconds, host="elsewhere"):
    at = timezone.now() - timedelta(seconds=seconds)
    return Heartbeat.objects.create(program=program, host=host, beat_at=at)


def finding(name):
    output = StringIO()
    with suppress(CommandError):
        call_command("doctor", "--json", stdout=output)
    [found] = [one for one in json.loads(output.getvalue())["findings"] if one["name"] == name]
    return found


@pytest.mark.django_db(transaction=True)
def test_a_heart_writes_one_row_at_most_once_in_its_interval():
    heart = Heart(WORKER)
    heart.beat()
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(hours=1))
    heart.beat()
    assert ages()["worker"] > timedelta(minutes=59)

    Heart(WORKER).beat()  # of another process
    assert ages()["worker"] < timedelta(minutes=1)
    assert list(Heartbeat.objects.values_list("program", "host")) == [("worker", gethostname())]


@pytest.mark.django_db
def test_the_youngest_of_a_program_counts():
    heartbeat(WORKER, 500)
    heartbeat(WORKER, 20, host="b")
    heartbeat(BEAT, 40)

    assert {program: round(age.total_seconds(), -1) for program, age in ages().items()} == {
        "worker": 20,
        "beat": 40,
    }
    assert set(ages("b")) == {"worker"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("seconds", "host", "options", "message"),
    [
        (50, gethostname(), (), None),
        (70, gethostname(), (), "has been silent for 70 s"),
        (70, gethostname(), ("--within", "80"), None),
        (5, "elsewhere", (), "No worker has run on"),
    ],
)
def test_the_command_is_a_health_check_of_this_host(seconds, host, options, message):
    heartbeat(WORKER, seconds, host)
    output = StringIO()
    if message is None:
        call_command("heartbeat", "worker", *options, stdout=output)
        assert output.getvalue().startswith(f"worker on {host}: {seconds} s ago")
    else:
        with pytest.raises(CommandError, match=message):
            call_command("heartbeat", "worker", *options, stdout=output)


def test_the_command_names_a_database_that_refuses():
    done = subprocess.run(
        [sys.executable, "manage.py", "heartbeat", "worker"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DEBUG": "true", "DATABASE_URL": "postgres://app@127.0.0.1:1/app"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "The database does not respond" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db(transaction=True)
def test_a_heart_leaves_no_connection_to_the_forks_of_a_worker():
    if connection.vendor == "sqlite":
        pytest.skip("a database in memory is its connection")
    Heart(WORKER).beat()

    assert connection.connection is None


@pytest.mark.django_db
def test_prometheus_reads_the_ages():
    heartbeat(WORKER, 30)
    text = Client().get("/metrics").content.decode()

    [line] = [line for line in text.splitlines() if line.startswith("heartbeat_age_seconds{")]
    name, _, age = line.partition(" ")
    assert name == 'heartbeat_age_seconds{program="worker"}'
    assert 30 <= float(age) < 60


@pytest.mark.django_db
@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", ""])
def test_doctor_names_a_silent_program_and_its_cure(settings, broker, disk):
    settings.CELERY_BROKER_URL = broker
    heartbeat(BEAT, 300)
    found = finding("beat" if broker else "schedule")

    assert found["status"] == ("failed" if broker else "warning")
    assert re.fullmatch(
        r"last heartbeat 3[0-5]\d s ago", found["text"]
    )  # the doctor looks at other things before
    assert found["cure"].startswith("Start `celery -A config beat`" if broker else "Start `manage.py serve`")
    if broker:
        assert finding("worker")["text"] == "no heartbeat within a day"


@pytest.mark.django_db
def test_doctor_is_content_with_a_fresh_heartbeat(settings, disk):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    heartbeat(WORKER, 3)

    assert finding("worker")["status"] == "ok"


@pytest.mark.django_db
def test_hosts_that_are_gone_are_purged_after_a_day():
    heartbeat(WORKER, 23 * 3600, host="young")
    heartbeat(WORKER, 25 * 3600, host="old")

    assert purge_expired()["heartbeats"] == 1
    assert list(Heartbeat.objects.values_list("host", flat=True)) == ["young"]
