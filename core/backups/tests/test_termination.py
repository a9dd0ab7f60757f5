"""SIGTERM, as of `timeout`, systemd and Docker: nothing that was begun stays."""

import os

import psycopg
import pytest

from core.backups.tests.installation import ON_POSTGRESQL, python_command

pytestmark = pytest.mark.backups

# Reports that it has begun, and then reads nothing.
SCRIPT = "import signal, sys\nopen(sys.argv[1], 'w').close()\nsignal.pause()"


@pytest.fixture
def stops(tmp_path):
    """Return a fifo, and a command to decrypt or encrypt with that stops after it has reported to it."""
    script, begun = tmp_path / "stops.py", tmp_path / "stopped"
    script.write_text(SCRIPT)
    os.mkfifo(begun)
    return begun, python_command(script, begun)


def test_a_backup_that_is_terminated_leaves_nothing_and_is_repeated_at_once(with_files, stops, tmp_path):
    begun, command = stops
    work = tmp_path / "work"
    work.mkdir()
    process = with_files.start("manage.py", "backup", BACKUP_ENCRYPT=command, TMPDIR=str(work))
    begun.open().close()
    process.terminate()
    code, _out, err = with_files.end(process)

    assert (code, "Traceback" in err) == (143, False)
    assert list(with_files.backups.iterdir()) == []
    assert list(work.iterdir()) == []
    assert with_files.backup()


def test_a_restore_that_is_terminated_leaves_no_copy(with_files, barrier, stops, tmp_path):
    begun, command = stops
    name = with_files.backup(BACKUP_ENCRYPT=barrier.decrypt)
    work = tmp_path / "work"
    work.mkdir()
    options = ("--noinput", "--pending-mail", "drop")
    process = with_files.start(
        "manage.py", "restore", name, *options, BACKUP_DECRYPT=command, TMPDIR=str(work)
    )
    begun.open().close()
    process.terminate()

    assert with_files.end(process)[0] == 143
    assert list(work.iterdir()) == []


@pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has no databases on a server")
def test_a_verification_that_is_terminated_leaves_no_database(with_files, tmp_path):
    def scratch():
        with psycopg.connect(with_files.environment["DATABASE_URL"]) as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'backup_verify_%'")
            return {name for (name,) in rows}

    with_files.backup()
    before, begun, programs = scratch(), tmp_path / "begun", tmp_path / "bin"
    os.mkfifo(begun)
    programs.mkdir()
    restore = programs / "pg_restore"
    restore.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "pg_restore (x) 99.0" && exit\n: > {begun}\nexec sleep 60\n'
    )
    restore.chmod(0o700)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    process = with_files.start("manage.py", "backup_verify", PATH=path)
    begun.open().close()
    process.terminate()

    assert with_files.end(process)[0] == 143
    assert scratch() <= before
