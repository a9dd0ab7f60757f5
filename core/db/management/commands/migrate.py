"""Django's `migrate`, one at a time, and without a queue of requests behind it.

Of several that start at once one migrates, and the others wait. A migration that waits for a table would make every
later request for that table wait too, so it gives up after MIGRATION_LIMITS.lock_timeout, and is tried again.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import Error, OperationalError, connections

from core.web.request_context import MIGRATION_LIMITS, time_limits, use_limits

LOCK_TIMEOUT = 600
ADVISORY_LOCK = 0x6D696772617465  # "migrate"; each database of a server has its own
POLL_SECONDS = 0.5
PAUSE_SECONDS = 2.0  # before another attempt, so that the requests that have waited are served
ROLLED_BACK = {"55P03", "40P01"}  # lock_not_available, deadlock_detected


class Command(Migrate):
    timeout = LOCK_TIMEOUT
    current: Any = None  # the migration that is applied or unapplied at the moment

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-timeout",
            type=int,
            default=LOCK_TIMEOUT,
            metavar="SECONDS",
            help="How long to wait for another migrate on this database, and then for transactions that use a table"
            f" which a migration changes. Default: {LOCK_TIMEOUT}.",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Take the lock before the system checks: they open the database already."""
        self.timeout = options["lock_timeout"]
        if self.timeout < 0:
            raise CommandError("--lock-timeout must be 0 or more.")
        with self.lock(connections[options["database"]]), migration_limits():
            return self.repeated(lambda: Migrate.execute(self, *args, **options))

    def repeated(self, migrate: Callable[[], str | None]) -> str | None:
        """Call `migrate` until no other transaction is in its way. Raises CommandError after the timeout.

        What a migration had done is rolled back, and those before it are recorded as applied. One with
        `atomic = False` is not repeated: what it had done before the error remains.
        """
        deadline = time.monotonic() + self.timeout
        while True:
            self.current = None
            try:
                return migrate()
            except OperationalError as error:
                is_whole = self.current is None or self.current.atomic
                if getattr(error.__cause__, "sqlstate", None) not in ROLLED_BACK or not is_whole:
                    raise
                if time.monotonic() >= deadline:
                    raise CommandError(
                        f"Other transactions still use a table that {self.current or 'migrate'} changes, after"
                        f" {self.timeout} seconds. Run this again when they have ended: pg_stat_activity lists them."
                    ) from error
            self.stderr.write(
                f"Other transactions use a table that {self.current or 'migrate'} changes."
                f" Trying again in {PAUSE_SECONDS:.0f} seconds."
            )
            time.sleep(PAUSE_SECONDS)

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        self.current = migration if action in {"apply_start", "unapply_start"} else None
        super().migration_progress_callback(action, migration, fake)

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


@contextmanager
def migration_limits() -> Iterator[None]:
    before = time_limits.get()
    use_limits(MIGRATION_LIMITS)
    try:
        yield
    finally:
        use_limits(before)


def is_begun(holder: sqlite3.Connection) -> bool:
    try:
        holder.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True
