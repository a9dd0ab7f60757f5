"""The change feed of parallel writers: a transaction that commits later is later in the feed, and none is skipped."""

from contextlib import contextmanager
from threading import Event, Thread

import pytest
from django.db import connection, connections, transaction

from core.tests.waiting import wait_until
from resources.tests.factories import ResourceFactory
from resources.tests.feed_client import FeedClient

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


@pytest.fixture
def client(owner):
    """Return a client at the end of the feed."""
    client = FeedClient(owner)
    client.catch_up()
    return client


def waiting():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(WAITING)
        return cursor.fetchone()[0]


def run_triggers():
    """Run the triggers that are deferred to the commit now: what follows is the rest of the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@contextmanager
def open_transaction(write):
    """Write in a transaction of another thread, and commit when the block ends."""
    written, finish, failures = Event(), Event(), []

    def work():
        try:
            with transaction.atomic():
                write()
                written.set()
                assert finish.wait(30)
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            written.set()
            connections.close_all()

    thread = Thread(target=work)
    thread.start()
    try:
        assert written.wait(30)
        yield
    finally:
        finish.set()
        thread.join(30)
    assert not failures


@contextmanager
def commit_with_a_position(user):
    """Create "Early" up to the end of its commit, and let "Late" commit meanwhile, as far as it gets."""

    def early():
        ResourceFactory(user=user, title="Early")
        run_triggers()

    def late():
        try:
            ResourceFactory(user=user, title="Late")
        finally:
            connections.close_all()

    thread = Thread(target=late)
    with open_transaction(early):
        thread.start()
        wait_until(lambda: waiting() or not thread.is_alive(), 20)
        yield
    thread.join(30)


def test_a_transaction_that_began_earlier_and_commits_later_is_not_skipped(owner, client):
    with open_transaction(lambda: ResourceFactory(user=owner.user, title="Early")):
        ResourceFactory(user=owner.user, title="Late")
        assert client.catch_up() == ["Late"]

    assert client.catch_up() == ["Early"]


def test_a_change_of_two_rows_is_as_late_as_its_commit(owner, client):
    one, two = (ResourceFactory(user=owner.user, title=title) for title in ("One", "Two"))
    client.catch_up()
    with open_transaction(lambda: one.save_changes("title")):
        two.save_changes("title")
        assert client.catch_up() == ["Two"]

    assert client.catch_up() == ["One"]


def test_no_commit_overtakes_one_that_has_its_position_already(owner, client):
    """The other commit waits between the position and the end of this one, so no reader sees it first."""
    ResourceFactory(user=owner.user)
    client.catch_up()
    with commit_with_a_position(owner.user):
        assert client.catch_up() == []

    assert client.catch_up() == ["Early", "Late"]


def test_the_first_two_commits_of_an_owner_follow_each_other_too(owner, client):
    with commit_with_a_position(owner.user):
        assert client.catch_up() == []

    assert client.catch_up() == ["Early", "Late"]


def test_an_open_transaction_of_another_owner_delays_nothing(owner, stranger, client):
    def write():
        ResourceFactory(user=stranger.user)
        run_triggers()

    with open_transaction(write):
        ResourceFactory(user=owner.user, title="Now")
        assert client.catch_up() == ["Now"]
