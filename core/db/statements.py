"""SQL compiled once for each shape of a read; after that only its values change.

Building a queryset and compiling it costs several times what PostgreSQL needs to answer it. So the first request of
a shape (which view, order, filters and fields) builds its queryset with stand-ins, values that occur nowhere else,
and notes where in the statement they have landed. Every later one puts its own values there. Results come in
PostgreSQL's binary form, which psycopg reads in C.
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

MAX_STATEMENTS = 2000
EPOCH = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where in the parameters of a statement a value of the request belongs."""

    name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with slots among its parameters. `run` returns its rows as tuples."""

    sql: str
    params: tuple[Any, ...]

    def run(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        params = [values[item.name] if type(item) is Slot else item for item in self.params]
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.cursor.format = Format.BINARY
            cursor.execute(self.sql, params)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found


class UncompilableError(TypeError):
    """The queryset holds a value of the moment that is not one of the request's."""


def compiled(queryset: QuerySet[Any], stand_ins: Mapping[str, Any]) -> Statement:
    """The queryset's statement. `stand_ins` {slot: value} are the values it was built with.

    Raises UncompilableError where a time or an id is neither: it would be answered for ever.
    """
    sql, params = queryset.query.get_compiler(connection=connection).as_sql()
    slots = {value: Slot(name) for name, value in stand_ins.items()}
    placed = tuple(slots.get(param, param) if isinstance(param, Hashable) else param for param in params)
    if any(isinstance(param, date | UUID) for param in placed):
        raise UncompilableError(sql)
    return Statement(sql, placed)


def with_limit(statement: Statement, limit: int | None) -> Statement:
    """A first page has its limit in the text: a plan that knows how few rows are wanted is one that PostgreSQL keeps,
    where it would plan each call anew. Of further pages Django would write both numbers into the text, and make each
    of them a shape of its own."""
    if limit is not None:
        return Statement(f"{statement.sql} LIMIT {limit:d}", statement.params)
    return Statement(
        f"{statement.sql} LIMIT %s OFFSET %s", (*statement.params, Slot("limit"), Slot("offset"))
    )


def with_total(queryset: QuerySet[Any], name: str) -> QuerySet[Any]:
    """The number of all its rows as one more column, counted once and in the same round trip."""
    rows = queryset.order_by().values("pk").query
    sql, params = rows.get_compiler(connection=connection).as_sql()
    return queryset.annotate(
        **{name: RawSQL(f"SELECT COUNT(*) FROM ({sql}) counted", params, output_field=BigIntegerField())}  # noqa: S608, S611
    )


def placeholder_for(value: Any) -> Any:
    """Another value of the same type, which occurs nowhere else."""
    if isinstance(value, UUID):
        return uuid4()
    if isinstance(value, datetime):
        return EPOCH + timedelta(microseconds=uuid4().int % 10**15)
    if isinstance(value, str):
        return uuid4().hex
    raise UncompilableError(type(value).__name__)


def placeholder_user(user: Any) -> Any:
    """Somebody with the same rights and another id."""
    somebody = copy.copy(user)
    somebody.pk = placeholder_for(user.pk)
    return somebody


class Shapes:
    """The statements of a process, by shape."""

    def __init__(self) -> None:
        self._statements: dict[Hashable, Statement] = {}

    def get(self, shape: Hashable) -> Statement | None:
        return self._statements.get(shape)

    def put(self, shape: Hashable, statement: Statement) -> Statement:
        if len(self._statements) >= MAX_STATEMENTS:
            self._statements.clear()
        self._statements[shape] = statement
        return statement

    def clear(self) -> None:
        self._statements.clear()

    def __len__(self) -> int:
        return len(self._statements)


shapes = Shapes()


def applies() -> bool:
    """Whether this database speaks the binary form; the plain path answers the same elsewhere."""
    return connections[DEFAULT_DB_ALIAS].vendor == "postgresql"


# --- writes ----------------------------------------------------------------------------------------


# What the database takes as it is, in a column of such a field.
PLAIN = {UUIDField: UUID, DateTimeField: datetime, CharField: str, TextField: str, IntegerField: int}


@cache
def insertion(model: type[Model], rows: int) -> tuple[str, tuple[tuple[str, Any, Any], ...]]:
    """The INSERT of so many rows; for each of its columns the attribute, the type that needs no translation, and the
    field that translates all others."""
    quote = connection.ops.quote_name
    made_here = (field for field in model._meta.concrete_fields if not isinstance(field, AutoField))
    fields = [field for field in made_here if not field.generated]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    values = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * rows)
    given = tuple(
        (field.attname, plain_type(getattr(field, "target_field", field)), field) for field in fields
    )
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES {values}"  # noqa: S608
    return sql, given


def plain_type(field: Any) -> type | None:
    return next((plain for kind, plain in PLAIN.items() if isinstance(field, kind)), None)


def insert(*rows: Model) -> None:
    """Insert a few rows of one model with one statement that is compiled once. No signal is sent, and a key that the
    database makes is not read back."""
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
    with database.cursor() as cursor:
        cursor.execute(sql, values)
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
