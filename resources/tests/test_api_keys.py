"""Requests by a key with scopes of resources. Cached and repeated responses are safe across credentials."""

import pytest
from django.conf import settings as configured

from accounts.api_keys.tests.conftest import key_of  # noqa: F401 - a fixture
from accounts.tests.checks import data, refusal
from core.api.scopes import all_scopes
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

LIST = "/api/v1/resources"
BODY = {"title": "Trip to Montréal"}


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="First")


def test_the_scopes_are_those_of_the_routes():
    assert {"resources:read", "resources:write", "tags:read", "tags:write"} <= set(all_scopes())


def test_reads_need_the_scope_to_read(owner, stranger, resource, key_of):  # noqa: F811
    reader, writer = key_of(owner.user, "resources:read"), key_of(owner.user, "resources:write")
    path = f"{LIST}/{resource.pk}"
    paths = (LIST, path, f"{path}/history", f"{path}/attachments", f"{LIST}/trash", f"{LIST}/changes")

    for each in paths:
        assert reader.get(each).status_code == 200
        assert refusal(writer.get(each)) == (403, "FORBIDDEN")
    assert data(reader.get(path)) == data(owner.get(path))
    assert reader.post(f"{LIST}/export", {"format": "csv"}).status_code == 202
    assert refusal(key_of(stranger.user, "resources:read").get(path)) == (404, "NOT_FOUND")
    assert refusal(reader.get(f"{LIST}?scope=all")) == (403, "FORBIDDEN")


def test_writes_need_the_scope_to_write(owner, resource, key_of):  # noqa: F811
    reader, writer = key_of(owner.user, "resources:read"), key_of(owner.user, "resources:write")
    path = f"{LIST}/{resource.pk}"
    operations = {"operations": [{"method": "create", "data": BODY}]}
    requests = (
        ("post", LIST, BODY, 201),
        ("patch", path, BODY, 200),
        ("post", f"{LIST}/bulk", operations, 200),
        ("delete", path, None, 204),
        ("post", f"{path}/restore", None, 200),
        ("delete", f"{LIST}/trash", None, 204),
    )

    for method, each, body, status in requests:
        response = getattr(reader, method)(each, body)
        assert refusal(response) == (403, "FORBIDDEN")
        assert response.json()["error"]["details"][0]["code"] == "resources:write"
        assert getattr(writer, method)(each, body).status_code == status


def test_an_admin_key_sees_everything_within_its_scopes(admin, resource, key_of):  # noqa: F811
    program = key_of(admin.user, "resources:read")

    assert [row["id"] for row in data(program.get(f"{LIST}?scope=all"))] == [str(resource.pk)]


def test_an_idempotency_key_belongs_to_one_credential(owner, key_of):  # noqa: F811
    headers = {"Idempotency-Key": "once"}
    one, other = key_of(owner.user, "resources:write"), key_of(owner.user, "resources:write")

    responses = [caller.post(LIST, BODY, headers=headers) for caller in (owner, one, other, one)]

    assert [response.get("Idempotency-Replayed") for response in responses] == [None, None, None, "true"]
    assert Resource.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_reads_by_a_key_and_by_a_session_are_never_stale(owner, resource, key_of, settings):  # noqa: F811
    if configured.REDIS_URL:
        settings.RESPONSE_CACHE_SECONDS = 60
    reader, tagger = key_of(owner.user, "resources:read"), key_of(owner.user, "tags:read")
    for title in ("Second", "Third"):
        for caller in (owner, reader, owner, reader):
            assert [row["title"] for row in data(caller.get(LIST))] == [resource.title]
        etag = owner.get(LIST)["ETag"]
        assert reader.get(LIST, headers={"If-None-Match": etag}).status_code == 304
        assert refusal(tagger.get(LIST, headers={"If-None-Match": etag})) == (403, "FORBIDDEN")
        resource.title = title
        owner.patch(f"{LIST}/{resource.pk}", {"title": title})
        assert reader.get(LIST, headers={"If-None-Match": etag}).status_code == 200
