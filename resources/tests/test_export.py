"""The personal data of the resources app."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.api.personal_data import export_of
from core.db.privacy import exports, sections
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db


def test_an_export_has_every_resource_including_the_trash(owner):
    present = ResourceFactory(user=owner.user, title="Kept", content="text", tags=["b", "a"])
    gone = ResourceFactory(user=owner.user, title="Gone")
    gone.soft_delete()
    rows = export_of(owner.user)["resources"]

    assert [(row["id"], row["title"], row["deletedAt"]) for row in rows] == [
        (str(present.pk), "Kept", None),
        (str(gone.pk), "Gone", gone.deleted_at),
    ]
    assert (rows[0]["content"], rows[0]["tags"]) == ("text", ["b", "a"])


def test_an_export_holds_every_tag(owner):
    tag = TagFactory(user=owner.user, name="red")

    (row,) = export_of(owner.user)["tags"]
    assert (row["id"], row["name"], row["createdAt"]) == (
        str(tag.pk),
        "red",
        tag.created_at.isoformat().replace("+00:00", "Z"),
    )


def test_an_export_holds_nothing_of_others(owner):
    ResourceFactory(tags=["theirs"])
    export = export_of(owner.user)

    assert (export["resources"], export["tags"]) == ([], [])


def test_the_endpoint_returns_plain_json(owner):
    ResourceFactory(user=owner.user, title="One", tags=["red"])
    data = owner.get("/api/v1/users/me/export").json()["data"]

    assert data["resources"][0]["title"] == "One"
    assert data["tags"][0]["name"] == "red"


def test_its_queries_do_not_grow_with_the_resources(owner):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            owner.get("/api/v1/users/me/export")
        return len(queries)

    ResourceFactory(user=owner.user, tags=["a", "b"])
    few = cost()
    for _ in range(30):
        ResourceFactory(user=owner.user, tags=["a", "b"])

    assert cost() == few


def test_every_part_of_the_system_adds_its_section(owner, request):
    request.addfinalizer(lambda: sections.pop("added"))
    exports("added")(lambda user: {"name": user.name})

    assert export_of(owner.user)["added"] == {"name": owner.user.name}
