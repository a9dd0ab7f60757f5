"""Versions of an object: ETag, If-None-Match and If-Match (RFC 9110, 13)."""

import pytest

from core.tests.answers import code
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

WRITES = ("put", "patch", "delete")


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="One")


@pytest.fixture
def url(resource):
    return f"/api/v1/resources/{resource.pk}"


@pytest.fixture
def at(resource):
    """Put the resource's ETag where a header of these tests has `v1`."""
    opaque = resource.etag.strip('"')
    return lambda header: header.replace("v1", opaque)


def write(caller, method, url, if_match):
    return getattr(caller, method)(url, {"title": "Two"}, HTTP_IF_MATCH=if_match)


def test_the_etag_is_strong(owner, url):
    etag = owner.get(url)["ETag"]

    assert etag.startswith('"')
    assert etag.endswith('"')


@pytest.mark.parametrize("path", ["/api/v1/resources", "/api/v1/tags", "/api/v1/jobs", "/api/v1/users"])
def test_every_object_has_the_value_of_its_etag(admin, path):
    ResourceFactory(user=admin.user, tags=["red"])
    admin.post("/api/v1/resources/export", {"format": "csv"})
    [listed] = admin.get(path).json()["data"]
    shown = admin.get(f"{path}/{listed['id']}")

    assert f'"{listed["version"]}"' == f'"{shown.json()["data"]["version"]}"' == shown["ETag"]


def test_the_version_of_a_list_is_enough_to_write(owner, resource, url):
    [listed] = owner.get("/api/v1/resources").json()["data"]
    written = write(owner, "patch", url, f'"{listed["version"]}"')
    operation = {"method": "update", "id": listed["id"], "data": {"title": "3"}}

    def send(version):
        return owner.post("/api/v1/resources/bulk", {"operations": [operation | {"ifMatch": version}]})

    assert (written.status_code, send(listed["version"]).status_code) == (200, 412)
    [result] = send(written.json()["data"]["version"]).json()["data"]
    assert f'"{result["version"]}"' == owner.get(url)["ETag"]


# As nginx, Apache and Caddy change the ETag of a response that they compress.
COMPRESSED = ['W/"v1"', '"v1-gzip"', 'W/"v1-br"', '"v0", W/"v1"']


@pytest.mark.parametrize("held", ['"v1"', '"v0", "v1"', "*", ' "v1" ', *COMPRESSED])
def test_the_current_etag_gets_304_without_a_body(owner, url, at, held):
    response = owner.get(url, HTTP_IF_NONE_MATCH=at(held))

    assert (response.status_code, response.content) == (304, b"")
    assert response["ETag"] == at('"v1"')
    assert response["X-Request-ID"]


@pytest.mark.parametrize("held", ['"v2"', "v1", '"v1', '"', "", '"v11"', "garbage, more"])
def test_another_etag_gets_the_current_version(owner, url, at, held):
    response = owner.get(url, HTTP_IF_NONE_MATCH=at(held))

    assert response.status_code == 200
    assert response.json()["data"]["title"] == "One"


def test_head_returns_304_too(owner, url, at):
    assert owner.head(url, HTTP_IF_NONE_MATCH=at('"v1"')).status_code == 304


def test_a_change_ends_the_304(owner, url, at):
    owner.patch(url, {"title": "Two"})

    assert owner.get(url, HTTP_IF_NONE_MATCH=at('"v1"')).status_code == 200


def test_a_stranger_gets_404_with_any_etag(stranger, url):
    assert code(stranger.get(url, HTTP_IF_NONE_MATCH="*")) == (404, "NOT_FOUND")
    assert code(write(stranger, "patch", url, '"v7"')) == (404, "NOT_FOUND")


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("if_match", ['"v1"', "*", '"v9", "v1"', *COMPRESSED])
def test_accepts_the_current_version(owner, resource, url, at, method, if_match):
    assert write(owner, method, url, at(if_match)).status_code in {200, 204}
    resource.refresh_from_db()
    assert resource.version == 2


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    "if_match", ['"v2"', 'W/"v2"', '"v2-gzip"', '"v1-lz4"', 'w/"v1"', "v1", "", '"', '"v1', "garbage"]
)
def test_refuses_any_other_version_and_changes_nothing(owner, resource, url, at, method, if_match):
    assert code(write(owner, method, url, at(if_match))) == (412, "PRECONDITION_FAILED")
    resource.refresh_from_db()
    assert (resource.title, resource.version, resource.deleted_at) == ("One", 1, None)


