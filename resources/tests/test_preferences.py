"""Preference for strict bodies (RFC 7240), and merge patches (RFC 7396)."""

from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.tests.factories import PASSWORD
from core.tests.answers import code, problems
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"
MERGE_PATCH = "application/merge-patch+json"


@pytest.mark.parametrize(
    "prefer", ["handling=strict", 'respond-async, Handling = "strict"; x=1', "wait=5,handling=strict"]
)
def test_strict_handling_names_each_unknown_field_and_writes_nothing(owner, prefer):
    body = {"title": "One", "titel": "x", "userId": "x"}
    response = owner.post(URL, body, headers={"Prefer": prefer})

    assert problems(response) == {"titel": "unknown_field", "userId": "unknown_field"}
    assert response["Preference-Applied"] == "handling=strict"
    assert not Resource.objects.exists()


@pytest.mark.parametrize(
    "prefer",
    ["", "handling=lenient", "handling=stricter", "xhandling=strict", "handling=lenient, handling=strict"],
)
def test_otherwise_unknown_fields_are_ignored(owner, prefer):
    response = owner.post(URL, {"title": "One", "titel": "x"}, headers={"Prefer": prefer})

    assert response.status_code == 201
    assert "Preference-Applied" not in response


@pytest.mark.parametrize("content_type", ["*/*", "application/*", "application/*; charset=utf-8"])
def test_a_range_of_types_is_no_content_type(owner, content_type):
    assert code(owner.generic("POST", URL, b'{"title": "One"}', content_type=content_type)) == (
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    )


def test_strict_handling_accepts_a_body_of_known_fields(owner):
    assert (
        owner.post(URL, {"title": "One", "tags": ["a"]}, headers={"Prefer": "handling=strict"}).status_code
        == 201
    )


def test_strict_handling_of_other_bodies(owner, anonymous):
    resource = ResourceFactory(user=owner.user)
    strict = {"Prefer": "handling=strict"}
    operations = {"operations": [{"method": "create", "data": {"title": "x", "titel": "y"}}]}
    person = {"email": owner.user.email, "password": PASSWORD, "remember": True}

    assert problems(owner.patch(f"{URL}/{resource.pk}", {"id": "x"}, headers=strict)) == {
        "id": "unknown_field"
    }
    assert problems(owner.post(f"{URL}/bulk", operations, headers=strict)) == {
        "operations.0.titel": "unknown_field"
    }
    assert problems(owner.patch("/api/v1/users/me", {"isStaff": True}, headers=strict)) == {
        "isStaff": "unknown_field"
    }
    assert problems(anonymous.post("/api/v1/auth/login", person, headers=strict)) == {
        "remember": "unknown_field"
    }


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"operations": [{"method": "update", "ifmatch": "x", "data": {}}]}, "operations.0.ifmatch"),
        ({"operations": [{"method": "delete", "data": {}}]}, "operations.0.data"),
        ({"operations": [{"method": "delete"}], "atomic": False}, "atomic"),
    ],
)
def test_strict_handling_of_a_bulk_names_what_no_operation_has(owner, body, named):
    resource = ResourceFactory(user=owner.user)
    body["operations"][0]["id"] = str(resource.pk)

    response = owner.post(f"{URL}/bulk", body, headers={"Prefer": "handling=strict"})
    assert problems(response) == {named: "unknown_field"}
    assert owner.post(f"{URL}/bulk", body).status_code == 200


@pytest.mark.parametrize("path", ["{id}/attachments", "import"])
def test_strict_handling_of_a_form_names_its_unknown_fields(owner, disk, path):
    url = f"{URL}/{path.format(id=ResourceFactory(user=owner.user).pk)}"

    def send(**headers):
        form = {"file": SimpleUploadedFile("a.csv", b"title\nOne\n"), "dryrun": "true"}
        return owner.post(url, form, format="multipart", headers=headers)

    assert problems(send(Prefer="handling=strict")) == {"dryrun": "unknown_field"}
    assert send().status_code in {201, 202}


def test_strict_handling_of_an_import_by_a_dry_run(owner):
    body = {"dryRunId": str(uuid4()), "dryrun": True}
    response = owner.post(f"{URL}/import", body, headers={"Prefer": "handling=strict"})

    assert problems(response) == {"dryrun": "unknown_field"}


@pytest.mark.parametrize("media_type", [MERGE_PATCH.title(), f"{MERGE_PATCH}; charset=UTF-8"])
def test_a_media_type_has_no_case(owner, media_type):
    url = f"{URL}/{ResourceFactory(user=owner.user, content='text').pk}"

    assert owner.patch(url, '{"content": null}', content_type=media_type).json()["data"]["content"] == ""


def test_a_merge_patch_changes_what_it_names(owner):
    resource = ResourceFactory(user=owner.user, title="One", content="text", status="published", tags=["a"])
    body = '{"title": "Two", "content": null, "tags": null}'
    response = owner.patch(f"{URL}/{resource.pk}", body, content_type=MERGE_PATCH)

    shown = response.json()["data"]
    assert response.status_code == 200
    assert [shown[name] for name in ("title", "content", "status", "tags")] == ["Two", "", "published", []]


def test_a_required_value_cannot_be_removed(owner):
    resource = ResourceFactory(user=owner.user)
    url = f"{URL}/{resource.pk}"

    assert problems(owner.patch(url, '{"title": null}', content_type=MERGE_PATCH)) == {"title": "null"}
    assert problems(owner.patch(url, {"content": None})) == {"content": "null"}


@pytest.mark.parametrize("method", ["post", "put"])
def test_only_a_patch_is_a_merge_patch(owner, method):
    url = f"{URL}/{ResourceFactory(user=owner.user).pk}" if method == "put" else URL
    response = getattr(owner, method)(url, '{"title": "x"}', content_type=MERGE_PATCH)

    assert code(response) == (415, "UNSUPPORTED_MEDIA_TYPE")
