"""Several containers that start at once on an empty database: one migrates, the others wait, all succeed."""

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings

from core.db.management.commands.migrate import ADVISORY_LOCK

SECONDS = 180
SERVED = os.environ.get("TEST_DATABASE_URL", "")


@pytest.fixture
def url(tmp_path):
    """Create an empty database; return its URL."""
    if not SERVED.startswith("postgres"):
        yield f"sqlite:///{tmp_path / 'new.sqlite3'}"
        return
    name = f"migrate_{os.getpid()}_{secrets.token_hex(3)}"
    server = urlsplit(SERVED)._replace(path="/postgres").geturl()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield urlsplit(SERVED)._replace(path=f"/{name}").geturl()
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def held_lock(url):
    """Hold the lock as another migrate in the middle of its work does. Yields a function that ends it as a crash
    does."""
    if url.startswith("postgres"):
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
            yield other.close
        return
    path = url.removeprefix("sqlite:///") + "-migrate"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other.close


def start(url, *options):
    return subprocess.Popen(
        [sys.executable, "manage.py", "migrate", *options],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process):
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def test_of_three_at_once_one_migrates_and_all_succeed(url):
    ended = [end(process) for process in [start(url) for _ in range(3)]]

    assert [code for code, _out, _err in ended] == [0] * 3, ended
    assert sum("Applying core_audit.0001_initial" in out for _code, out, _err in ended) == 1
    assert sum("No migrations to apply" in out for _code, out, _err in ended) == 2


def test_a_waiting_migrate_logs_it_and_continues_when_the_other_has_crashed(url):
    with held_lock(url) as crash:
        process = start(url, "--verbosity", "0")
        message = process.stderr.readline()
        crash()
        code, _out, err = end(process)

    assert "Another migrate is running on this database. Waiting for it up to 600 seconds." in message
    assert (code, err) == (0, "")


def test_a_killed_migrate_is_completed_by_the_next(url):
    process = start(url)
    for line in process.stdout:
        if "Applying resources.0001_initial" in line or "Applying core_jobs" in line:
            break
    process.kill()
    process.communicate(timeout=SECONDS)
    unfinished, completed, check = (end(start(url, *options)) for options in (["--check"], [], ["--check"]))

    assert (process.returncode, unfinished[0]) == (-signal.SIGKILL, 1)
    assert completed[0] == 0, completed
    assert "Applying core_audit.0001_initial" not in completed[1]  # was recorded
    assert check[0] == 0


@pytest.mark.parametrize("option", [(), ("--check",)])
def test_the_wait_has_an_end(url, option):
    with held_lock(url):
        code, _out, err = end(start(url, "--lock-timeout", "0", *option))

    assert code == 1
    assert "is still running on this database after 0 seconds" in err
    assert "Traceback" not in err


def test_the_options_of_django_work_as_ever(url):
    planned, check = end(start(url, "--plan")), end(start(url, "--check"))
    assert "core_audit.0001_initial" in planned[1]
    assert (planned[0], check[0]) == (0, 1)

    assert end(start(url, "--fake", "--verbosity", "0"))[0] == 0
    assert end(start(url, "--check"))[0] == 0
    assert end(start(url, "--lock-timeout", "-1"))[0] == 1


on_postgresql = pytest.mark.skipif(not SERVED.startswith("postgres"), reason="SQLite has no locks of tables")


@contextmanager
def held_table(url):
    """Use a table in an open transaction, as a long report or a backup does. Yields a function that ends it."""
    assert end(start(url, "--verbosity", "0"))[0] == 0
    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM core_files_deletionhold")
        yield other.rollback


BEFORE = ("core_files", "0001", "--verbosity", "0")  # drops the table


@on_postgresql
def test_a_migration_behind_a_long_transaction_is_tried_again(url):
    """Those who read the table meanwhile wait for less than the timeouts of a request."""
    with (
        held_table(url) as commit,
        psycopg.connect(url, autocommit=True) as reader,
        ThreadPoolExecutor() as pool,
    ):
        reader.execute("SET statement_timeout = '1500ms'")
        process = start(url, *BEFORE)
        messages = pool.submit(lambda: [process.stderr.readline() for _ in range(2)])
        while not messages.done():
            assert reader.execute("SELECT count(*) FROM core_files_deletionhold").fetchone() == (0,)
        commit()
        code, _out, _err = end(process)

        assert code == 0
        for message in messages.result():
            assert "a table that core_files.0002_deletionhold changes. Trying again" in message
        assert reader.execute("SELECT to_regclass('core_files_deletionhold')").fetchone() == (None,)


@on_postgresql
def test_a_long_transaction_that_does_not_end_ends_the_migration(url):
    with held_table(url):
        code, _out, err = end(start(url, "--lock-timeout", "0", *BEFORE))

    assert code == 1
    assert "core_files.0002_deletionhold changes, after 0 seconds." in err
    assert "Traceback" not in err


@pytest.mark.skipif(SERVED.startswith("postgres"), reason="of SQLite")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "new.sqlite3-migrate").mkdir()
    code, _out, err = end(start(f"sqlite:///{tmp_path / 'new.sqlite3'}"))

    assert code == 1
    assert f"{tmp_path}/new.sqlite3-migrate: unable to open database file" in err
