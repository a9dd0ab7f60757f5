"""Functions that read and write past the product: rows of its database, and its processes in /proc."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.tests.waiting import wait_until

COPY = """
    INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, generate_series({first}, {last}) AS number
    WHERE {condition}
"""
COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'"
)


def copy_row(connection: Any, table: str, condition: str, first: int, last: int, **values: str) -> None:
    """Copy the row of this condition for each `number` from `first` to `last`, with these expressions and a new key."""
    columns = [name for (name,) in connection.execute(COLUMNS, [table]).fetchall()]
    values["id"] = "gen_random_uuid()"
    connection.execute(
        COPY.format(
            table=table,
            condition=condition,
            first=first,
            last=last,
            columns=", ".join(columns),
            values=", ".join(values.get(name, name) for name in columns),
        )
    )


def add_users(connection: Any, prefix: str, number: int, source: str = "reader@example.com") -> list[str]:
    """Copy the user with the address `source` so often. Return the addresses: prefix1@example.com, and so on."""
    email = f"'{prefix}' || number || '@example.com'"
    copy_row(connection, "accounts_user", f"email = '{source}'", 1, number, email=email)
    return [f"{prefix}{number}@example.com" for number in range(1, number + 1)]


def unfinished(stage: Any, condition: str = "TRUE") -> int:
    """Return how many messages of the outbox wait or are on their way."""
    query = f"SELECT count(*) FROM core_outbox_outboxmessage WHERE finished_at IS NULL AND {condition}"
    with stage.connection() as connection:
        return int(connection.execute(query).fetchone()[0])


def wait_until_drained(stage: Any, seconds: float = 90) -> None:
    """Wait until every delivery has ended, so that no email can come twice any more."""
    wait_until(lambda: not unfinished(stage), seconds, explain=lambda: unfinished(stage))


def children(pid: int) -> list[int]:
    """Return the children of all threads of this process."""
    return [
        int(child)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for child in path.read_text().split()
    ]


def descendants(pid: int) -> list[int]:
    """Return this process, its children, and theirs."""
    return [pid, *(each for child in children(pid) for each in descendants(child))]


def kill(pids: Iterable[int]) -> None:
    """Kill these processes, as `kill -9` does. Some may have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def megabytes(pid: int, name: str = "VmRSS") -> float:
    """Return the memory of a process; with VmHWM its peak."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) / 1024
