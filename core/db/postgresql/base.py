"""Django's PostgreSQL backend with a health check that costs no round trip, and with time limits."""

import select
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.operations import DatabaseOperations
from psycopg import Connection, OperationalError
from psycopg.errors import ConnectionTimeout
from psycopg.pq import TransactionStatus

from core.db.databases import REPLICA
from core.web.request_context import TimeLimits, time_limits
from core.web.resolver import resolver

IDLE_SECONDS = 30.0
# How long a statement of this module may take in a request, which then may have to wait for a new connection.
CHECK_SECONDS = 1.0
CONNECT_SECONDS = 2.0
MAX_PARAMETERS = 65_535  # of a statement, in the protocol of PostgreSQL
NAMES = [field.name for field in fields(TimeLimits) if field.name != "grace"]


@dataclass
class Silence:
    """The memory of a database that has not responded. Then one thread of the process at a time tries to connect, and
    requests in the others are refused instead of waiting with it."""

    noticed: bool = False
    next_try: float = 0.0


silences: defaultdict[str, Silence] = defaultdict(Silence)  # by alias


class LimitedConnection(Connection[Any]):
    """A connection that is closed when the server has not responded within `timeout` seconds.

    PostgreSQL cancels a statement after `statement_timeout`, so a server that is later than that does not work.
    """

    timeout: float | None = None
    silence: Silence

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Wait for the server: for the end of a statement, a commit or a rollback."""
        try:
            return super().wait(gen, *arguments, **{"timeout": self.timeout, **options})
        except OperationalError:
            if self.info.transaction_status is TransactionStatus.ACTIVE:  # what comes late must not be read
                self.close()
                self.silence.noticed = True
            raise


class Operations(DatabaseOperations):
    """Operations in batches: a statement with bound parameters has a limit, which Django 5.2 takes for none."""

    def bulk_batch_size(self, fields: Any, objs: Any) -> int:
        return max(1, min(len(objs), MAX_PARAMETERS // max(1, len(fields))))


Parent: Any = base.DatabaseWrapper  # its stubs leave out most of what is extended here


class DatabaseWrapper(Parent):
    """The wrapper for connections that threads keep (CONN_MAX_AGE).

    A server that restarts or ends a connection sends a message first, so the socket is readable. Only after
    IDLE_SECONDS, when a firewall may have dropped the connection without a message, a query tests it.
    """

    ops_class = Operations
    last_checked = 0.0
    limits: TimeLimits | None = None
    failures = 0  # of the replica before the connection was made (core/db/replica_health.py)

    def connect(self) -> None:
        super().connect()
        self.limits = None
        self.set_limits()
        if self.connection is None:
            raise OperationalError("the connection was lost as soon as it was made")

    def apply_limits(self) -> None:
        """Set the time limits of this thread, but on the replica: those are set by a request that reads from it
        (core/db/replica.py), since a replica that does not respond must delay no other."""
        if self.alias != REPLICA:
            self.set_limits()

    def set_limits(self) -> None:
        """Set the time limits of this thread on the open connection, unless it has them.

        After connecting, because PgBouncer refuses them as start-up options. In its transaction mode a SET would be for
        whatever client comes next, so there they are the role's. The options of DATABASE_URL have precedence.
        """
        limits = time_limits.get()
        if self.connection is None or limits == self.limits or self.in_atomic_block:
            return
        is_pooled = self.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
        given = self.settings_dict["OPTIONS"].get("options", "")
        calls = [
            f"set_config('{name}', '{getattr(limits, name)}', false)"
            for name in NAMES
            if name not in given and not is_pooled
        ]
        if self.alias == REPLICA and not is_pooled:
            calls.append("set_config('default_transaction_read_only', 'on', false)")
        in_force = "extract(epoch FROM current_setting('statement_timeout')::interval)::float"
        self.connection.timeout = check_seconds(limits)
        try:
            row = self.connection.execute(f"SELECT {', '.join([*calls, in_force])}", prepare=False).fetchone()
        except OperationalError:  # the connection is lost; the next statement opens another
            self.close()
            return
        self.limits = limits
        # A timeout of 0 means that PostgreSQL never cancels a statement.
        self.connection.timeout = row[-1] + limits.grace if row[-1] and limits.grace is not None else None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self.last_checked = now = time.monotonic()
        silence = silences[self.alias]
        if silence.noticed:
            if now < silence.next_try:
                raise OperationalError("the server does not respond, and another thread tries to connect")
            silence.next_try = now + CONNECT_SECONDS
        try:
            raw = super().get_new_connection(with_addresses(conn_params))
            silence.noticed = False
        except OperationalError as error:
            silence.noticed = isinstance(error, ConnectionTimeout)
            raise
        finally:
            silence.next_try = 0.0
        raw.__class__ = LimitedConnection  # Django names no class to connect with
        raw.silence, raw.timeout = silence, check_seconds(time_limits.get())
        return raw

    def set_autocommit(self, autocommit: bool, *arguments: Any, **options: Any) -> None:
        """Do nothing at the end of a transaction whose connection was lost. Django would connect again at once, only
        for this, and wait for a server that has just failed; a new connection has it anyway."""
        if self.connection is not None or not autocommit:
            super().set_autocommit(autocommit, *arguments, **options)

    def is_usable(self) -> bool:
        now = time.monotonic()
        idle = now - self.last_checked
        self.last_checked = now
        raw: Any = self.connection
        # After an error the socket proves nothing.
        if raw is None or self.errors_occurred or idle > IDLE_SECONDS:
            return self.responds()
        return not raw.closed and not is_readable(raw.fileno())

    def responds(self) -> bool:
        """Return whether the server responds to a query within CHECK_SECONDS."""
        if self.connection is None:
            return False
        with self.limited(CHECK_SECONDS):
            return bool(super().is_usable())

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Close the open connection if a statement inside takes longer than this."""
        raw: Any = self.connection
        before, raw.timeout = raw.timeout, seconds
        try:
            yield
        finally:
            raw.timeout = before


def with_addresses(conn_params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with the addresses of the host, which psycopg would look up without a time limit. It also
    does so for a list of hosts."""
    host = conn_params.get("host", "")
    if not host or "hostaddr" in conn_params or "," in host or host[0] in "/@":
        return conn_params
    try:
        addresses = resolver.addresses_of(host, check_seconds(time_limits.get()))
    except TimeoutError as error:
        raise ConnectionTimeout(f"the lookup of the host {host!r} takes too long") from error
    except OSError as error:
        raise OperationalError(f"failed to resolve host {host!r}: {error}") from error
    names = ",".join([host] * len(addresses))  # for TLS
    return {**conn_params, "host": names, "hostaddr": ",".join(addresses)}


def check_seconds(limits: TimeLimits) -> float | None:
    return None if limits.grace is None else CHECK_SECONDS


def is_readable(descriptor: int) -> bool:
    """Return whether the server has sent something. Between two statements that is the end of the connection, or a
    notice, which costs a new connection."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
