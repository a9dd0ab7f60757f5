"""The change feed of resources: what has changed, in the order of the commits, once."""

import pytest
from django.db import transaction

from accounts.tests.factories import UserFactory
from core.db.models import Change
from core.tests.answers import code, problems
from resources.models import Resource
from resources.tests.factories import AttachmentFactory, ResourceFactory
from resources.tests.feed_client import FEED, LIST, FeedClient, listed

# The position is that of the commit.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(owner):
    return FeedClient(owner)


@pytest.fixture
def one(owner):
    return ResourceFactory(user=owner.user, title="One", tags=["a"])


@pytest.fixture
def synced(client, one):
    """Return a client that holds `one`."""
    client.catch_up()
    return client


def gone(resource):
    return f"-{resource.pk}"


def test_it_begins_with_all_that_is_there_as_lists_show_it(owner, client, one):
    two, trashed = (ResourceFactory(user=owner.user, title=title) for title in ("Two", "Gone"))
    trashed.soft_delete()
    owner.patch(f"{LIST}/{one.pk}", {"content": "changed"})

    assert client.catch_up() == ["Two", "One"]
    assert client.held == listed(owner)
    assert set(client.held) == {str(one.pk), str(two.pk)}


def test_an_empty_feed_has_a_cursor_too(owner, client):
    body = owner.get(FEED).json()
    assert (body["data"], set(body["meta"])) == ([], {"limit", "nextCursor"})
    client.cursor = body["meta"]["nextCursor"]
    ResourceFactory(user=owner.user, title="First")

    assert client.catch_up() == ["First"]


WRITES = {
    "create": (lambda caller, one: caller.post(LIST, {"title": "Two"}), ["Two"]),
    "replace": (lambda caller, one: caller.put(f"{LIST}/{one.pk}", {"title": "Other"}), ["Other"]),
    "change": (lambda caller, one: caller.patch(f"{LIST}/{one.pk}", {"title": "Other"}), ["Other"]),
    "no change": (lambda caller, one: caller.patch(f"{LIST}/{one.pk}", {"title": "One"}), []),
    "delete": (lambda caller, one: caller.delete(f"{LIST}/{one.pk}"), ["-"]),
    "rename a tag": (
        lambda caller, one: caller.patch(f"/api/v1/tags/{one.tags.get().pk}", {"name": "b"}),
        ["One"],
    ),
    "bulk": (
        lambda caller, one: caller.post(
            f"{LIST}/bulk",
            {
                "operations": [
                    {"method": "create", "data": {"title": "Two"}},
                    {"method": "delete", "id": str(one.pk)},
                ]
            },
        ),
        ["-", "Two"],
    ),
}


@pytest.mark.parametrize("write", WRITES)
def test_each_write_is_told_once(owner, synced, one, write):
    change, told = WRITES[write]
    assert change(owner, one).status_code < 300

    assert synced.catch_up() == [gone(one) if each == "-" else each for each in told]
    assert synced.held == listed(owner)
    assert synced.catch_up() == []


AROUND = {
    "a query": (lambda one: Resource.objects.filter(pk=one.pk).update(title="Elsewhere"), ["Elsewhere"]),
    "bulk_create": (
        lambda one: Resource.objects.bulk_create([Resource(user_id=one.user_id, title="New")]),
        ["New"],
    ),
    "an attachment": (lambda one: AttachmentFactory(resource=one), ["One"]),
    "erasure": (lambda one: one.delete(), ["-"]),
}


@pytest.mark.parametrize("way", AROUND)
@pytest.mark.usefixtures("disk")
def test_writes_by_the_orm_are_told(synced, one, way):
    expected = [gone(one) if each == "-" else each for each in AROUND[way][1]]
    AROUND[way][0](one)

    assert synced.catch_up() == expected


def test_an_object_that_changed_twice_is_told_once(owner, synced, one):
    two = ResourceFactory(user=owner.user, title="Two")
    for title in ("First", "Second"):
        owner.patch(f"{LIST}/{one.pk}", {"title": title})

    assert synced.catch_up() == [two.title, "Second"]


def test_what_is_deleted_shows_since_when(owner, synced, one):
    owner.delete(f"{LIST}/{one.pk}")
    synced.catch_up()
    deleted = owner.get(f"{LIST}/trash").json()["data"][0]["deletedAt"]

    assert synced.told[-1] == {"type": "delete", "id": str(one.pk), "deletedAt": deleted}


