import pytest

from core.audit.models import AuditEvent
from core.tests.answers import code, problems
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="One", content="text", status="published", tags=["b", "a"])


@pytest.fixture
def url(resource):
    return f"{URL}/{resource.pk}"


def values(response):
    assert response.status_code == 200, response.content
    data = response.json()["data"]
    return data["title"], data["content"], data["status"], data["tags"]


def test_put_resets_missing_fields(owner, url):
    assert values(owner.put(url, {"title": "Two"})) == ("Two", "", "draft", [])
    assert values(owner.get(url)) == ("Two", "", "draft", [])


def test_put_needs_the_title(owner, url):
    assert problems(owner.put(url, {"content": "x"})) == {"title": "required"}
    assert values(owner.get(url)) == ("One", "text", "published", ["b", "a"])


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ({}, ("One", "text", "published", ["b", "a"])),
        ({"title": "Two"}, ("Two", "text", "published", ["b", "a"])),
        ({"content": ""}, ("One", "", "published", ["b", "a"])),
        ({"status": "draft"}, ("One", "text", "draft", ["b", "a"])),
        ({"tags": []}, ("One", "text", "published", [])),
        ({"tags": ["A", "c", "a"]}, ("One", "text", "published", ["a", "c"])),
        ({"tags": ["a", "b"]}, ("One", "text", "published", ["a", "b"])),
    ],
)
def test_patch_does_not_change_missing_fields(owner, url, body, after):
    assert values(owner.patch(url, body)) == after
    assert values(owner.get(url)) == after


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"title": ""}, {"title": "blank"}),
        ({"title": None}, {"title": "null"}),
        ({"title": "x", "content": None}, {"content": "null"}),
        ({"title": "x", "status": "gone"}, {"status": "invalid_choice"}),
        ({"title": "x", "tags": None}, {"tags": "null"}),
        ({"title": "x", "tags": "a"}, {"tags": "not_a_list"}),
    ],
)
def test_wrong_values_are_refused_and_change_nothing(owner, url, method, body, why):
    assert problems(getattr(owner, method)(url, body)) == why
    assert values(owner.get(url)) == ("One", "text", "published", ["b", "a"])


@pytest.mark.parametrize("method", ["put", "patch"])
def test_neither_owner_nor_id_nor_times_can_be_set(owner, stranger, resource, url, method):
    body = {
        "title": "Two",
        "id": str(stranger.user.pk),
        "userId": str(stranger.user.pk),
        "createdAt": "2001-01-01T00:00:00Z",
    }
    data = getattr(owner, method)(url, body).json()["data"]

    assert data["id"] == str(resource.pk)
    assert data["userId"] == str(owner.user.pk)
    assert data["createdAt"] == resource.created_at.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    "change", [{"title": "Two"}, {"content": "x"}, {"status": "draft"}, {"tags": ["a", "b"]}]
)
def test_every_visible_change_sets_version_and_time(owner, url, change):
    before = owner.get(url)
    after = owner.patch(url, change)

    assert before["ETag"] != after["ETag"] == owner.get(url)["ETag"]
    assert after.json()["data"]["updatedAt"] > before.json()["data"]["updatedAt"]


@pytest.mark.parametrize(
    "same", [{}, {"title": " One "}, {"tags": ["B", "a"]}, {"status": "published"}, {"nonsense": 1}]
)
def test_an_update_without_a_change_keeps_version_and_time(owner, url, same):
    before = owner.get(url)
    after = owner.patch(url, same)

    assert after["ETag"] == before["ETag"]
    assert after.json()["data"] == before.json()["data"]
    assert not AuditEvent.objects.filter(event="resource.updated").exists()


def test_put_of_equal_values_changes_nothing(owner, url):
    before = owner.get(url)

    assert owner.put(url, before.json()["data"])["ETag"] == before["ETag"]


def test_the_response_is_what_the_next_read_returns(owner, url):
    after = owner.put(url, {"title": "Two", "tags": ["z", "y"]})

    assert owner.get(url).json()["data"] == after.json()["data"]


def test_the_audit_has_old_and_new_values(owner, resource, url):
    owner.patch(url, {"title": "Two", "content": "long " * 200, "tags": ["c"]})
    event = AuditEvent.objects.get(event="resource.updated")

    assert (event.actor_id, event.target_id) == (owner.user.pk, resource.pk)
    assert event.changes["title"] == ["One", "Two"]
    assert event.changes["tags"] == [["b", "a"], ["c"]]
    assert event.changes["content"][1].endswith("… (1000 characters)")
    assert set(event.changes) == {"title", "content", "tags"}


def test_a_resource_in_the_trash_cannot_be_changed(owner, resource, url):
    resource.soft_delete()

    assert code(owner.patch(url, {"title": "Two"})) == (404, "NOT_FOUND")
    assert code(owner.put(url, {"title": "Two"})) == (404, "NOT_FOUND")
    resource.refresh_from_db()
    assert (resource.title, resource.version) == ("One", 2)


def test_an_admin_edits_resources_of_others_without_changing_the_owner(owner, admin, url):
    data = admin.patch(url, {"title": "Two", "tags": ["new"]}).json()["data"]

    assert (data["title"], data["userId"]) == ("Two", str(owner.user.pk))
    assert [tag["name"] for tag in owner.get("/api/v1/tags").json()["data"]] == ["a", "b", "new"]
    assert AuditEvent.objects.get(event="resource.updated").actor_id == admin.user.pk
