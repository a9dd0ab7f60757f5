"""The records that the pages under /dev/ show: a SQLite file next to the database, for all processes of this machine.

The records of a process are lost when the server starts again after a change of its code, and a cache without Redis is
that of one process. A table of the database would exist in production too.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

MAX_RECORDS = 200  # of each kind
MAX_SECONDS = 24 * 3600
BUSY_SECONDS = 2  # another process may be writing
TABLE = """
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    summary TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS record_by_kind ON record (kind, id);
"""
SUMMARY_COLUMNS = "id, request_id, created_at, summary, '{}' AS details"


@dataclass(frozen=True)
class Record:
    """Record of an email or a request. Lists have the summary only."""

    id: int
    request_id: str
    created_at: datetime
    summary: dict[str, Any]
    details: dict[str, Any]


def path() -> Path:
    """Return the file: `db.sqlite3.dev` next to a database of SQLite, `var/<name>.dev` for one of PostgreSQL."""
    return Path(settings.BASE_DIR, "var", f"{settings.DATABASES['default']['NAME']}.dev")


@contextmanager
def opened() -> Iterator[sqlite3.Connection]:
    """Open the file, which only its owner may read: emails contain links with secrets. Commit at the end."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(TABLE)
        with connection:
            yield connection
    finally:
        connection.close()


def is_writable() -> bool:
    """Return whether there is a place for the file: the containers of docker-compose.yml are read-only."""
    try:
        with opened():
            return True
    except (OSError, sqlite3.Error):
        return False


def add(kind: str, request_id: str, summary: Mapping[str, Any], details: Mapping[str, Any]) -> None:
    """Store a record, and delete those that are too old or too many."""
    now = time.time()
    with opened() as connection:
        connection.execute(
            "INSERT INTO record (kind, request_id, created_at, summary, details) VALUES (?, ?, ?, ?, ?)",
            (kind, request_id, now, json.dumps(summary, default=str), json.dumps(details, default=str)),
        )
        connection.execute("DELETE FROM record WHERE created_at < ?", (now - MAX_SECONDS,))
        too_many = "SELECT id FROM record WHERE kind = ? ORDER BY id DESC LIMIT -1 OFFSET ?"
        connection.execute(f"DELETE FROM record WHERE id IN ({too_many})", (kind, MAX_RECORDS))  # noqa: S608


def newest(kind: str, *, request_id: str | None = None) -> list[Record]:
    """Return the records of a kind without their details, the newest first; with a request id those of the request."""
    return rows(
        f"SELECT {SUMMARY_COLUMNS} FROM record WHERE kind = ? AND ? IN ('', request_id) AND created_at > ?"  # noqa: S608
        " ORDER BY id DESC",
        (kind, request_id or "", time.time() - MAX_SECONDS),
    )


def find(kind: str, record_id: int) -> Record | None:
    columns = "id, request_id, created_at, summary, details"
    matching = rows(
        f"SELECT {columns} FROM record WHERE kind = ? AND id = ? AND created_at > ?",  # noqa: S608
        (kind, record_id, time.time() - MAX_SECONDS),
    )
    return matching[0] if matching else None


def rows(statement: str, values: tuple[Any, ...]) -> list[Record]:
    with opened() as connection:
        return [
            Record(key, request_id, datetime.fromtimestamp(at, UTC), json.loads(summary), json.loads(details))
            for key, request_id, at, summary, details in connection.execute(statement, values)
        ]
