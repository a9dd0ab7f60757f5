"""Triggers that the code declares: `migrate` installs them at its end, and drops them before it changes SQLite tables.

SQLite changes a table by making a new one. It drops the triggers of the old one, and refuses to while a trigger of
another table reads it. So no migration names a trigger: a function that `declares` returns those of its tables.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, connections, transaction

PREFIX = "declared_"
MIGRATIONS = "migrations"  # the tag of checks of what `migrate` must do, for readiness (core/web/health.py)
READ_POSTGRESQL = f"""
    SELECT relname, tgname FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid
    WHERE tgname LIKE '{PREFIX}%' AND NOT tgisinternal AND tgenabled <> 'D'
    AND relnamespace = current_schema()::regnamespace
"""  # noqa: S608
READ_SQLITE = f"SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '{PREFIX}%'"  # noqa: S608


@dataclass(frozen=True)
class Trigger:
    """A trigger of one table. On SQLite its name is unique in the database, on PostgreSQL in the table.

    `create` follows CREATE. On PostgreSQL an installed trigger is left as it is, since a new one needs a lock on the
    table: a change belongs into its function, or needs a new name.
    """

    table: str
    name: str
    create: str

    @property
    def key(self) -> tuple[str, str]:
        return self.table, PREFIX + self.name


@dataclass(frozen=True)
class Declared:
    """Triggers with the functions that they call, and what must be done when one of them was missing."""

    triggers: Sequence[Trigger]
    functions: Sequence[str] = ()
    repair: Sequence[str] = ()


Declaration = Callable[[Any], Declared]
declarations: list[Declaration] = []


def declares(declaration: Declaration) -> Declaration:
    """Register a function from a connection to the triggers of its existing tables."""
    declarations.append(declaration)
    return declaration


def installed(connection: Any) -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(READ_POSTGRESQL if connection.vendor == "postgresql" else READ_SQLITE)
        return set(cursor.fetchall())


def install(connection: Any, *chosen: Declaration) -> None:
    """Install all triggers, and drop those that nothing declares any more. With `chosen`, only these."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        present = installed(connection)
        selected = [declaration(connection) for declaration in chosen or declarations]
        known = {trigger.key for declared in selected for trigger in declared.triggers}
        if not chosen:
            drop(connection, present - known)
        for declared in selected:
            for function in declared.functions:
                cursor.execute(function)
            if connection.vendor == "sqlite":
                drop(connection, present & {trigger.key for trigger in declared.triggers})
            for trigger in declared.triggers:
                if connection.vendor == "sqlite" or trigger.key not in present:
                    cursor.execute(f"CREATE {trigger.create}")
            if {trigger.key for trigger in declared.triggers} - present:
                repair(connection, declared)


def repair(connection: Any, *selected: Declared) -> None:
    """Do what must be done after a time without these triggers."""
    with connection.cursor() as cursor:
        for statement in (each for declared in selected for each in declared.repair):
            cursor.execute(statement)


def remove(connection: Any, *chosen: Declaration) -> None:
    """Drop all triggers, or those of `chosen`."""
    keys = {trigger.key for one in chosen for trigger in one(connection).triggers}
    drop(connection, keys & installed(connection) if chosen else installed(connection))


def drop(connection: Any, keys: Iterable[tuple[str, str]]) -> None:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for table, name in keys:
            place = f" ON {quote(table)}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {quote(name)}{place}")


def missing(connection: Any) -> list[tuple[str, str]]:
    """Return (table, trigger) of what is declared for an existing table and not installed."""
    keys = {trigger.key for one in declarations for trigger in one(connection).triggers}
    return sorted(keys - installed(connection))


def before_migrations(*, using: str = DEFAULT_DB_ALIAS, plan: Any = None, **_options: Any) -> None:
    if plan and connections[using].vendor == "sqlite":
        remove(connections[using])


def after_migrations(*, using: str = DEFAULT_DB_ALIAS, plan: Any = None, **_options: Any) -> None:
    """Install them after every `migrate`, also one that had nothing to do. `flush` sends this signal without a plan."""
    if plan is not None:
        install(connections[using])


@register(Tags.database, MIGRATIONS)
def check_triggers(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Return a warning for each missing trigger. An error would stop `migrate`, which installs them."""
    return [
        Warning(
            f"The table {table} lacks its trigger {name}.",
            hint="Run `manage.py migrate`, which installs it.",
            id="core.W003",
        )
        for alias in databases or ()
        for table, name in missing(connections[alias])
    ]
