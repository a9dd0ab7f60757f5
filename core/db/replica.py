"""Reads from the replica of DATABASE_REPLICA_URL: exports, lists with `scope=all`, lists of the admin.

All other reads are from the primary, and so is each read in a transaction of the primary, which must see its own
writes. Without the variable there is no router, and nothing here decides.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections

from core.db.databases import REPLICA
from core.db.replica_health import is_of_replica, replica_health
from core.web.metrics import replica_reads

Result = TypeVar("Result")

chosen: ContextVar[str] = ContextVar("read_alias", default=DEFAULT_DB_ALIAS)


def read_alias() -> str:
    """Return the alias of the database from which this thread reads now."""
    alias = chosen.get()
    if alias != DEFAULT_DB_ALIAS and connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return DEFAULT_DB_ALIAS
    return alias


@contextmanager
def reading_from(alias: str) -> Iterator[None]:
    """Let the reads inside be from this database. A generator must not yield inside: its caller would too."""
    token = chosen.set(alias)
    try:
        yield
    finally:
        chosen.reset(token)


class ReplicaRouter:
    """The database router (`DATABASE_ROUTERS`) of the primary and its replica."""

    def db_for_read(self, _model: Any, **hints: Any) -> str | None:
        """Return where to read, also a relation of a row from the replica: that is read like all else."""
        instance = hints.get("instance")
        known = {None, DEFAULT_DB_ALIAS, REPLICA}
        return read_alias() if instance is None or instance._state.db in known else None

    def db_for_write(self, _model: Any, **hints: Any) -> str | None:
        instance = hints.get("instance")
        return DEFAULT_DB_ALIAS if instance is not None and instance._state.db == REPLICA else None

    def allow_relation(self, first: Any, second: Any, **_hints: Any) -> bool | None:
        return True if {first._state.db, second._state.db} <= {None, DEFAULT_DB_ALIAS, REPLICA} else None

    def allow_migrate(self, db: str, _app_label: str, **_hints: Any) -> bool | None:
        return False if db == REPLICA else None


def read_from_replica(read: Callable[[], Result]) -> Result:
    """Return what `read` returns, which reads only. It is called again for the primary where the replica fails."""

    def read_there(alias: str) -> Result:
        if alias == REPLICA:
            replica_health.connection().set_limits()
        with reading_from(alias):
            return read()

    return attempt(read_there, replica_health.is_fit)


def attempt(work: Callable[[str], Result], is_fit: Callable[[], bool]) -> Result:
    """Return what `work` returns for the alias of the replica if that is fit, else for the primary; for the primary too
    where the replica fails meanwhile."""
    if REPLICA not in settings.DATABASES or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return work(DEFAULT_DB_ALIAS)
    outcome = "primary"
    if is_fit():
        try:
            result = work(REPLICA)
        except Error as error:
            if not is_of_replica(error):
                raise
            replica_health.report(error)
            outcome = "repeated"
        else:
            replica_reads.labels("replica").inc()
            return result
    replica_reads.labels(outcome).inc()
    return work(DEFAULT_DB_ALIAS)
