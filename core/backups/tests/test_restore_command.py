"""The confirmation of a restore, and what it refuses to begin."""

from contextlib import closing

import pytest

from config.tests.test_commands_at_a_terminal import Terminal
from core.backups.tests.installation import CHANGED, ON_POSTGRESQL

pytestmark = pytest.mark.backups


@pytest.fixture
def name(with_backup):
    """Return the name of the backup."""
    return next(with_backup.backups.iterdir()).name


def test_the_name_is_typed_and_the_choice_of_emails_requested(with_backup, name):
    with closing(Terminal(with_backup, "restore", name)) as terminal:
        terminal.enter("drop or keep? ", "drop")
        assert "The backup is whole" in terminal.enter("Type the name of the backup: ", name)
        terminal.wait_for(f"Restored {name}")

    assert with_backup.names() == ["User 0", "User 1", "User 2"]


@pytest.mark.parametrize(("choice", "typed"), [("maybe", ""), ("keep", "another name"), ("keep", "")])
def test_another_response_changes_nothing(with_backup, name, choice, typed):
    with closing(Terminal(with_backup, "restore", name)) as terminal:
        terminal.enter("drop or keep? ", choice)
        if choice == "keep":
            terminal.enter("Type the name of the backup: ", typed)
        terminal.wait_for("Cancelled")

    assert terminal.process.returncode == 1
    assert with_backup.names() == CHANGED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--noinput",), "--noinput needs --pending-mail"),
        (("--pending-mail", "drop"), "This is not a terminal"),
        (("--noinput", "--pending-mail", "drop", "--from", "/nowhere"), "There is no finished backup"),
    ],
)
def test_what_is_missing_is_named(with_backup, name, options, message):
    assert message in with_backup.refused("restore", name, *options)
    assert with_backup.names() == CHANGED


def test_a_database_in_use_is_refused(with_backup, name):
    hold = "from django.db import connection\nc = connection.cursor(); c.execute('BEGIN IMMEDIATE')\n"
    if ON_POSTGRESQL:
        hold = "from django.db import connection\nconnection.ensure_connection()\n"
    user = with_backup.start(
        "-c", "import django; django.setup()\n" + hold + "print('ready', flush=True); input()"
    )
    try:
        user.stdout.readline()
        error = with_backup.refused("restore", name, "--noinput", "--pending-mail", "drop")
    finally:
        user.communicate("\n")

    assert "Something uses the database" in error
    assert with_backup.names() == CHANGED


@pytest.mark.skipif(ON_POSTGRESQL, reason="only SQLite's database is a file")
def test_a_damaged_file_of_the_database_is_named(with_backup, name):
    with_backup.file.write_bytes(b"no database" * 100)

    assert "is damaged" in with_backup.refused("restore", name, "--noinput", "--pending-mail", "drop")
