"""A cursor of the change feed from before a restore, a failover or a time without triggers is void."""

import pytest
from django.db import connection, transaction

from core.backups.settlement import settle
from core.db import triggers
from core.db.change_triggers import change_triggers
from core.db.models import Change, OwnerVersion
from core.tests.answers import code
from resources.models import Resource
from resources.tests.factories import ResourceFactory
from resources.tests.feed_client import FEED, FeedClient, listed

pytestmark = pytest.mark.django_db(transaction=True)


def execute(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def client(owner):
    for number in range(3):
        ResourceFactory(user=owner.user, title=str(number))
    client = FeedClient(owner)
    client.catch_up()
    return client


@pytest.fixture
def _whole():
    yield
    triggers.install(connection)


def answer(client):
    return code(client.caller.get(FEED, {"cursor": client.cursor}))


def begins_again(client):
    """Return whether a client that forgets everything ends with what is there."""
    fresh = FeedClient(client.caller)
    fresh.catch_up()
    return fresh.held == listed(client.caller) and fresh.catch_up() == []


@pytest.fixture
def settled(log_in):
    """Return a function that does what is done after the restore of a backup, and logs the client in again."""

    def after_a_restore(client):
        settle("a backup", keeps_mail=True)
        client.caller = log_in(client.caller.user)

    return after_a_restore


def test_after_a_restore_all_cursors_are_void(client, settled):
    settled(client)

    assert answer(client) == (410, "GONE")
    assert begins_again(client)
    ResourceFactory(user=client.caller.user, title="After")
    assert answer(client) == (410, "GONE")


def test_a_client_without_any_object_may_go_on_after_a_restore(owner, settled):
    client = FeedClient(owner)
    client.catch_up()
    settled(client)
    ResourceFactory(user=owner.user, title="First")

    assert client.catch_up() == ["First"]


def test_a_cursor_of_a_later_state_is_void(client):
    """The database was set back without any other step."""
    position = OwnerVersion.objects.get(user=client.caller.user).position
    OwnerVersion.objects.update(position=position - 10**6)

    assert answer(client) == (410, "GONE")


def test_rows_without_a_version_get_another_one(client):
    """This deletion is the documented step after a restore of single tables without triggers."""
    OwnerVersion.objects.all().delete()
    ResourceFactory(user=client.caller.user, title="After")

    assert answer(client) == (410, "GONE")
    assert begins_again(client)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
@pytest.mark.usefixtures("_whole")
def test_a_cursor_of_another_timeline_is_void(client):
    """A failover and a recovery to a point in time begin another timeline."""
    execute(
        "CREATE OR REPLACE FUNCTION change_lineage() RETURNS text LANGUAGE sql AS $$ SELECT '00000002' $$"
    )

    assert answer(client) == (410, "GONE")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
def test_the_lineage_names_the_server_the_timeline_and_the_table():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT change_lineage(), 'changes'::regclass::oid::text, timeline_id FROM pg_control_checkpoint()"
        )
        lineage, table, timeline = cursor.fetchone()
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        server = cursor.fetchone()[0]

    assert lineage == f"{server}-{timeline:08X}-{table}"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
@pytest.mark.usefixtures("_whole")
def test_a_server_that_refuses_the_timeline_has_a_feed(client):
    execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", "CREATE ROLE feed_reader")
    try:
        execute(
            "GRANT SELECT ON changes TO feed_reader; GRANT USAGE ON SCHEMA public TO feed_reader; SET ROLE feed_reader"
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT change_lineage() = 'changes'::regclass::oid::text")
            assert cursor.fetchone()[0]
    finally:
        execute(
            "RESET ROLE; DROP OWNED BY feed_reader; DROP ROLE feed_reader",
            "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC",
        )


@pytest.mark.usefixtures("_whole")
def test_where_a_trigger_was_missing_every_client_begins_again(client):
    gone, changed, _same = Resource.objects.order_by("pk")
    triggers.remove(connection, change_triggers)
    Resource.objects.filter(pk=changed.pk).update(title="Unseen")
    gone.delete()
    ResourceFactory(user=client.caller.user, title="New")
    assert Change.objects.count() == 3
    triggers.after_migrations(plan=[])

    assert answer(client) == (410, "GONE")
    assert begins_again(client)


@pytest.mark.usefixtures("_whole")
def test_what_was_there_before_the_feed_is_in_it(client):
    triggers.remove(connection, change_triggers)
    Change.objects.all().delete()
    triggers.after_migrations(plan=[])
    fresh = FeedClient(client.caller)

    assert fresh.catch_up() == ["0", "1", "2"]
    Resource.objects.filter(title="0").update(content="changed")
    assert fresh.catch_up() == ["0"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
def test_a_large_table_is_filled_without_a_limit_of_time(client):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10s'")
        triggers.repair(connection, change_triggers(connection))
        cursor.execute("SHOW statement_timeout")
        limit = cursor.fetchone()[0]

    assert limit == "0"
    assert begins_again(client)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
def test_an_emptied_table_is_in_the_feed_of_nobody(client):
    execute("TRUNCATE resources_resource CASCADE")

    assert answer(client) == (410, "GONE")
    assert not Change.objects.exists()
