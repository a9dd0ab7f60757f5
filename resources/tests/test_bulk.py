"""The effects of POST /resources/bulk, and its response."""

import pytest

from core.audit.models import AuditEvent
from resources.models import Resource, ResourceTag, Tag
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"
IN_LISTS = ("id", "userId", "title", "content", "status", "tags", "version", "createdAt", "updatedAt")


def bulk(caller, *operations, **headers):
    return caller.post(f"{URL}/bulk", {"operations": list(operations)}, **headers)


def create(**data):
    return {"method": "create", "data": data}


def update(resource, **data):
    return {"method": "update", "id": str(resource.pk), "data": data}


def delete(resource):
    return {"method": "delete", "id": str(resource.pk)}


def test_each_operation_has_its_result_in_order(owner):
    changing, removed = ResourceFactory(user=owner.user), ResourceFactory(user=owner.user)
    response = bulk(
        owner, create(title="One"), delete(removed), update(changing, title="Two"), create(title="Three")
    )

    assert response.status_code == 200
    one, gone, two, three = response.json()["data"]
    assert [one["title"], two["title"], three["title"]] == ["One", "Two", "Three"]
    assert [one["method"], gone["method"], two["method"]] == ["create", "delete", "update"]
    assert gone == {"method": "delete", "id": str(removed.pk)}
    assert two["id"] == str(changing.pk)


def test_a_result_is_the_resource_as_it_is_read_with_its_etag(owner):
    old = ResourceFactory(user=owner.user, tags=["old"])
    for result in bulk(owner, create(title="New", tags=["b", "A"]), update(old, status="published")).json()[
        "data"
    ]:
        read = owner.get(f"{URL}/{result['id']}")
        shown = read.json()["data"]
        assert result.keys() == {"method", *IN_LISTS}
        assert [result[name] for name in IN_LISTS] == [shown[name] for name in IN_LISTS]
        assert f'"{result["version"]}"' == read["ETag"]


def test_a_create_has_the_defaults_and_belongs_to_the_caller(admin):
    [result] = bulk(admin, create(title=" New ")).json()["data"]

    assert (result["title"], result["content"], result["status"], result["tags"]) == ("New", "", "draft", [])
    assert (result["userId"], f'"{result["version"]}"') == (str(admin.user.pk), Resource.objects.get().etag)
    assert result["createdAt"] == result["updatedAt"]


def test_a_create_ignores_an_id(owner):
    known = ResourceFactory(user=owner.user)
    [result] = bulk(owner, create(title="New") | {"id": str(known.pk)}).json()["data"]

    assert result["id"] != str(known.pk)


def test_an_update_does_not_change_other_fields(owner):
    resource = ResourceFactory(
        user=owner.user, title="Old", content="stays", status="archived", tags=["kept"]
    )
    bulk(owner, update(resource, title="New"))
    shown = owner.get(f"{URL}/{resource.pk}").json()["data"]

    assert (shown["title"], shown["content"], shown["status"], shown["tags"]) == (
        "New",
        "stays",
        "archived",
        ["kept"],
    )


def test_updates_of_different_fields_do_not_change_each_other(owner):
    one, two = (ResourceFactory(user=owner.user, title="t", content="c", tags=["a"]) for _ in range(2))
    bulk(owner, update(one, title="T"), update(two, content="C", tags=["b", "c"]))
    one, two = (owner.get(f"{URL}/{row.pk}").json()["data"] for row in (one, two))

    assert (one["title"], one["content"], one["tags"]) == ("T", "c", ["a"])
    assert (two["title"], two["content"], two["tags"]) == ("t", "C", ["b", "c"])


def test_each_change_sets_version_and_time(owner):
    resource, same = ResourceFactory(user=owner.user), ResourceFactory(user=owner.user, title="Same")
    before = resource.updated_at
    bulk(owner, update(resource, title="New"), update(same, title="Same"))
    resource.refresh_from_db()
    same.refresh_from_db()

    assert (resource.version, same.version) == (2, 1)
    assert resource.updated_at > before
    assert same.updated_at == same.created_at


def test_tags_are_created_once_and_keep_their_order(owner):
    resource = ResourceFactory(user=owner.user, tags=["x", "y"])
    results = bulk(owner, create(title="1", tags=["new", "y"]), update(resource, tags=["y", "New "])).json()[
        "data"
    ]

    assert [result["tags"] for result in results] == [["new", "y"], ["y", "new"]]
    for result in results:
        links = ResourceTag.objects.filter(resource=result["id"]).order_by("position")
        assert list(links.values_list("position", "tag__name")) == list(enumerate(result["tags"]))
    assert Tag.objects.filter(user=owner.user).count() == 3


def test_written_resources_are_found_by_their_words(owner):
    resource = ResourceFactory(user=owner.user, title="Before", tags=["red"])
    bulk(owner, update(resource, tags=["green"]), create(title="Montréal", tags=["blue"]))

    def titles(word):
        return [row["title"] for row in owner.get(f"{URL}?search={word}").json()["data"]]

    assert titles("green") == ["Before"]
    assert titles("red") == []
    assert titles("montreal blue") == ["Montréal"]


def test_deleted_resources_are_in_the_trash(owner):
    resource = ResourceFactory(user=owner.user)
    bulk(owner, delete(resource))

    assert owner.get(f"{URL}/{resource.pk}").status_code == 404
    assert [row["id"] for row in owner.get(f"{URL}/trash").json()["data"]] == [str(resource.pk)]
    assert owner.post(f"{URL}/{resource.pk}/restore")["ETag"].startswith('"v3-')


def test_every_changed_object_has_an_audit_event(owner):
    changing, same, removed = (ResourceFactory(user=owner.user, title="T") for _ in range(3))
    operations = create(title="N"), update(changing, title="U"), update(same, title="T"), delete(removed)
    response = bulk(owner, *operations, HTTP_X_REQUEST_ID="bulk-1")
    events = AuditEvent.objects.filter(event__startswith="resource.").order_by("id")

    assert [(event.event, str(event.target_id), event.changes) for event in events] == [
        ("resource.created", response.json()["data"][0]["id"], {}),
        ("resource.updated", str(changing.pk), {"title": ["T", "U"]}),
        ("resource.deleted", str(removed.pk), {}),
    ]
    assert {(event.actor_id, event.subject_id, event.request_id) for event in events} == {
        (owner.user.pk, owner.user.pk, "bulk-1")
    }


def test_an_admin_changes_resources_of_others_by_id(admin, owner, stranger):
    one, two = ResourceFactory(user=owner.user), ResourceFactory(user=stranger.user)
    response = bulk(admin, update(one, tags=["mine"]), update(two, tags=["mine"]))

    assert [result["userId"] for result in response.json()["data"]] == [
        str(owner.user.pk),
        str(stranger.user.pk),
    ]
    assert set(Tag.objects.values_list("user_id", "name")) == {
        (owner.user.pk, "mine"),
        (stranger.user.pk, "mine"),
    }


def test_a_repetition_under_its_key_changes_nothing(owner):
    resource = ResourceFactory(user=owner.user)
    operations = create(title="Once"), update(resource, title="New")
    first, again = (bulk(owner, *operations, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))

    assert again["Idempotency-Replayed"] == "true"
    assert again.content == first.content
    assert Resource.objects.count() == 2


def test_a_hundred_operations_are_allowed(owner):
    assert len(bulk(owner, *(create(title=str(number)) for number in range(100))).json()["data"]) == 100
    assert Resource.objects.count() == 100
