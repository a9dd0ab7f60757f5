"""Lists have an ETag: the version of their owner, which the database replaces with each change of what they own."""

import pytest
from django.db import connection

from core.audit import services as audit
from core.db.owner_versions import NEVER_CHANGED, current_version
from core.tests.parallel import together
from resources.models import Resource, ResourceTag, Tag
from resources.services import create_resource
from resources.tests.factories import ResourceFactory

# The version is replaced with the commit.
pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/resources"


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="First", tags=["a", "b"])


def again(caller, path, response):
    """Return the status for a client that has cached this response."""
    return caller.get(path, HTTP_IF_NONE_MATCH=response["ETag"]).status_code


@pytest.mark.parametrize("path", [LIST, f"{LIST}?sort=title&limit=5", f"{LIST}?cursor=", "/api/v1/tags"])
def test_the_current_etag_gets_304(owner, resource, path):
    response = owner.get(path)
    held = owner.get(path, HTTP_IF_NONE_MATCH=response["ETag"])

    assert (held.status_code, held.content, held["ETag"]) == (304, b"", response["ETag"])
    assert response["Cache-Control"] == held["Cache-Control"] == "private, no-cache"


def test_a_304_reads_no_rows(owner, resource, django_assert_max_num_queries):
    etag = owner.get(LIST)["ETag"]
    with django_assert_max_num_queries(1):  # session, user and version
        owner.get(LIST, HTTP_IF_NONE_MATCH=etag)


CHANGES = {
    "create": lambda caller, one: caller.post(LIST, {"title": "Second"}),
    "replace": lambda caller, one: caller.put(f"{LIST}/{one.pk}", {"title": "Other"}),
    "change": lambda caller, one: caller.patch(f"{LIST}/{one.pk}", {"tags": ["c"]}),
    "delete": lambda caller, one: caller.delete(f"{LIST}/{one.pk}"),
    "bulk": lambda caller, one: caller.post(
        f"{LIST}/bulk", {"operations": [{"method": "create", "data": {"title": "x"}}]}
    ),
    "rename a tag": lambda caller, one: caller.patch(f"/api/v1/tags/{one.tags.first().pk}", {"name": "new"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_write_changes_the_etag_of_its_writer(owner, resource, change):
    responses = {path: owner.get(path) for path in (LIST, "/api/v1/tags")}
    assert CHANGES[change](owner, resource).status_code < 300

    assert [again(owner, path, response) for path, response in responses.items()] == [200, 200]


WAYS_AROUND = {
    "a query": lambda one: Resource.objects.filter(pk=one.pk).update(title="Elsewhere"),
    "bulk_create": lambda one: Resource.objects.bulk_create([Resource(user_id=one.user_id, title="New")]),
    "erasure": lambda one: one.delete(),
    "a new tag": lambda one: Tag.objects.create(user_id=one.user_id, name="new"),
    "a service": lambda one: create_resource(user=one.user, title="New", tags=[]),
}


@pytest.mark.parametrize("way", WAYS_AROUND)
def test_writes_by_the_orm_change_the_etag(owner, resource, way):
    response = owner.get(LIST)
    WAYS_AROUND[way](resource)

    assert again(owner, LIST, response) == 200


def test_writes_by_sql_change_the_etag(owner, resource):
    before = current_version(owner.user.pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE resources_resource SET title = 'By hand'")

    assert current_version(owner.user.pk) != before


def test_a_write_without_a_change_does_not_change_the_etag(owner, resource):
    response = owner.get(LIST)
    owner.patch(f"{LIST}/{resource.pk}", {"title": "First"})

    assert again(owner, LIST, response) == 304


def test_writes_of_others_do_not_change_the_etag(owner, stranger, resource):
    response = owner.get(LIST)
    stranger.post(LIST, {"title": "Theirs", "tags": ["a"]})

    assert again(owner, LIST, response) == 304


def test_a_write_of_an_admin_changes_the_etag_of_the_owner(owner, admin, resource):
    response = owner.get(LIST)
    admin.patch(f"{LIST}/{resource.pk}", {"title": "By the admin"})

    assert again(owner, LIST, response) == 200


def test_two_users_have_different_etags(owner, stranger):
    assert owner.get(LIST)["ETag"] != stranger.get(LIST)["ETag"]
    assert again(stranger, LIST, owner.get(LIST)) == 200


def test_a_list_of_all_users_has_no_etag(admin, resource):
    assert "ETag" not in admin.get(f"{LIST}?scope=all")
    assert admin.get(f"{LIST}?scope=all", HTTP_IF_NONE_MATCH="*").status_code == 200


def test_a_wrong_parameter_is_no_304(owner, resource):
    etag = owner.get(LIST)["ETag"]

    assert owner.get(f"{LIST}?staus=draft", HTTP_IF_NONE_MATCH=etag).status_code == 400


@pytest.mark.parametrize(
    "query", ["page=0", "limit=x", "sort=nope", "fields=nope", "createdAfter=never", "status[in]=x"]
)
def test_an_invalid_value_is_no_304(owner, resource, query):
    etag = owner.get(LIST)["ETag"]

    for held in (etag, "*", f'*, {etag}, "x"'):
        assert owner.get(f"{LIST}?{query}", HTTP_IF_NONE_MATCH=held).status_code == 400


def test_another_query_has_another_etag(owner, resource):
    assert again(owner, f"{LIST}?limit=1", owner.get(LIST)) == 200


def test_a_list_with_an_operator_has_an_etag_until_a_row_changes(owner, resource):
    url = f"{LIST}?status[in]=draft,published&createdAt[gte]=2026-01-01T00:00:00Z"
    shown = owner.get(url)
    assert again(owner, url, shown) == 304

    owner.patch(f"{LIST}/{resource.pk}", {"status": "archived"})
    assert again(owner, url, shown) == 200
    assert owner.get(url).json()["data"] == []


def test_a_rolled_back_write_does_not_change_the_etag(owner, resource):
    response = owner.get(LIST)
    refused = {"operations": [{"method": "create", "data": {"title": "x"}}, {"method": "update", "id": None}]}
    assert owner.post(f"{LIST}/bulk", refused).status_code == 400

    assert again(owner, LIST, response) == 304


def test_parallel_writes_each_change_the_etag(owner, resource):
    def write():
        create_resource(user=owner.user, title="x", tags=["a"])
        return current_version(owner.user.pk)

    seen = together(*[write] * 8)

    assert current_version(owner.user.pk) in seen


def test_an_owner_can_be_erased(owner, resource):
    ResourceTag.objects.all().delete()
    owner.user.delete()

    assert current_version(owner.user.pk) == NEVER_CHANGED


def test_audit_events_do_not_change_the_etag(owner, resource):
    response = owner.get(LIST)
    audit.record("resource.looked_at", actor_id=owner.user.pk, target=resource)

    assert again(owner, LIST, response) == 304
