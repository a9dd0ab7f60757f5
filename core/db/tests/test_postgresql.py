"""Connections that threads keep: one that the server has dropped is replaced before anybody notices."""

import psycopg
import pytest
from django.db import close_old_connections, connection

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

    assert owner.get("/api/v1/resources").status_code == 200
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
    for path in ("/api/v1/resources", "/admin/login/", "/api/v1/resources"):
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

    assert owner.get("/api/v1/resources").status_code == 200
    assert limits() == ("2s", "2s")
