"""The permissions on the rows of others. `missing` is the id of no row: a stranger must not be able to distinguish
it from a foreign one."""

import pytest
from uuid_utils.compat import uuid7

from core.tests.answers import code
from resources.models import Tag
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db

METHODS = ("get", "put", "patch", "delete")


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="One", tags=["red"])


@pytest.fixture
def path(resource):
    return f"/api/v1/resources/{resource.pk}"


def call(caller, method, path):
    return getattr(caller, method)(path, {"title": "Two", "name": "two"} if method != "get" else None)


def anonymised(response):
    """Return what a client sees, without what differs between any two responses."""
    body = {**response.json()["error"], "requestId": ""}
    varying = {"X-Request-ID", "RateLimit-Remaining", "RateLimit-Reset"}
    return (
        response.status_code,
        body,
        {name: value for name, value in response.items() if name not in varying},
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_owner_may_read_and_write(owner, path, method):
    assert call(owner, method, path).status_code in {200, 204}


@pytest.mark.parametrize("method", METHODS)
def test_an_admin_may_read_and_write(admin, path, method):
    assert call(admin, method, path).status_code in {200, 204}


@pytest.mark.parametrize("who", ["stranger", "staff"])
@pytest.mark.parametrize("method", METHODS)
def test_it_is_a_404_for_others(request, resource, path, who, method):
    caller = request.getfixturevalue(who)
    foreign = call(caller, method, path)
    missing = call(caller, method, f"/api/v1/resources/{uuid7()}")

    assert code(foreign) == (404, "NOT_FOUND")
    assert anonymised(foreign) == anonymised(missing)
    resource.refresh_from_db()
    assert (resource.title, resource.deleted_at) == ("One", None)


@pytest.mark.parametrize("method", METHODS)
def test_an_anonymous_caller_gets_401(anonymous, path, method):
    foreign = call(anonymous, method, path)

    assert code(foreign) == (401, "UNAUTHORIZED")
    assert foreign["WWW-Authenticate"].startswith("Bearer")
    assert anonymised(foreign) == anonymised(call(anonymous, method, f"/api/v1/resources/{uuid7()}"))


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
@pytest.mark.parametrize("who", ["stranger", "staff", "admin"])
def test_a_tag_is_visible_to_its_owner_only(request, owner, who, method):
    tag = TagFactory(user=owner.user, name="red")
    caller = request.getfixturevalue(who)
    foreign = call(caller, method, f"/api/v1/tags/{tag.pk}")

    assert anonymised(foreign) == anonymised(call(caller, method, f"/api/v1/tags/{uuid7()}"))
    assert code(foreign) == (404, "NOT_FOUND")
    assert Tag.objects.get().name == "red"


def test_lists_have_own_rows_only(stranger, resource):
    for path in ("/api/v1/resources", "/api/v1/tags", "/api/v1/resources/trash"):
        assert stranger.get(path).json()["meta"]["total"] == 0


def test_two_users_have_tags_of_one_name(stranger, resource):
    response = stranger.post("/api/v1/resources", {"title": "x", "tags": ["red"]})

    assert response.status_code == 201
    assert Tag.objects.filter(name="red").count() == 2


def test_a_lowered_role_counts_with_the_next_request(admin, path):
    assert admin.get(path).status_code == 200
    type(admin.user).objects.filter(pk=admin.user.pk).update(role="user")

    assert code(admin.get(path)) == (404, "NOT_FOUND")
    assert code(admin.get("/api/v1/resources?scope=all")) == (403, "FORBIDDEN")
