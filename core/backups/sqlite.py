"""SQLite: its online backup, which copies one moment while others write."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

from core.backups.programs import BackupError, blocks

VENDOR = "sqlite"
DUMP = "database.sqlite3"
LOCK_SECONDS = 30


class Snapshot:
    """A copy of the database."""

    def __init__(self, path: Path, raw: sqlite3.Connection) -> None:
        self.path, self.raw = path, raw

    def dump(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from blocks(file)

    def rows(self, statement: str) -> list[Any]:
        return self.raw.execute(statement).fetchall()

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return the number of rows and the hash of each table, in the order of its rows in the file."""
        names = self.rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        )
        return {name: self.digest(name) for (name,) in names}

    def digest(self, table: str) -> dict[str, Any]:
        content, number = hashlib.sha256(), 0
        for row in self.raw.execute(f'SELECT * FROM "{table}" ORDER BY rowid'):  # noqa: S608
            content.update(repr(row).encode("utf-8", "surrogatepass"))
            number += 1
        return {"rows": number, "sha256": content.hexdigest()}


@contextmanager
def snapshot(work: Path, name: str = "") -> Iterator[Snapshot]:
    """Copy the database into a folder; with `name` read that file as it is."""
    path = Path(name) if name else work / DUMP
    try:
        with closing(sqlite3.connect(path)) as raw:
            if not name:
                with closing(sqlite3.connect(f"{file_of_database().as_uri()}?mode=rw", uri=True)) as source:
                    source.backup(raw)
                raw.execute("PRAGMA journal_mode = DELETE")  # so that it is one file
            yield Snapshot(path, raw)
    except sqlite3.Error as error:
        raise BackupError(f"{error}. Check DATABASE_URL, and the free space of TMPDIR.") from error


def others_at_work() -> str:
    """Return what has the file open. A process has it open only while it works: an idle one is not noticed."""
    connection.close()
    path = file_of_database()
    try:
        with closing(sqlite3.connect(path, timeout=1)) as raw:
            raw.execute("PRAGMA journal_mode = DELETE")  # needs the file alone
    except sqlite3.OperationalError as error:
        return f"{path} ({error})"
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{path} is damaged: {error}. Move it away, with its -wal and -shm.") from error
    return ""


def load(dump: Path, name: str = "") -> None:
    """Replace everything in the database, or in the file with this name. In one transaction: all or nothing."""
    deadline = time.monotonic() + LOCK_SECONDS

    def check(status: int, _remaining: int, _total: int) -> None:
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and time.monotonic() > deadline:
            raise BackupError("The database is locked by another process. Stop everything that uses it.")

    try:
        with (
            closing(sqlite3.connect(dump)) as source,
            closing(sqlite3.connect(name or file_of_database())) as raw,
        ):
            [(result,)] = source.execute("PRAGMA quick_check(1)").fetchall()
            if result != "ok":
                raise BackupError(f"The copy of the database is damaged: {result}")
            source.backup(raw, progress=check)
    except sqlite3.Error as error:
        raise BackupError(f"The database cannot be loaded: {error}") from error


@contextmanager
def scratch(work: Path) -> Iterator[str]:
    yield str(work / "scratch.sqlite3")


def file_of_database() -> Path:
    name = str(connection.settings_dict["NAME"])
    if connection.is_in_memory_db():  # type: ignore[attr-defined]
        raise BackupError("A database in memory has no backup. Name a file or a server in DATABASE_URL.")
    return Path(name).absolute()
