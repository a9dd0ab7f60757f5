"""Fitness of the replica: it is a standby of the primary, responds, and is not too far behind.

A process looks once a second, while there are reads for it. An old time of the latest replayed transaction may mean
that none was committed since, so the positions in the WAL are compared first: that of the primary now, and that of the
look before. A replica that has failed is not tried again by a request, which would wait for it, but by a thread.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, OperationalError, connections
from psycopg.errors import QueryCanceled, SerializationFailure

from core.db.databases import REPLICA
from core.web.metrics import replica_lag
from core.web.request_context import REQUEST_LIMITS, time_limits

log = structlog.get_logger(__name__)

CHECK_SECONDS = 1.0  # between two checks, and how long one may take
PAUSE_SECONDS = 5.0  # after a failure
POLL_SECONDS = 0.05
UNKNOWN, LOST, LAGGING, FOREIGN = "unknown", "lost", "lagging", "no standby of the primary"

# The flushed position: it is all that a standby can have.
CLUSTER = "(SELECT system_identifier FROM pg_control_system()), current_database()::text"
POSITION = f"SELECT pg_current_wal_flush_lsn()::text, clock_timestamp(), {CLUSTER}"
REPLAYED = f"""
    SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn() >= %s::pg_lsn, pg_last_wal_replay_lsn() >= %s::pg_lsn,
        pg_last_xact_replay_timestamp(), {CLUSTER}
"""


def primary_position() -> Sequence[Any]:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(POSITION)
        row: Sequence[Any] = cursor.fetchone()
        return row


def compare(position: Sequence[Any], earlier: Sequence[Any]) -> tuple[str, float]:
    """Return what is wrong with the replica, or an empty text, and its lag behind this position of the primary, which
    is no more than the age of an earlier one that it has replayed."""
    lsn, now, *cluster = position
    replica = replica_health.connection()
    replica.ensure_connection()
    with replica.limited(CHECK_SECONDS), replica.cursor() as cursor:
        cursor.execute(REPLAYED, [lsn, earlier[0]])
        is_standby, has_all, has_earlier, committed_at, *other = cursor.fetchone()
    if not is_standby or other != cluster:
        return FOREIGN, 0.0
    if has_all:
        return "", 0.0
    known = [committed_at, earlier[1] if has_earlier else None]
    lag = min(((now - moment).total_seconds() for moment in known if moment), default=float("inf"))
    return LAGGING if lag > settings.DATABASE_REPLICA_MAX_LAG else "", lag


class Health:
    """Knowledge of this process about the replica."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin without knowledge: a fork copies the object, but not the thread that is about to update it."""
        self.lock = threading.Lock()
        self.problem = UNKNOWN
        self.next_check = 0.0
        self.position: Sequence[Any] | None = None
        self.failures = 0

    def connection(self) -> Any:
        """Return the connection of this thread, closed if it was made before the latest failure or lag: by then the
        address may be that of another server, while the old one still serves its old connections."""
        replica: Any = connections[REPLICA]
        if replica.failures != self.failures:
            replica.close()
            replica.failures = self.failures
        return replica

    def is_fit(self) -> bool:
        """Return whether a request may read from the replica. It waits for no replica that has failed."""
        if time.monotonic() >= self.next_check and self.lock.acquire(blocking=False):
            try:
                if self.problem:
                    self.next_check = time.monotonic() + PAUSE_SECONDS
                    threading.Thread(target=self.check_in_thread, name="replica", daemon=True).start()
                else:
                    self.check(primary_position())
            finally:
                self.lock.release()
        # While another thread looks, the last result counts for a second more.
        return not self.problem and time.monotonic() < self.next_check + CHECK_SECONDS

    def check_in_thread(self) -> None:
        time_limits.set(REQUEST_LIMITS)
        try:
            with suppress(Error):  # of the primary
                self.check(primary_position())
        finally:
            connections.close_all()

    def is_caught_up(self) -> bool:
        """Return whether the replica has all that is committed now. Waits for it as long as it may lag."""
        position = primary_position()
        deadline = time.monotonic() + settings.DATABASE_REPLICA_MAX_LAG
        while (lag := self.check(position)) and not self.problem and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return not self.problem and not lag

    def check(self, position: Sequence[Any]) -> float:
        """Look at the replica, and return its lag behind this position."""
        earlier, self.position = self.position or position, position
        try:
            problem, lag = compare(position, earlier)
        except Error as error:
            self.report(error)
            return 0.0
        self.update(problem, lag=round(lag, 3))
        if problem != FOREIGN:
            replica_lag.set(lag)
        return lag

    def report(self, error: Exception) -> None:
        """Take note of an error of the replica. One that ended a query only, since that was in the way of the replay,
        or since a table is not there yet, is no sign of more."""
        is_lost = isinstance(error, OperationalError | InterfaceError)
        if is_lost and not isinstance(error.__cause__, SerializationFailure):
            self.update(LOST, error=str(error).strip()[:200])

    def update(self, problem: str, **details: Any) -> None:
        before, self.problem = self.problem, problem
        self.next_check = time.monotonic() + (PAUSE_SECONDS if problem == LOST else CHECK_SECONDS)
        if problem and problem != before:
            self.failures += 1
            log.warning("replica_unused", reason=problem, **details)
        elif before and not problem:
            log.info("replica_used", **details)


def is_of_replica(error: Exception) -> bool:
    """Return whether the primary may do better: any error but that of a statement that takes too long."""
    return not isinstance(error.__cause__, QueryCanceled)


def replica_findings() -> Iterator[tuple[str, str, str]]:
    """Yield what `manage.py doctor` prints of the replica: a status, a text and a cure. Nothing without a replica, or
    without the primary, which is a finding of its own."""
    if REPLICA not in settings.DATABASES:
        return
    with suppress(Error):
        lag = replica_health.check(primary_position())
        cure = "Check DATABASE_REPLICA_URL, and pg_stat_replication of the primary (docs/runbook.md, ReplicaUnused)."
        if replica_health.problem:
            yield "warning", f"{replica_health.problem}: its reads go to the primary", cure
        else:
            yield "ok", f"a standby of the primary, {lag:.1f} s behind", ""


replica_health = Health()
os.register_at_fork(after_in_child=replica_health.reset)
