"""The lock that lets one `migrate` at a time change a database; the others wait."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from django.db import Error

ADVISORY_LOCK = 0x6D696772617465  # "migrate"; each database of a server has its own
POLL_SECONDS = 0.5

Notice = Callable[[], None]


class MigrationLockError(Exception):
    """The lock cannot be had: another `migrate` holds it too long, or its file cannot be made."""


@contextmanager
def migration_lock(connection: Any, timeout: int, notice: Notice) -> Iterator[None]:
    """Hold the lock for the block. Call `notice` once if that has to wait. Raises MigrationLockError."""
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
            raise MigrationLockError(
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
    """Hold an exclusive transaction on an empty SQLite database next to the one that is migrated.

    SQLite locks files on every system, and a lock ends with its process.
    """
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as holder:
            wait_for(lambda: is_begun(holder), timeout, notice)
            yield
    except sqlite3.OperationalError as error:
        raise MigrationLockError(f"{path}: {error}. The folder of the database must be writable.") from error


def is_begun(holder: sqlite3.Connection) -> bool:
    try:
        holder.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True
