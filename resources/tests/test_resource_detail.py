from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.tests.answers import code, problems
from resources.models import Attachment
from resources.tests.factories import AttachmentFactory, ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"


def test_shows_the_resource(owner):
    resource = ResourceFactory(
        user=owner.user, title="One", content="text", status="published", tags=["b", "a"]
    )
    response = owner.get(f"{URL}/{resource.pk}")

    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "data": {
            "id": str(resource.pk),
            "userId": str(owner.user.pk),
            "title": "One",
            "content": "text",
            "status": "published",
            "tags": ["b", "a"],
            "attachments": [],
            "version": resource.etag.strip('"'),
            "createdAt": resource.created_at.isoformat().replace("+00:00", "Z"),
            "updatedAt": resource.updated_at.isoformat().replace("+00:00", "Z"),
        },
    }


def test_ids_are_of_version_7_and_sort_by_time(owner):
    ids = [owner.post(URL, {"title": "x"}).json()["data"]["id"] for _ in range(5)]

    assert {UUID(value).version for value in ids} == {7}
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    "pk",
    [
        "00000000-0000-0000-0000-000000000000",
        "01890000-0000-7000-8000-000000000000",
        "1",
        "-1",
        "None",
        "{01890000-0000-7000-8000-000000000000}",
        "urn:uuid:01890000-0000-7000-8000-000000000000",
        "01890000000070008000000000000000",
        "%00",
        "..%2f..%2fetc",
        "%ff",
        "x" * 10_000,
        "9" * 5000,
    ],
)
def test_an_unknown_id_is_a_404(owner, pk):
    assert code(owner.get(f"{URL}/{pk}")) == (404, "NOT_FOUND")


def test_the_path_with_a_slash_returns_the_same(owner):
    resource = ResourceFactory(user=owner.user)

    assert owner.get(f"{URL}/{resource.pk}/").json() == owner.get(f"{URL}/{resource.pk}").json()


def test_parameters_other_than_fields_are_refused(owner):
    resource = ResourceFactory(user=owner.user)

    assert problems(owner.get(f"{URL}/{resource.pk}?page=1")) == {"page": "unknown_parameter"}


# --- parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["fields=title,tags", "fields=title&fields=tags", "fields=tags, title,id"])
def test_fields_narrows_it_and_keeps_the_id(owner, query):
    resource = ResourceFactory(user=owner.user, title="One", tags=["red"])
    response = owner.get(f"{URL}/{resource.pk}?{query}")

    assert response.json()["data"] == {"id": str(resource.pk), "title": "One", "tags": ["red"]}
    assert response["ETag"] == resource.etag


def test_attachments_are_queried_only_if_requested(owner):
    resource = AttachmentFactory(resource=ResourceFactory(user=owner.user)).resource
    with CaptureQueriesContext(connection) as queries:
        part = owner.get(f"{URL}/{resource.pk}?fields=title")
    shown = owner.get(f"{URL}/{resource.pk}?fields=attachments").json()["data"]

    assert not any(f'FROM "{Attachment._meta.db_table}"' in query["sql"] for query in queries)
    assert "." not in part["ETag"]  # no address in it runs out
    assert set(shown) == {"id", "attachments"}
    assert len(shown["attachments"]) == 1


@pytest.mark.parametrize("held", ['"v1"', "*", None])
@pytest.mark.parametrize("fields", ["", "title,", "password", "created_at"])
def test_an_unknown_field_is_refused_with_any_etag(owner, fields, held):
    resource = ResourceFactory(user=owner.user)
    headers = {} if held is None else {"If-None-Match": held}

    assert problems(owner.get(f"{URL}/{resource.pk}?fields={fields}", headers=headers)) == {
        "fields": "invalid"
    }


def test_the_current_etag_with_fields_gets_304(owner):
    url = f"{URL}/{ResourceFactory(user=owner.user).pk}?fields=title"
    held = {"If-None-Match": owner.get(url)["ETag"]}

    assert owner.get(url, headers=held).status_code == 304
    owner.patch(url.partition("?")[0], {"title": "Two"}, headers={"If-Match": held["If-None-Match"]})
    assert owner.get(url, headers=held).json()["data"]["title"] == "Two"


def test_the_response_to_a_write_has_every_field(owner):
    url = f"{URL}/{ResourceFactory(user=owner.user, title='One').pk}"

    for refused in (owner.patch(f"{url}?fields=title", {"title": "Two"}), owner.put(f"{url}?fields=id", {})):
        assert problems(refused) == {"fields": "unknown_parameter"}
    assert owner.get(url).json()["data"]["title"] == "One"


def test_head_has_the_headers_and_no_body(owner):
    resource = ResourceFactory(user=owner.user)
    response = owner.head(f"{URL}/{resource.pk}")

    assert (response.status_code, response.content, response["ETag"]) == (200, b"", resource.etag)


def test_is_cacheable_by_the_caller_only(owner):
    resource = ResourceFactory(user=owner.user)

    assert owner.get(f"{URL}/{resource.pk}")["Cache-Control"] == "private, no-cache"
