"""Django's PostgreSQL backend, with a health check and new rows that do not cost a round trip each."""

import select
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from psycopg.pq import TransactionStatus

from core.postgresql.prepared import Prepared, checked, rows_of

IDLE_SECONDS = 30.0


Parent: Any = base.DatabaseWrapper  # its stubs leave out most of what is extended here


class DatabaseWrapper(Parent):
    """For connections that threads keep (CONN_MAX_AGE).

    A server that restarts or drops a connection says so: its last words wait in the socket, and a look at the socket
    finds them. Only after a long silence, when something between may have forgotten the connection without a word,
    is the server asked.

    Rows that `insert` is given in a transaction wait for the next ones, and go with them in one statement: before
    whatever else is said, and at the latest before the commit.
    """

    last_checked = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting: list[tuple[str, Sequence[Any]]] = []

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self.last_checked = time.monotonic()
        return super().get_new_connection(conn_params)

    def is_usable(self) -> bool:
        now = time.monotonic()
        idle = now - self.last_checked
        self.last_checked = now
        raw: Any = self.connection
        # After an error the socket proves nothing.
        if raw is None or self.errors_occurred or idle > IDLE_SECONDS:
            return super().is_usable()
        return not raw.closed and not something_waits(raw.fileno())

    # --- new rows -----------------------------------------------------------------------------

    def insert(self, sql: str, values: Sequence[Any]) -> None:
        """An INSERT that returns nothing. In a transaction what it breaks may be raised by a later statement."""
        self.validate_no_broken_transaction()
        self.waiting.append((sql, values))
        # Django marks the block that it puts around a test: what is outside of any other is so in the test too.
        if not self.in_atomic_block or self.atomic_blocks[-1]._from_testcase:
            self.flush()

    def flush(self) -> None:
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        statement = together(tuple(sql for sql, _values in waiting))
        values = [value for _sql, given in waiting for value in given]
        if rows_of(self, statement, values) is None:
            with self.cursor() as cursor:
                cursor.execute(statement.sql, values)

    def _cursor(self, name: str | None = None) -> Any:
        self.flush()
        return super()._cursor(name)

    def _commit(self) -> None:
        self.flush()
        raw = self.connection
        if raw is None or raw.pgconn.transaction_status != TransactionStatus.INTRANS:
            super()._commit()
            return
        with debug_transaction(self, "COMMIT"), self.wrap_database_errors:
            checked(raw, raw.pgconn.exec_(b"COMMIT"))

    def _rollback(self) -> None:
        self.waiting = []
        super()._rollback()

    def _savepoint_rollback(self, sid: str) -> None:
        self.waiting = []  # those from before have gone when it was set
        super()._savepoint_rollback(sid)

    def close(self) -> None:
        self.waiting = []
        super().close()


@lru_cache(maxsize=1000)
def together(inserts: tuple[str, ...]) -> Prepared:
    """One statement, whose parts see nothing of each other."""
    *first, last = inserts
    parts = ", ".join(f"part{number} AS ({sql})" for number, sql in enumerate(first))
    return Prepared(f"WITH {parts} {last}" if first else last)


def something_waits(descriptor: int) -> bool:
    """Between two statements a server has nothing to say but that it goes. (A notice is mistaken for that, and costs
    a new connection.)"""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
