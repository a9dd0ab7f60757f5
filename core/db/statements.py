"""SQL compiled once for each query signature; after that only its values change.

Building a queryset and compiling it costs several times what PostgreSQL needs for the statement. So the first request
of a signature (view, order, filters and fields) builds its queryset with placeholders, values that occur nowhere else,
and stores their positions in the statement. Later requests insert their own values there. Rows come in PostgreSQL's
binary format, which psycopg reads in C.
"""

import copy
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import (
    AutoField,
    BigIntegerField,
    CharField,
    DateTimeField,
    IntegerField,
    Model,
    QuerySet,
    TextField,
    UUIDField,
)
from django.db.models.expressions import RawSQL
from psycopg.pq import Format

from core.db.replica import read_alias

MAX_STATEMENTS = 2000
EPOCH = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slot:
    """Position of a request's value among the parameters of a statement."""

    name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with slots among its parameters. `run` returns its rows as tuples."""

    sql: str
    params: tuple[Any, ...]

    def run(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        params = [values[item.name] if type(item) is Slot else item for item in self.params]
        with connections[read_alias()].cursor() as cursor:
            cursor.cursor.format = Format.BINARY
            cursor.execute(self.sql, params)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


class UncompilableError(TypeError):
    """The queryset has a time or an id that is not one of the request's values."""


def compiled(queryset: QuerySet[Any], placeholders: Mapping[str, Any]) -> Statement:
    """Return the queryset's statement. `placeholders` {slot: value} are the values it was built with.

    Raises UncompilableError for any other time or id: every later request would use it.
    """
    sql, params = queryset.query.get_compiler(connection=connection).as_sql()
    slots = {value: Slot(name) for name, value in placeholders.items()}
    placed = tuple(slots.get(param, param) if isinstance(param, Hashable) else param for param in params)
    if any(isinstance(param, date | UUID) for param in placed):
        raise UncompilableError(sql)
    return Statement(sql, placed)


def with_limit(statement: Statement, limit: int | None) -> Statement:
    """Return the statement of one page: of the first with `limit`, else with slots for limit and offset.

    With a constant limit PostgreSQL knows the number of rows, and caches the plan. As constants, the numbers of the
    further pages would make each page a signature of its own.
    """
    if limit is not None:
        return Statement(f"{statement.sql} LIMIT {limit:d}", statement.params)
    return Statement(
        f"{statement.sql} LIMIT %s OFFSET %s", (*statement.params, Slot("limit"), Slot("offset"))
    )


def with_total(queryset: QuerySet[Any], name: str) -> QuerySet[Any]:
    """Return the queryset with the number of all its rows as one more column, counted once in the same statement."""
    rows = queryset.order_by().values("pk").query
    sql, params = rows.get_compiler(connection=connection).as_sql()
    return queryset.annotate(
        **{name: RawSQL(f"SELECT COUNT(*) FROM ({sql}) counted", params, output_field=BigIntegerField())}  # noqa: S608, S611
    )


def placeholder_for(value: Any) -> Any:
    """Return another value of the same type, which occurs nowhere else."""
    if isinstance(value, UUID):
        return uuid4()
    if isinstance(value, datetime):
        return EPOCH + timedelta(microseconds=uuid4().int % 10**15)
    if isinstance(value, str):
        return uuid4().hex
    raise UncompilableError(type(value).__name__)


def placeholder_user(user: Any) -> Any:
    """Return a user with the same rights and another id."""
    placeholder = copy.copy(user)
    placeholder.pk = placeholder_for(user.pk)
    return placeholder


# The statements of this process by query signature.
statement_cache: dict[Hashable, Statement] = {}


def store(signature: Hashable, statement: Statement) -> Statement:
    if len(statement_cache) >= MAX_STATEMENTS:
        statement_cache.clear()
    statement_cache[signature] = statement
    return statement


def applies() -> bool:
    """Return whether the database has this binary format. On others a plain read returns the same rows."""
    return connections[DEFAULT_DB_ALIAS].vendor == "postgresql"


# --- writes ----------------------------------------------------------------------------------------


# The types that a column of such a field stores without conversion.
PLAIN = {UUIDField: UUID, DateTimeField: datetime, CharField: str, TextField: str, IntegerField: int}


@cache
def insertion(model: type[Model], rows: int) -> tuple[str, tuple[tuple[str, Any, Any], ...]]:
    """Return the INSERT of so many rows, and for each column the attribute, the type that needs no conversion, and the
    field that converts all others."""
    quote = connection.ops.quote_name
    sent = (field for field in model._meta.concrete_fields if not isinstance(field, AutoField))
    fields = [field for field in sent if not field.generated]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    values = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * rows)
    given = tuple(
        (field.attname, plain_type(getattr(field, "target_field", field)), field) for field in fields
    )
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES {values}"  # noqa: S608
    return sql, given


def plain_type(field: Any) -> type | None:
    return next((plain for kind, plain in PLAIN.items() if isinstance(field, kind)), None)


@cache
def have_expression(kinds: frozenset[type]) -> bool:
    return any(hasattr(kind, "as_sql") for kind in kinds)


def insert(*rows: Model) -> None:
    """Insert a few rows of one model with one statement that is compiled once. No signal is sent, and a key that the
    database makes is not read back. A row with an expression, such as a `db_default`, is inserted by Django, which
    reads the value back."""
    model = type(rows[0])
    if not applies():
        model._base_manager.bulk_create(rows)
        return
    database: Any = connections[DEFAULT_DB_ALIAS]
    sql, given = insertion(model, len(rows))
    values = [
        value if type(value) is plain or value is None else field.get_db_prep_save(value, database)
        for row in rows
        for name, plain, field in given
        for value in (getattr(row, name),)
    ]
    if have_expression(frozenset(map(type, values))):
        model._base_manager.bulk_create(rows)
        return
    with database.cursor() as cursor:
        cursor.execute(sql, values)
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
