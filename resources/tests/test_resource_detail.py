from uuid import UUID

import pytest

from core.tests.answers import code, problems
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"


def test_shows_the_resource(owner):
    resource = ResourceFactory(
        user=owner.user, title="One", content="text", status="published", tags=["b", "a"]
    )
    answer = owner.get(f"{URL}/{resource.pk}")

    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "data": {
            "id": str(resource.pk),
            "userId": str(owner.user.pk),
            "title": "One",
            "content": "text",
            "status": "published",
            "tags": ["b", "a"],
            "attachments": [],
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
def test_what_is_no_id_of_a_resource_is_not_found(owner, pk):
    assert code(owner.get(f"{URL}/{pk}")) == (404, "NOT_FOUND")


def test_the_same_path_with_a_slash_answers_the_same(owner):
    resource = ResourceFactory(user=owner.user)

    assert owner.get(f"{URL}/{resource.pk}/").json() == owner.get(f"{URL}/{resource.pk}").json()


def test_takes_no_parameters(owner):
    resource = ResourceFactory(user=owner.user)

    assert problems(owner.get(f"{URL}/{resource.pk}?page=1")) == {"page": "unknown_parameter"}


def test_head_has_the_headers_and_no_body(owner):
    resource = ResourceFactory(user=owner.user)
    answer = owner.head(f"{URL}/{resource.pk}")

    assert (answer.status_code, answer.content, answer["ETag"]) == (200, b"", '"v1"')


def test_is_kept_by_nobody_but_the_caller(owner):
    resource = ResourceFactory(user=owner.user)

    assert owner.get(f"{URL}/{resource.pk}")["Cache-Control"] == "private, no-cache"


def test_another_method_is_refused_with_those_that_are_allowed(owner):
    answer = owner.post(f"{URL}/{ResourceFactory(user=owner.user).pk}", {"title": "x"})

    assert code(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer["Allow"] == "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
