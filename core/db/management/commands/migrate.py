"""Django's `migrate`, one at a time: of several that start at once one migrates, and the others wait."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import Error, connections

LOCK_TIMEOUT = 600
ADVISORY_LOCK = 0x6D696772617465  # "migrate"; each database of a server has its own
POLL_SECONDS = 0.5


class Command(Migrate):
    timeout = LOCK_TIMEOUT

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
        self.timeout = options["lock_timeout"]
        if self.timeout < 0:
            raise CommandError("--lock-timeout must be 0 or more.")
        with self.lock(connections[options["database"]]):
            return super().execute(*args, **options)

    def lock(self, connection: Any) -> AbstractContextManager[None]:
        if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            raise CommandError(
                "migrate needs a direct connection to PostgreSQL, without PgBouncer: its lock belongs to a session."
                " Name the server in DATABASE_URL, and set DATABASE_PREPARED_STATEMENTS=true."
            )
        if connection.vendor == "postgresql":
            return self.advisory_lock(connection)
        if connection.is_in_memory_db():
            return nullcontext()  # no other process has this database
        return self.file_lock(f"{connection.settings_dict['NAME']}-migrate")

    @contextmanager
    def advisory_lock(self, connection: Any) -> Iterator[None]:
        """Hold a lock of the session that migrates: when that session ends, so does the lock.

        `pg_advisory_lock`, which waits in the server, would hold a snapshot meanwhile. CREATE INDEX CONCURRENTLY in the
        process that holds the lock waits for every older snapshot, so both would wait for ever.
        """

        def call(function: str) -> bool:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {function}(%s::bigint)", [ADVISORY_LOCK])
                return bool(cursor.fetchone()[0])

        self.wait_for(lambda: call("pg_try_advisory_lock"))
        try:
            yield
        finally:
            with suppress(Error):  # a session that has ended holds no lock
                call("pg_advisory_unlock")

    @contextmanager
    def file_lock(self, path: str) -> Iterator[None]:
        """Hold an exclusive transaction on an empty SQLite database next to the migrated one.

        SQLite locks files on every system, and a lock ends with its process.
        """
        try:
            with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as holder:
                self.wait_for(lambda: is_begun(holder))
                yield
        except sqlite3.OperationalError as error:
            raise CommandError(f"{path}: {error}. The folder of the database must be writable.") from error

    def wait_for(self, attempt: Callable[[], bool]) -> None:
        """Call `attempt` until it has the lock. Raises CommandError after the timeout."""
        deadline = time.monotonic() + self.timeout
        noticed = False
        while not attempt():
            if time.monotonic() >= deadline:
                raise CommandError(
                    f"Another migrate is still running on this database after {self.timeout} seconds. Run this again"
                    " when it has ended, or give it more time by --lock-timeout."
                )
            if not noticed:
                self.stderr.write(
                    f"Another migrate is running on this database. Waiting for it up to {self.timeout} seconds."
                )
                noticed = True
            time.sleep(POLL_SECONDS)


def is_begun(holder: sqlite3.Connection) -> bool:
    try:
        holder.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True
