"""DATABASE_REPLICA_URL and its router. config/tests/faults/replica_faults.py has a real standby."""

import pytest
from django.contrib.auth import get_user_model
from django.db import (
    DEFAULT_DB_ALIAS,
    InternalError,
    OperationalError,
    ProgrammingError,
    connections,
    router,
    transaction,
)
from psycopg.errors import QueryCanceled

from core.db.databases import REPLICA, ROUTER, database_settings
from core.db.replica import ReplicaRouter, attempt, read_alias, reading_from
from core.db.replica_health import replica_health
from core.web.environment import Environment

PRIMARY_URL = "postgres://app:secret@db:5432/app"
REPLICA_URL = "postgres://app:secret@standby:5432/app"


@pytest.fixture
def configured(tmp_path, monkeypatch):
    def configure(**variables):
        names = ("DATABASE_URL", "DATABASE_REPLICA_URL", "DATABASE_PREPARED_STATEMENTS")
        for name in (*names, *(f"{name}_FILE" for name in names)):
            monkeypatch.setenv(name, variables.get(name, ""))
        env = Environment(tmp_path)
        databases = database_settings(env, tmp_path)
        env.stop_if_wrong()
        return databases

    return configure


@pytest.fixture
def _routed(settings, monkeypatch):
    monkeypatch.setattr(router, "routers", [ReplicaRouter()])


def test_without_a_replica_there_is_one_database(configured):
    assert configured().keys() == configured(DATABASE_URL=PRIMARY_URL).keys() == {"default"}


def test_a_replica_is_like_the_primary_and_no_database_of_tests(configured, tmp_path):
    (tmp_path / "url").write_text(REPLICA_URL)
    databases = configured(
        DATABASE_URL=PRIMARY_URL, DATABASE_REPLICA_URL_FILE="url", DATABASE_PREPARED_STATEMENTS="false"
    )

    replica = databases[REPLICA]
    assert (replica["HOST"], replica["TEST"]) == ("standby", {"MIRROR": "default"})
    assert all(database["OPTIONS"]["prepare_threshold"] is None for database in databases.values())
    assert all(database["DISABLE_SERVER_SIDE_CURSORS"] for database in databases.values())


@pytest.mark.parametrize(
    ("primary", "replica"), [("", REPLICA_URL), (PRIMARY_URL, "sqlite:///x"), (PRIMARY_URL, "redis://x")]
)
def test_a_replica_that_can_be_none_stops_the_start(configured, primary, replica):
    with pytest.raises(SystemExit, match=r"DATABASE_REPLICA_URL (needs|must)"):
        configured(DATABASE_URL=primary, DATABASE_REPLICA_URL=replica)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_routed")
def test_reads_outside_of_a_transaction_go_there_and_nothing_else_does():
    users = get_user_model().objects
    with reading_from(REPLICA):
        assert users.all().db == REPLICA
        assert users.select_for_update().db == DEFAULT_DB_ALIAS
        assert router.db_for_write(get_user_model()) == DEFAULT_DB_ALIAS
        with transaction.atomic():
            assert users.all().db == DEFAULT_DB_ALIAS == read_alias()
    assert users.all().db == DEFAULT_DB_ALIAS


@pytest.mark.usefixtures("_routed")
def test_a_row_of_the_replica_is_written_and_followed_on_the_primary():
    user = get_user_model().from_db(REPLICA, ["id"], [None])

    assert router.db_for_read(get_user_model(), instance=user) == DEFAULT_DB_ALIAS
    assert router.db_for_write(get_user_model(), instance=user) == DEFAULT_DB_ALIAS
    assert router.allow_relation(user, get_user_model()())


@pytest.mark.usefixtures("_routed")
def test_no_migration_runs_on_the_replica():
    assert not router.allow_migrate(REPLICA, "accounts")
    assert router.allow_migrate(DEFAULT_DB_ALIAS, "accounts")


def test_the_suite_has_no_replica(settings):
    assert (list(connections), settings.DATABASE_ROUTERS) == ([DEFAULT_DB_ALIAS], [])
    assert f"{ReplicaRouter.__module__}.{ReplicaRouter.__name__}" == ROUTER


@pytest.mark.skipif(connections[DEFAULT_DB_ALIAS].vendor != "postgresql", reason="of PostgreSQL")
@pytest.mark.django_db
def test_a_session_on_the_replica_is_read_only():
    replica = connections[DEFAULT_DB_ALIAS].copy(REPLICA)
    try:
        with replica.cursor() as cursor, pytest.raises(InternalError, match="read-only transaction"):
            cursor.execute("CREATE TABLE written (id int)")
    finally:
        replica.close()


@pytest.fixture
def _replica_configured(settings, monkeypatch):
    monkeypatch.setitem(settings.DATABASES, REPLICA, settings.DATABASES[DEFAULT_DB_ALIAS])


@pytest.mark.usefixtures("_replica_configured")
@pytest.mark.parametrize("error", [OperationalError, ProgrammingError])
def test_a_read_that_fails_on_the_replica_is_repeated_on_the_primary(error):
    tried = []

    def read(alias):
        tried.append(alias)
        if alias == REPLICA:
            raise error
        return "rows"

    try:
        assert attempt(read, lambda: True) == "rows"
    finally:
        replica_health.reset()
    assert tried == [REPLICA, DEFAULT_DB_ALIAS]
    assert attempt(lambda alias: alias, lambda: False) == DEFAULT_DB_ALIAS


@pytest.mark.usefixtures("_replica_configured")
def test_a_statement_that_takes_too_long_is_not_repeated():
    """It would take as long on the primary, which has others to serve."""

    def read(alias):
        assert alias == REPLICA
        raise OperationalError from QueryCanceled()

    with pytest.raises(OperationalError):
        attempt(read, lambda: True)
