"""`manage.py purge`: what expires is deleted now, and counted before."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Lockout, User
from accounts.tests.factories import UserFactory
from core.db.retention import BATCH, Purge, PurgeError, purge, purge_expired, purges

pytestmark = pytest.mark.django_db


@pytest.fixture
def expired():
    """Create an account and a lock-out that are due."""
    UserFactory(deleted_at=timezone.now() - timedelta(days=400))
    Lockout.objects.create(address_hash="a" * 64)
    Lockout.objects.update(updated_at=timezone.now() - timedelta(days=2))


def test_expired_rows_are_deleted_and_counted(expired, capsys):
    call_command("purge", json=True)
    counts = json.loads(capsys.readouterr().out)

    assert set(counts) == set(purges)
    assert {name: count for name, count in counts.items() if count} == {"deleted accounts": 1, "lockouts": 1}
    assert not User.objects.exists()
    assert not Lockout.objects.exists()


def test_a_dry_run_counts_and_deletes_nothing(expired, capsys):
    call_command("purge", dry_run=True, json=True)
    counts = json.loads(capsys.readouterr().out)

    assert {name: count for name, count in counts.items() if count} == {"deleted accounts": 1, "lockouts": 1}
    assert User.objects.count() == Lockout.objects.count() == 1


def test_only_the_named_rows_are_deleted(expired, capsys):
    call_command("purge", "lockouts")

    assert capsys.readouterr().out.split() == ["deleted", "1", "lockouts"]
    assert User.objects.exists()


def test_an_unknown_name_is_refused_before_anything_is_deleted(expired):
    with pytest.raises(CommandError, match=r"NAME 'sesions': no such rows. Those are .*sessions"):
        call_command("purge", "lockouts", "sesions")

    assert Lockout.objects.exists()


@pytest.fixture
def broken(monkeypatch):
    """Register a purge that fails, before all others."""

    def fail():
        raise RuntimeError("of an app")

    others = {name: purges.pop(name) for name in list(purges)}
    purges["a broken one"] = Purge(fail, lambda rows: 0)
    purges.update(others)
    yield
    purges.pop("a broken one")


@pytest.mark.usefixtures("broken")
def test_a_purge_that_fails_does_not_keep_back_the_others(expired, caplog):
    with pytest.raises(PurgeError, match=r"Not purged: a broken one\.") as failure:
        purge_expired()

    assert failure.value.counts["deleted accounts"] == failure.value.counts["lockouts"] == 1
    assert not User.objects.exists()
    [record] = [record.msg for record in caplog.records if record.levelname == "ERROR"]
    assert record["purge"] == "a broken one"
    assert record["exc_info"]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.usefixtures("broken")
def test_the_command_fails_with_the_names_of_what_failed(expired, capsys, dry_run):
    with pytest.raises(CommandError, match=r"Not purged: a broken one\."):
        call_command("purge", json=True, dry_run=dry_run)

    counts = json.loads(capsys.readouterr().out)
    assert set(counts) == set(purges) - {"a broken one"}
    assert counts["lockouts"] == 1


def test_the_progress_of_a_purge_is_the_number_so_far():
    Lockout.objects.bulk_create(Lockout(address_hash=f"{number:064}") for number in range(BATCH + 1))
    Lockout.objects.update(updated_at=timezone.now() - timedelta(days=2))
    numbers = []

    assert purge("lockouts", progress=numbers.append) == BATCH + 1
    assert numbers == [BATCH, BATCH + 1]


def test_every_process_knows_what_expires_before_it_loads_a_route():
    """The worker, which purges, serves no routes. A purge that is registered next to a view would be missing there."""
    program = (
        "import django; django.setup(); from core.db.retention import purges; before = set(purges); "
        "import config.urls; print(sorted(set(purges) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
