"""GET /resources/{id}/history."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.audit import services as audit
from core.audit.models import AuditEvent
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"


def history(caller, resource, query=""):
    return caller.get(f"{URL}/{resource.pk}/history{query}")


def entries(caller, resource, query=""):
    return history(caller, resource, query).json()["data"]


def events(caller, resource):
    return [entry["event"] for entry in entries(caller, resource)]


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="Old")


def happen(resource, actor, times=1, **changes):
    for _ in range(times):
        audit.record("resource.updated", actor_id=actor and actor.pk, target=resource, changes=changes)


def test_the_newest_comes_first(owner):
    path = owner.post(URL, {"title": "One"})["Location"]
    owner.patch(path, {"title": "Two"})
    owner.delete(path)
    owner.post(f"{path}/restore")
    listed = owner.get(f"{path}/history").json()["data"]

    assert [entry["event"] for entry in listed] == [
        "resource.restored",
        "resource.deleted",
        "resource.updated",
        "resource.created",
    ]
    assert listed == sorted(listed, key=lambda entry: entry["createdAt"], reverse=True)


def test_an_entry_shows_old_and_new_values(owner, resource):
    owner.patch(f"{URL}/{resource.pk}", {"title": "New", "tags": ["a"]})
    [entry] = entries(owner, resource)

    assert entry["changes"] == {
        "title": {"before": "Old", "after": "New"},
        "tags": {"before": [], "after": ["a"]},
    }
    assert entry["id"] == str(AuditEvent.objects.get().pk)


def test_bulk_operations_are_in_it(owner, resource):
    operation = {"method": "update", "id": str(resource.pk), "data": {"title": "New"}}
    owner.post(f"{URL}/bulk", {"operations": [operation]})

    assert events(owner, resource) == ["resource.updated"]


def test_only_events_of_this_object_are_in_it(owner, resource):
    happen(ResourceFactory(user=owner.user), owner.user)
    audit.record("session.opened", actor_id=owner.user.pk, target=owner.user)
    happen(resource, owner.user)

    assert events(owner, resource) == ["resource.updated"]


def test_the_owner_sees_their_own_name(owner, resource):
    happen(resource, owner.user)

    assert entries(owner, resource)[0]["actor"] == {
        "kind": "owner",
        "id": str(owner.user.pk),
        "name": "Olive Owner",
    }


def test_the_owner_sees_staff_without_a_name(owner, admin, resource):
    admin.patch(f"{URL}/{resource.pk}", {"title": "New"})

    assert entries(owner, resource)[0]["actor"] == {"kind": "staff", "id": None, "name": None}


def test_an_admin_sees_the_names(owner, admin, resource):
    happen(resource, owner.user)
    happen(resource, admin.user)
    by_admin, by_owner = (entry["actor"] for entry in entries(admin, resource))

    assert by_admin == {"kind": "staff", "id": str(admin.user.pk), "name": "Ada Admin"}
    assert by_owner == {"kind": "owner", "id": str(owner.user.pk), "name": "Olive Owner"}


def test_an_event_of_the_system_has_no_actor(owner, resource):
    happen(resource, None)

    assert entries(owner, resource)[0]["actor"] is None


def test_ip_addresses_are_not_in_it(owner, resource):
    owner.patch(
        f"{URL}/{resource.pk}", {"title": "New"}, HTTP_USER_AGENT="a-browser", HTTP_X_REQUEST_ID="r-77"
    )
    text = history(owner, resource).content.decode()
    event = AuditEvent.objects.get()

    for hidden in (event.user_agent, event.ip_address, event.request_id):
        assert hidden
        assert f'"{hidden}"' not in text


@pytest.mark.parametrize("reader", ["owner", "admin"])
def test_an_erased_user_has_no_name_and_no_changes(request, reader, owner, staff, resource):
    happen(resource, staff.user, title=["secret", "words"])
    audit.redact(staff.user.pk)
    [entry] = entries(request.getfixturevalue(reader), resource)

    assert entry["actor"] == {"kind": "erased", "id": None, "name": None}
    assert entry["changes"] == {}


def test_it_can_be_read_until_the_resource_is_purged(owner, resource):
    owner.delete(f"{URL}/{resource.pk}")
    assert events(owner, resource) == ["resource.deleted"]

    resource.delete()
    assert history(owner, resource).status_code == 404


def test_it_is_a_404_for_others(stranger, staff, owner, resource):
    happen(resource, owner.user)
    unknown = resource.__class__(pk=uuid4())

    for caller in (stranger, staff):
        foreign, missing = history(caller, resource), history(caller, unknown)
        assert foreign.status_code == missing.status_code == 404
        assert foreign.json()["error"] | {"requestId": ""} == missing.json()["error"] | {"requestId": ""}


def test_it_is_paginated(owner, resource):
    happen(resource, owner.user, 5)
    response = history(owner, resource, "?limit=2&page=3").json()

    assert response["meta"] == {"page": 3, "limit": 2, "total": 5, "totalPages": 3}
    assert len(response["data"]) == 1


def test_it_has_cursors(owner, resource):
    happen(resource, owner.user, 5)
    seen, cursor = [], ""
    while cursor is not None:
        response = history(owner, resource, f"?limit=2&cursor={cursor}").json()
        seen += [entry["id"] for entry in response["data"]]
        cursor = response["meta"]["nextCursor"]

    assert seen == [str(pk) for pk in AuditEvent.objects.order_by("-id").values_list("pk", flat=True)]


@pytest.mark.parametrize(
    "query", ["sort=createdAt", "status=draft", "fields=id", "search=x", "scope=all", "page=0"]
)
def test_it_refuses_parameters_other_than_pages(owner, resource, query):
    response = history(owner, resource, f"?{query}")

    assert response.status_code == 400
    assert response.json()["error"]["details"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("reader", ["owner", "admin"])
def test_the_queries_do_not_grow_with_the_events(request, reader, owner, admin, resource):
    caller = request.getfixturevalue(reader)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            response = history(caller, resource, "?limit=100")
        assert response.status_code == 200
        return len(queries)

    happen(resource, owner.user)
    few = cost()
    for _ in range(25):
        happen(resource, owner.user)
        happen(resource, admin.user)

    assert cost() == few <= 5
