"""The time for which a cursor of the change feed is valid, and the rows of deleted objects until its end."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from core.db.models import Change
from core.db.retention import purge_expired
from core.tests.answers import code
from resources.models import Resource
from resources.tests.factories import ResourceFactory
from resources.tests.feed_client import FEED, FeedClient

# The position is that of the commit.
pytestmark = pytest.mark.django_db(transaction=True)
WINDOW = settings.TRASH_RETENTION
MINUTE = timedelta(minutes=1)


@pytest.fixture
def client(clock, owner):
    """Return a client that holds five objects."""
    for number in range(5):
        ResourceFactory(user=owner.user, title=str(number))
    client = FeedClient(owner)
    client.catch_up()
    return client


@pytest.fixture
def later(clock, log_in):
    """Return a function that moves the time, and logs the client in again."""

    def move(client, by):
        clock.shift(by)
        client.caller = log_in(client.caller.user)

    return move


def status(client, cursor=None):
    return client.caller.get(FEED, {"cursor": client.cursor if cursor is None else cursor}).status_code


def test_a_cursor_older_than_the_window_of_the_trash_is_gone(client, later):
    later(client, WINDOW - MINUTE)
    assert status(client) == 200
    later(client, 2 * MINUTE)

    assert code(client.caller.get(FEED, {"cursor": client.cursor})) == (410, "GONE")
    assert status(client, "") == 200


def test_each_page_at_the_end_has_a_new_cursor(client, later):
    """So a client that requests the feed now and then never gets a 410, though nothing changes."""
    for _ in range(3):
        later(client, WINDOW - MINUTE)
        assert client.catch_up() == []


def test_a_model_may_have_a_window_of_its_own(client, later, monkeypatch):
    monkeypatch.setattr(Resource, "trash_retention", timedelta(days=2))
    later(client, timedelta(days=2) + MINUTE)

    assert status(client) == 410


def test_a_walk_that_is_left_in_the_middle_ages_from_its_beginning(client, clock, later):
    """Its cursor is as old as what it has reached: the deletions after that are purged as they are for every client."""
    walk = FeedClient(client.caller)
    later(walk, WINDOW - MINUTE)
    walk.page(2)
    began = walk.cursor
    later(walk, WINDOW - MINUTE)
    assert (status(walk), status(walk, began)) == (200, 200)
    walk.page(2)
    later(walk, 2 * MINUTE)

    assert status(walk) == 410


def test_a_client_that_goes_on_gets_as_old_as_the_change_that_it_has_reached(client, owner, later):
    later(client, WINDOW - MINUTE)
    Resource.objects.update(content="changed")
    client.page(2)
    later(client, 2 * MINUTE)

    assert status(client) == 410


def test_a_deletion_is_in_the_feed_after_the_purge_of_the_trash(client, later):
    cursor, gone = client.cursor, Resource.objects.order_by("pk").first()
    gone.soft_delete()
    client.catch_up()
    later(client, WINDOW - MINUTE)
    client.catch_up()
    purged_for = FeedClient(client.caller, cursor)
    Resource.objects.filter(pk=gone.pk).update(deleted_at=timezone.now() - WINDOW - MINUTE)
    purge_expired()

    assert not Resource.objects.filter(pk=gone.pk).exists()
    assert purged_for.catch_up() == [f"-{gone.pk}"]


def test_it_is_purged_when_no_cursor_leads_to_it_any_more(client, later):
    gone = Resource.objects.order_by("pk").first()
    gone.soft_delete()
    later(client, WINDOW + timedelta(hours=23))
    purge_expired()
    assert Change.objects.filter(object_id=gone.pk).exists()
    later(client, timedelta(hours=2))
    purge_expired()

    assert not Change.objects.filter(object_id=gone.pk).exists()
    assert Change.objects.count() == 4


def test_a_row_that_was_purged_from_the_feed_can_be_restored(client, later):
    """The purge of the trash and that of the feed are not at the same time."""
    gone = Resource.objects.order_by("pk").first()
    gone.soft_delete()
    client.catch_up()
    later(client, WINDOW - MINUTE)
    client.catch_up()
    Change.objects.filter(object_id=gone.pk).delete()
    gone.restore()

    assert client.catch_up() == [gone.title]
