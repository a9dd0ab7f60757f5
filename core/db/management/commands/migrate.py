"""Django's `migrate`, one at a time: of several that start at once one migrates, and the others wait."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import Error, connections

LOCK_TIMEOUT = 600
ADVISORY_LOCK = 0x6D696772617465  # "migrate"; each database of a server has its own
POLL_SECONDS = 0.5

Notice = Callable[[], None]


class Command(Migrate):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-timeout",
            type=int,
            default=LOCK_TIMEOUT,
            metavar="SECONDS",
            help=f"How long to wait for another migrate on this database. Default: {LOCK_TIMEOUT}.",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Take the lock before the system checks: they open the database already."""
        timeout: int = options["lock_timeout"]
        if timeout < 0:
            raise CommandError("--lock-timeout must be 0 or more.")
        wait = f"Another migrate is running on this database. Waiting for it up to {timeout} seconds."
        with migration_lock(connections[options["database"]], timeout, lambda: self.stderr.write(wait)):
            return super().execute(*args, **options)


@contextmanager
def migration_lock(connection: Any, timeout: int, notice: Notice) -> Iterator[None]:
    """Hold the lock for the block. Call `notice` once if that has to wait. Raises CommandError."""
    if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        raise CommandError(
            "migrate needs a direct connection to PostgreSQL, without PgBouncer: its lock belongs to a session."
            " Name the server in DATABASE_URL, and set DATABASE_PREPARED_STATEMENTS=true."
        )
    if connection.vendor == "postgresql":
        lock = advisory_lock(connection, timeout, notice)
    elif connection.is_in_memory_db():
        yield  # of this process alone
        return
    else:
        lock = file_lock(f"{connection.settings_dict['NAME']}-migrate", timeout, notice)
    with lock:
        yield


def wait_for(attempt: Callable[[], bool], timeout: int, notice: Notice) -> None:
    deadline = time.monotonic() + timeout
    noticed = False
    while not attempt():
        if time.monotonic() >= deadline:
            raise CommandError(
                f"Another migrate is still running on this database after {timeout} seconds. Run this again when it"
                " has ended, or give it more time by --lock-timeout."
            )
        if not noticed:
            notice()
            noticed = True
        time.sleep(POLL_SECONDS)


@contextmanager
def advisory_lock(connection: Any, timeout: int, notice: Notice) -> Iterator[None]:
    """Hold a lock of the session that migrates: when that session ends, so does the lock.

    `pg_advisory_lock`, which waits in the server, would hold a snapshot meanwhile. CREATE INDEX CONCURRENTLY in the
    process that holds the lock waits for every older snapshot, so both would wait for ever.
    """

    def call(function: str) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s::bigint)", [ADVISORY_LOCK])
            return bool(cursor.fetchone()[0])

    wait_for(lambda: call("pg_try_advisory_lock"), timeout, notice)
    try:
        yield
    finally:
        with suppress(Error):  # a session that is gone holds no lock
            call("pg_advisory_unlock")


@contextmanager
def file_lock(path: str, timeout: int, notice: Notice) -> Iterator[None]:
    """Hold an exclusive transaction on an empty SQLite database next to the migrated one.

    SQLite locks files on every system, and a lock ends with its process.
    """
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as holder:
            wait_for(lambda: is_begun(holder), timeout, notice)
            yield
    except sqlite3.OperationalError as error:
        raise CommandError(f"{path}: {error}. The folder of the database must be writable.") from error


def is_begun(holder: sqlite3.Connection) -> bool:
    try:
        holder.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True
