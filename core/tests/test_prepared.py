"""The short way to rows: the same rows, errors and transactions as by Django's cursor."""

import threading
from uuid import uuid4

import pytest
from django.db import DataError, OperationalError, close_old_connections, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from psycopg.pq import TransactionStatus

from core.postgresql.prepared import Prepared, rows_of
from core.tests.test_postgresql import terminate

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL"),
]


@pytest.fixture
def statement():
    """What this connection knows: 10 divided, and the parameter itself. It has never been asked in a test before."""
    connection.close()
    by_cursor(Prepared("SELECT 10 / %s::int, %s::uuid"))
    yield Prepared("SELECT 10 / %s::int, %s::uuid")
    connection.close()


def by_cursor(statement, *params):
    """Twice: the first time it is not prepared yet."""
    params = list(params) or [1, uuid4()]
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(statement.sql, params)
        return cursor.fetchall()


def short(statement, *params):
    rows = rows_of(connection, statement, list(params))
    assert rows is not None
    return rows


def status():
    return TransactionStatus(connection.connection.pgconn.transaction_status).name


def test_the_rows_are_the_cursor_s(statement):
    key = uuid4()

    assert short(statement, 2, key) == by_cursor(statement, 2, key) == [(5, key)]


def test_a_statement_that_is_new_is_left_to_the_cursor(statement):
    assert rows_of(connection, Prepared("SELECT 1 + %s::int"), [1]) is None
    connection.close()
    assert rows_of(connection, statement, [1, uuid4()]) is None


def test_whoever_listens_hears_of_it(statement):
    with CaptureQueriesContext(connection):
        assert rows_of(connection, statement, [1, uuid4()]) is None
    with connection.execute_wrapper(lambda execute, *rest: execute(*rest)):
        assert rows_of(connection, statement, [1, uuid4()]) is None


def test_after_a_rollback_the_server_has_forgotten_it(statement):
    """psycopg drops what is prepared then; the short way must not name what is gone."""
    with transaction.atomic():
        by_cursor(statement)
        transaction.set_rollback(True)
    rows_of(connection, statement, [1, uuid4()])

    assert by_cursor(statement, 5, key := uuid4()) == [(2, key)]
    assert short(statement, 5, key) == [(2, key)]


def test_it_begins_the_transaction_that_it_is_in(statement):
    with transaction.atomic():
        assert status() == "IDLE"
        short(statement, 1, uuid4())
        assert status() == "INTRANS"
    assert status() == "IDLE"


def test_an_error_is_django_s_and_breaks_the_transaction(statement):
    with pytest.raises(DataError, match="division by zero") as caught:
        short(statement, 0, uuid4())
    assert caught.value.__cause__.sqlstate == "22012"

    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            rows_of(connection, statement, [1, uuid4()])


def go_and_ask(statement):
    short(statement, 1, uuid4())
    terminate(connection.connection.info.backend_pid)
    short(statement, 1, uuid4())


@pytest.mark.parametrize("ask", [go_and_ask, transaction.atomic(go_and_ask)])
def test_a_server_that_has_gone_is_an_operational_error(statement, ask):
    with pytest.raises(OperationalError):
        ask(statement)
    close_old_connections()

    assert by_cursor(statement)


def test_other_threads_work_while_it_waits(statement):
    nap = Prepared("SELECT pg_sleep(%s)")
    by_cursor(nap, 0.0)
    worked = threading.Event()
    other = threading.Timer(0.05, worked.set)
    other.start()
    short(nap, 0.5)

    assert worked.is_set()
    other.join()
