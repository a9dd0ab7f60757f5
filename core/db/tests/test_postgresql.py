"""Connections that threads keep: one that the server has dropped is replaced before anybody notices."""

import psycopg
import pytest
from django.db import OperationalError, close_old_connections, connection, transaction

from core.db.postgresql.base import IDLE_SECONDS
from core.web import request_context

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL"),
]


@pytest.fixture(autouse=True)
def _leave_a_good_one():
    yield
    connection.close()


def backend():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def terminate(pid):
    settings = connection.settings_dict
    server = psycopg.conninfo.make_conninfo(
        host=settings["HOST"], port=settings["PORT"], user=settings["USER"], dbname=settings["NAME"]
    )
    with psycopg.connect(server, password=settings["PASSWORD"] or None, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_connection_outlives_its_request():
    before = backend()
    close_old_connections()

    assert backend() == before


def test_one_that_the_server_has_ended_is_replaced(owner):
    before = backend()
    terminate(before)
    close_old_connections()

    assert owner.get("/api/v1/jobs").status_code == 200
    assert backend() != before


def test_the_health_check_sends_no_query(django_assert_num_queries):
    backend()
    with django_assert_num_queries(0):
        assert connection.is_usable()


@pytest.mark.parametrize("terminated", [False, True])
def test_after_a_long_silence_the_health_check_sends_a_query(terminated):
    pid = backend()
    connection.last_checked -= IDLE_SECONDS + 1
    if terminated:
        terminate(pid)

    assert connection.is_usable() is not terminated


# --- time limits ----------------------------------------------------------------------------------


def limits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
        return cursor.fetchone()


@pytest.fixture
def seen(monkeypatch):
    """Yield the limits of the queries of each request."""
    seen = []
    monkeypatch.setattr("core.web.middleware.refuse_early", lambda _request: seen.append(limits()))
    # A request may have come before in this thread.
    request_context.use_limits(request_context.DEFAULT_LIMITS)
    yield seen
    request_context.use_limits(request_context.DEFAULT_LIMITS)


def test_a_request_of_the_api_has_short_limits_and_the_admin_its_own(owner, seen):
    for path in ("/api/v1/jobs", "/admin/login/", "/api/v1/jobs"):
        owner.get(path)

    assert seen == [("2s", "2s"), ("10s", "3s"), ("2s", "2s")]


def test_a_new_connection_has_the_limits_of_its_thread(seen):
    assert limits() == ("10s", "3s")
    request_context.use_limits(request_context.REQUEST_LIMITS)
    connection.close()

    assert limits() == ("2s", "2s")


def test_a_lost_connection_is_replaced_when_the_limits_change(owner, seen):
    request_context.use_limits(request_context.DEFAULT_LIMITS)
    terminate(backend())

    assert owner.get("/api/v1/jobs").status_code == 200
    assert limits() == ("2s", "2s")


# --- a server that does not respond ---------------------------------------------------------------


@pytest.fixture
def _short_timeout():
    backend()
    connection.connection.timeout = 0.2


def wait_in_server():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")


def test_a_late_response_closes_the_connection():
    for _ in range(2):  # the second soon after the first
        assert backend()
        connection.connection.timeout = 0.2
        with pytest.raises(OperationalError):
            wait_in_server()

        assert connection.connection.closed
        close_old_connections()
    assert backend()


@pytest.mark.usefixtures("_short_timeout")
def test_the_end_of_a_transaction_does_not_connect_to_a_server_that_is_late():
    with pytest.raises(OperationalError), transaction.atomic(), transaction.atomic():
        wait_in_server()

    assert connection.connection is None
    with transaction.atomic():
        assert backend()
    assert connection.get_autocommit()


@pytest.mark.parametrize(
    ("limits", "timeout"),
    [
        (request_context.REQUEST_LIMITS, 2.5),
        (request_context.ADMIN_LIMITS, 10.5),
        (request_context.DEFAULT_LIMITS, None),
        (request_context.TimeLimits("0", "0", grace=0.5), None),
        (request_context.TimeLimits("1500ms", "0", grace=0.5), 2.0),
    ],
)
def test_the_timeout_is_a_little_longer_than_the_time_limit_of_a_statement(limits, timeout):
    backend()
    request_context.use_limits(limits)

    assert connection.connection.timeout == timeout
    request_context.use_limits(request_context.DEFAULT_LIMITS)


def test_a_batch_has_no_more_parameters_than_a_statement_may():
    sizes = [connection.ops.bulk_batch_size(["pk"] * columns, range(100_000)) for columns in (1, 2, 70_000)]

    assert sizes == [65_535, 32_767, 1]
    assert connection.ops.bulk_batch_size(["pk"], range(3)) == 3
