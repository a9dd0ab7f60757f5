"""Options in the query of DATABASE_URL: each reaches the driver, or stops the start by its name."""

import pytest
from django.conf import settings
from django.db import connection
from environs import EnvError

from core.tests.interpreter import django_python
from core.web.service_urls import parse_database

URL = "postgres://ann:s%23crt@db.example.com:5432/app"


def options(query):
    return parse_database(f"{URL}?{query}")["OPTIONS"]


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("sslmode", "verify-full", "verify-full"),
        ("sslrootcert", "system", "system"),
        ("sslrootcert", __file__, __file__),
        ("sslcert", __file__, __file__),
        ("connect_timeout", "10", 10),
        ("tcp_user_timeout", "9000", 9000),
        ("keepalives_idle", "30", 30),
        ("application_name", "app%20web", "app web"),
        ("application_name", "1", "1"),
        ("target_session_attrs", "read-write", "read-write"),
        ("channel_binding", "require", "require"),
        ("prepare_threshold", "none", None),
        ("prepare_threshold", "5", 5),
    ],
)
def test_an_option_is_kept(name, value, kept):
    assert options(f"{name}={value}")[name] == kept


def test_the_address_may_stand_in_the_query_instead():
    url = "postgres:///?host=/run/postgresql&port=5433&user=ann&password=secret&dbname=app&service=x"
    wanted = {"host": "/run/postgresql", "port": "5433", "user": "ann", "password": "secret"}

    assert wanted.items() <= parse_database(url)["OPTIONS"].items()


@pytest.mark.parametrize("name", ["host", "port", "user", "password", "dbname"])
def test_but_not_in_both_places(name):
    with pytest.raises(EnvError, match=f"has the value of the option {name} before"):
        options(f"{name}=1")


def test_what_is_not_said_has_our_defaults():
    database = parse_database(URL)

    assert database["PASSWORD"] == "s#crt"
    assert database["OPTIONS"] == options("")
    assert database["OPTIONS"]["connect_timeout"] == 2


def test_settings_of_the_server_are_kept():
    assert options("options=-c%20statement_timeout%3D60s")["options"] == "-c statement_timeout=60s"
    assert options("currentSchema=app")["options"] == "-c search_path=app"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ssl_mode=require", "ssl_mode"),
        ("sslmod=require&pgbouncer=true", "pgbouncer, sslmod"),
        ("conn_max_age=600", "conn_max_age"),
        ("client_encoding=latin1", "client_encoding"),
        ("sslmode=required", "sslmode must be one of disable"),
        ("sslmode=", "sslmode must be one of disable"),
        ("target_session_attrs=rw", "target_session_attrs must be one of"),
        ("connect_timeout=soon", "connect_timeout must be a number"),
        ("connect_timeout=-1", "connect_timeout must be a number"),
        ("sslrootcert=/nowhere/ca.pem", "sslrootcert names no file: /nowhere/ca.pem"),
        ("sslmode=require&sslmode=disable", "given twice"),
        ("sslmode", "sslmode must be one of disable"),
    ],
)
def test_an_option_that_nobody_would_read_is_refused_by_name(query, said):
    with pytest.raises(EnvError, match=said):
        options(query)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://ann:s#crt@db/app", "%23"),
        ("postgres://db.example.com", "names no database"),
        ("sqlite://var/db.sqlite3", "three slashes"),
        ("sqlite:///var/db.sqlite3?mode=ro", "not known: mode"),
    ],
)
def test_a_url_that_would_mean_something_else_is_refused(url, said):
    with pytest.raises(EnvError, match=said):
        parse_database(url)


def test_a_service_names_the_database():
    assert parse_database("postgres:///?service=app")["OPTIONS"]["service"] == "app"


def test_sqlite_keeps_its_timeout_and_our_way_of_writing():
    kept = parse_database("sqlite:///var/db.sqlite3?timeout=30")["OPTIONS"]

    assert (kept["timeout"], kept["transaction_mode"]) == (30, "IMMEDIATE")


def test_a_mistake_stops_the_start_by_name():
    done = django_python("", DATABASE_URL=f"{URL}?sslmod=require")

    assert done.returncode == 1
    assert "  DATABASE_URL has an option that is not known: sslmod" in done.stderr
    assert "Traceback" not in done.stderr


SHOW = """
from django.db import connection
with connection.cursor() as cursor:
    for name in ("application_name", "statement_timeout", "lock_timeout"):
        cursor.execute("SELECT current_setting(%s)", [name])
        print(cursor.fetchone()[0])
"""


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
def test_the_server_is_told():
    url = settings.DATABASES["default"]
    server = f"postgres://{url['USER']}:{url['PASSWORD']}@{url['HOST']}:{url['PORT']}/postgres"
    query = (
        "application_name=shop&options=-c%20statement_timeout%3D60s&sslmode=prefer&target_session_attrs=any"
    )
    shown = django_python(SHOW, DATABASE_URL=f"{server}?{query}")

    assert shown.stdout.split() == ["shop", "1min", "3s"], shown.stderr