def test_what_is_restored_is_there_again(owner, synced, one):
    owner.delete(f"{LIST}/{one.pk}")
    owner.post(f"{LIST}/{one.pk}/restore")

    assert synced.catch_up() == ["One"]


def test_emptying_the_trash_hides_no_deletion(owner, synced, one):
    owner.delete(f"{LIST}/{one.pk}")
    owner.delete(f"{LIST}/trash")

    assert not Resource.objects.exists()
    assert synced.catch_up() == [gone(one)]


def test_a_deletion_is_not_told_again_when_the_trash_is_emptied(owner, synced, one):
    owner.delete(f"{LIST}/{one.pk}")
    assert synced.catch_up() == [gone(one)]
    owner.delete(f"{LIST}/trash")

    assert synced.catch_up() == []


def test_a_change_in_the_trash_is_none(owner, synced, one):
    one.soft_delete()
    synced.catch_up()
    tag = one.tags.get()
    owner.delete(f"/api/v1/tags/{tag.pk}")  # rewrites what is in the trash

    assert synced.catch_up() == []


def test_a_row_that_is_moved_leaves_one_owner_and_comes_to_the_other(owner, stranger, synced, one):
    other = FeedClient(stranger)
    other.catch_up()
    Resource.objects.filter(pk=one.pk).update(user=stranger.user)
    assert (synced.catch_up(), other.catch_up()) == ([gone(one)], ["One"])
    Resource.objects.filter(pk=one.pk).update(user=owner.user)

    assert (synced.catch_up(), other.catch_up()) == (["One"], [gone(one)])


def test_what_is_deleted_during_the_first_walk_is_told(owner, client):
    rows = [ResourceFactory(user=owner.user, title=str(number)) for number in range(4)]
    assert client.page(2) == 2
    rows[0].soft_delete()
    rows[3].soft_delete()

    assert client.catch_up() == ["2", gone(rows[0]), gone(rows[3])]
    assert client.held == listed(owner)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_split_a_transaction_without_loss_or_repetition(owner, client, limit):
    with transaction.atomic():
        rows = [ResourceFactory(user=owner.user, title=str(number)) for number in range(7)]
    told = client.catch_up(iter(lambda: limit, None))

    assert sorted(told) == [row.title for row in rows]


def test_an_undone_transaction_is_not_told(owner, synced, one):
    with transaction.atomic():
        one.save_changes("title")
        ResourceFactory(user=owner.user)
        transaction.set_rollback(True)

    assert synced.catch_up() == []


def test_each_caller_is_told_of_own_objects_only(admin, stranger, one):
    ResourceFactory(user=UserFactory())
    assert FeedClient(stranger).catch_up() == FeedClient(admin).catch_up() == []
    ResourceFactory(user=admin.user, title="Mine")

    assert FeedClient(admin).catch_up() == ["Mine"]


def test_fields_narrow_the_objects(owner, client, one):
    client.page(fields="title")

    assert client.told[0]["object"] == {"id": str(one.pk), "title": "One"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"page": 1}, "page"),
        ({"status": "draft"}, "status"),
        ({"sort": "title"}, "sort"),
        ({"scope": "all"}, "scope"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"fields": "nothing"}, "fields"),
        ({"cursor": "made up"}, "cursor"),
        ({"cursor": "a" * 9000}, "cursor"),
    ],
)
def test_other_parameters_and_values_are_refused(owner, query, field):
    assert set(problems(owner.get(FEED, query))) == {field}


def test_a_cursor_of_another_user_or_list_is_refused(owner, stranger, synced):
    assert set(problems(stranger.get(FEED, {"cursor": synced.cursor}))) == {"cursor"}
    assert set(problems(owner.get(LIST, {"cursor": synced.cursor}))) == {"cursor"}
    ResourceFactory.create_batch(2, user=owner.user)
    of_list = owner.get(LIST, {"cursor": "", "limit": 1}).json()["meta"]["nextCursor"]
    assert set(problems(owner.get(FEED, {"cursor": of_list}))) == {"cursor"}


def test_it_needs_a_log_in(anonymous):
    assert code(anonymous.get(FEED)) == (401, "UNAUTHORIZED")


def test_a_page_costs_the_same_however_many_objects_there_are(owner, one, django_assert_num_queries):
    with django_assert_num_queries(4):
        owner.get(FEED)
    ResourceFactory.create_batch(5, user=owner.user, tags=["a", "b"])
    with django_assert_num_queries(4):
        assert len(owner.get(FEED).json()["data"]) == 6


def test_erasing_an_account_leaves_no_change(owner, synced, one):
    owner.user.delete()

    assert not Change.objects.exists()
