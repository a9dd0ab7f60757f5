"""Connections that threads keep: one that the server has dropped is replaced before anybody notices."""

import psycopg
import pytest
from django.db import close_old_connections, connection

from core.db.postgresql.base import IDLE_SECONDS

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


def test_looking_at_it_asks_the_server_nothing(django_assert_num_queries):
    backend()
    with django_assert_num_queries(0):
        assert connection.is_usable()


@pytest.mark.parametrize("terminated", [False, True])
def test_after_a_long_silence_the_server_is_asked(terminated):
    pid = backend()
    connection.last_checked -= IDLE_SECONDS + 1
    if terminated:
        terminate(pid)

    assert connection.is_usable() is not terminated
