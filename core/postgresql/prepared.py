"""The short way to the rows of a statement that the server has prepared.

psycopg's cursor looks for the statement, waits on the socket and reads the result in Python; libpq does the same in C,
which costs half. What is not plain is left to the cursor: a statement that is new to this connection, or somebody who
listens.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import errors
from psycopg._queries import PostgresQuery
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus, Format, TransactionStatus

Rows = list[tuple[Any, ...]]
ANSWERS = {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}


class Prepared:
    """A statement that is sent again and again."""

    __slots__ = ("query", "sql")

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.query: bytes | None = None  # with the placeholders of PostgreSQL


def rows_of(wrapper: Any, statement: Prepared, params: Sequence[Any]) -> Rows | None:
    """None where the cursor must do it. Raises what Django's cursor raises."""
    if wrapper.waiting:
        wrapper.flush()
    raw = wrapper.connection
    if raw is None or raw.closed or wrapper.execute_wrappers or wrapper.force_debug_cursor:
        return None
    transformer = Transformer(raw)
    if statement.query is None:
        query = PostgresQuery(transformer)
        query.convert(statement.sql, params)
        statement.query = query.query
    values = transformer.dump_sequence(params, [PyFormat.AUTO] * len(params))
    name = raw._prepared._names.get((statement.query, transformer.types))
    if name is None:
        return None
    wrapper.validate_no_broken_transaction()
    with wrapper.wrap_database_errors:
        if not raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE:
            checked(raw, raw.pgconn.exec_(raw._get_tx_start_command()))
        result = checked(raw, raw.pgconn.exec_prepared(name, values, transformer.formats, Format.BINARY))
    if result.status == ExecStatus.COMMAND_OK:
        return []
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


def checked(raw: Any, result: Any) -> Any:
    if result.status in ANSWERS:
        return result
    if raw.closed:  # the server is gone, which has no code
        raise errors.OperationalError(result.get_error_message())
    raise errors.error_from_result(result, encoding=raw.info.encoding)