@pytest.mark.parametrize("method", WRITES)
def test_without_the_header_the_last_write_wins(owner, resource, url, method):
    owner.patch(url, {"title": "Between"})

    assert getattr(owner, method)(url, {"title": "Two"}).status_code in {200, 204}


def test_each_write_returns_the_etag_for_the_next(owner, url):
    etag = owner.get(url)["ETag"]
    for number in range(5):
        response = owner.patch(url, {"content": str(number)}, HTTP_IF_MATCH=etag)
        assert response.status_code == 200
        assert response["ETag"] != etag
        etag = response["ETag"]


@pytest.mark.parametrize("method", WRITES)
def test_a_412_has_the_current_etag(owner, url, at, method):
    current = owner.patch(url, {"title": "Between"})["ETag"]
    refused = write(owner, method, url, at('W/"v1"'))

    assert (code(refused), refused["ETag"]) == ((412, "PRECONDITION_FAILED"), current)
    assert write(owner, method, url, refused["ETag"]).status_code in {200, 204}


@pytest.mark.parametrize(("if_match", "status"), [('"v2"', 412), ('W/"v1"', 200), ("*", 200), (None, 200)])
def test_a_restore_compares_the_version_too(owner, resource, url, if_match, status):
    resource.soft_delete()
    headers = {} if if_match is None else {"If-Match": if_match.replace("v1", resource.etag.strip('"'))}

    assert owner.post(f"{url}/restore", headers=headers).status_code == status
    assert owner.get(url).status_code == (200 if status == 200 else 404)


@pytest.mark.parametrize(("if_match", "status"), [('W/"v1"', 200), ('"v1-gzip"', 200), ('W/"v2"', 412)])
def test_if_match_of_a_bulk_operation_has_the_forms_of_the_header(owner, resource, at, if_match, status):
    change = {"method": "update", "id": str(resource.pk), "ifMatch": at(if_match), "data": {"title": "Two"}}
    response = owner.post("/api/v1/resources/bulk", {"operations": [change]})

    assert response.status_code == status


def test_a_stale_version_is_refused_before_the_body_is_validated(owner, url):
    assert code(owner.put(url, {"title": ""}, HTTP_IF_MATCH='"v9"')) == (412, "PRECONDITION_FAILED")


def test_the_etag_of_a_tag_changes_with_its_name_and_its_count(owner):
    ResourceFactory(user=owner.user, tags=["red"])
    url = f"/api/v1/tags/{owner.get('/api/v1/tags').json()['data'][0]['id']}"
    first = owner.get(url)["ETag"]
    ResourceFactory(user=owner.user, tags=["red"])
    second = owner.get(url)["ETag"]
    third = owner.patch(url, {"name": "blue"}, HTTP_IF_MATCH=second)["ETag"]

    assert len({first, second, third}) == 3
    assert code(owner.patch(url, {"name": "green"}, HTTP_IF_MATCH=second)) == (412, "PRECONDITION_FAILED")
    assert owner.get(url, HTTP_IF_NONE_MATCH=third).status_code == 304


def test_deleting_a_tag_compares_the_version(owner):
    resource = ResourceFactory(user=owner.user, tags=["red"])
    Resource.objects.filter(pk=resource.pk).delete()
    url = f"/api/v1/tags/{owner.get('/api/v1/tags').json()['data'][0]['id']}"

    assert code(owner.delete(url, HTTP_IF_MATCH='"v1-1"')) == (412, "PRECONDITION_FAILED")
    assert owner.delete(url, HTTP_IF_MATCH=owner.get(url)["ETag"]).status_code == 204
