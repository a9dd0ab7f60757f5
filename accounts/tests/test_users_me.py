import uuid
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.tests.checks import API, data, event, events, problems, refusal
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

ME = f"{API}/users/me"


@pytest.fixture(params=["me", "id"])
def own(request, owner):
    """Return both paths of the owner's account."""
    return ME if request.param == "me" else f"{API}/users/{owner.user.pk}"


def test_shows_the_caller(owner, own):
    user = owner.user

    assert data(owner.get(own)) == {
        "id": str(user.pk),
        "email": user.email,
        "pendingEmail": None,
        "name": "Olive Owner",
        "role": "user",
        "status": "active",
        "emailVerified": False,
        "mfaEnabled": False,
        "version": user.etag.strip('"'),
        "createdAt": user.created_at.isoformat().replace("+00:00", "Z"),
        "updatedAt": user.updated_at.isoformat().replace("+00:00", "Z"),
    }


def test_costs_two_queries(owner):
    """Count one query for the session with its user, and one for the object."""
    with CaptureQueriesContext(connection) as queries:
        owner.get(ME)

    assert len(queries) == 2
    assert "accounts_session" in queries[0]["sql"]


@pytest.mark.parametrize("who", ["stranger", "staff"])
def test_an_account_is_a_404_for_others(request, owner, who):
    other = request.getfixturevalue(who)
    body = {"name": "Eve Else", "currentPassword": PASSWORD}
    for method in ("get", "put", "patch", "delete"):
        call = partial(getattr(other, method), headers={"X-Request-ID": "same"})
        call = call if method == "get" else partial(call, data=body)
        foreign = call(f"{API}/users/{owner.user.pk}")
        assert refusal(foreign) == (404, "NOT_FOUND")
        assert foreign.content == call(f"{API}/users/{uuid.uuid4()}").content


def test_an_admin_reads_any_account(owner, admin):
    path = f"{API}/users/{owner.user.pk}"

    assert data(admin.get(path))["name"] == "Olive Owner"
    assert data(admin.patch(path, {"name": "Olive Oyl"}))["name"] == "Olive Oyl"


def test_a_deleted_account_is_a_404(owner, admin):
    owner.user.soft_delete()

    assert refusal(admin.get(f"{API}/users/{owner.user.pk}")) == (404, "NOT_FOUND")
    assert refusal(admin.patch(f"{API}/users/{owner.user.pk}", {"name": "X Y"})) == (404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["put", "patch"])
def test_changes_the_name(owner, own, method):
    response = getattr(owner, method)(own, {"name": "  Olive Oyl "})

    assert data(response)["name"] == "Olive Oyl"
    assert User.objects.get(pk=owner.user.pk).name == "Olive Oyl"


def test_put_requires_the_name_and_patch_does_not(owner):
    assert problems(owner.put(ME, {})) == [("name", "required")]
    assert data(owner.patch(ME, {}))["name"] == "Olive Owner"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"name": "O"}, ("name", "min_length")),
        ({"name": "O" * 101}, ("name", "max_length")),
        ({"name": None}, ("name", "null")),
        ({"name": ["Olive"]}, ("name", "invalid")),
        ({"name": "Olive\nBcc: x@example.com"}, ("name", "invalid_characters")),
        ({"email": "olive"}, ("email", "invalid")),
    ],
)
def test_names_an_invalid_value(owner, body, problem):
    assert problems(owner.patch(ME, body)) == [problem]
    assert User.objects.get(pk=owner.user.pk).version == 1


def test_no_other_field_can_be_set(owner):
    before = User.objects.filter(pk=owner.user.pk).values().get()

    owner.patch(
        ME,
        {
            "role": "admin",
            "id": str(uuid.uuid4()),
            "isStaff": True,
            "is_superuser": True,
            "password": "H4cked-by-me",
            "emailVerified": True,
            "email_verified_at": "2020-01-01T00:00:00Z",
            "pendingEmail": "evil@example.com",
            "createdAt": "2020-01-01T00:00:00Z",
            "deletedAt": "2020-01-01T00:00:00Z",
            "version": 99,
        },
    )

    assert User.objects.filter(pk=owner.user.pk).values().get() == before


def test_a_change_gives_a_new_version(clock, owner):
    before = owner.get(ME)
    clock.shift(5)

    changed = owner.patch(ME, {"name": "Olive Oyl"})

    assert changed["ETag"] != before["ETag"]
    assert data(changed)["updatedAt"] > data(before)["updatedAt"]
    assert data(changed)["createdAt"] == data(before)["createdAt"]
    assert owner.get(ME)["ETag"] == changed["ETag"]


def test_without_a_change_the_version_stays(owner):
    before = owner.get(ME)["ETag"]

    assert owner.patch(ME, {"name": "Olive Owner"})["ETag"] == before
    assert events() == []


def test_the_current_version_is_a_304(owner):
    etag = owner.get(ME)["ETag"]

    response = owner.get(ME, headers={"If-None-Match": etag})
    assert (response.status_code, response.content, response["ETag"]) == (304, b"", etag)

    owner.patch(ME, {"name": "Olive Oyl"})
    assert owner.get(ME, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_stale_version_is_not_overwritten(owner, method):
    stale = owner.get(ME)["ETag"]
    owner.patch(ME, {"name": "Olive Oyl"})
    body = {"name": "Too late", "currentPassword": PASSWORD}

    response = getattr(owner, method)(ME, body, headers={"If-Match": stale})

    assert refusal(response) == (412, "PRECONDITION_FAILED")
    assert data(owner.get(ME))["name"] == "Olive Oyl"


def test_the_etag_of_another_account_is_no_304(owner, stranger):
    """A browser still has the response of /users/me when another user logs in."""
    response = stranger.get(ME, headers={"If-None-Match": owner.get(ME)["ETag"]})

    assert data(response)["id"] == str(stranger.user.pk)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_the_etag_of_another_account_is_refused_for_a_write(owner, stranger, method):
    body = {"name": "Too late", "currentPassword": PASSWORD}
    response = getattr(stranger, method)(ME, body, headers={"If-Match": owner.get(ME)["ETag"]})

    assert refusal(response) == (412, "PRECONDITION_FAILED")
    assert response["ETag"] == stranger.get(ME)["ETag"]


def test_both_urls_of_an_account_have_one_etag(owner):
    held = owner.get(ME)["ETag"]

    assert owner.get(f"{API}/users/{owner.user.pk}", headers={"If-None-Match": held}).status_code == 304


@pytest.mark.parametrize("match", ["{etag}", "*", "W/{etag}", '"v9", W/{etag}'])
def test_the_current_version_is_accepted_for_a_write(owner, match):
    held = match.format(etag=owner.get(ME)["ETag"])

    assert owner.patch(ME, {"name": "Olive Oyl"}, headers={"If-Match": held}).status_code == 200


def test_a_412_has_the_current_version(owner):
    response = owner.patch(ME, {"name": "Olive Oyl"}, headers={"If-Match": '"v9"'})

    assert (refusal(response), response["ETag"]) == ((412, "PRECONDITION_FAILED"), owner.get(ME)["ETag"])


def test_a_new_name_is_audited(owner):
    owner.patch(ME, {"name": "Olive Oyl"}, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    updated = event("user.updated")
    assert (updated.actor_id, updated.target_id) == (owner.user.pk, owner.user.pk)
    assert (updated.ip_address, updated.request_id) == ("203.0.113.9", "req-1")
    assert updated.changes == {"name": ["Olive Owner", "Olive Oyl"]}


def test_a_new_name_by_an_admin_is_audited_with_its_actor(owner, admin):
    admin.patch(f"{API}/users/{owner.user.pk}", {"name": "Olive Oyl"})

    assert (event("user.updated").actor_id, event("user.updated").target_id) == (admin.user.pk, owner.user.pk)


@pytest.mark.parametrize(("method", "status"), [("head", 200), ("options", 200), ("post", 405)])
def test_other_methods_are_refused(owner, method, status):
    assert getattr(owner, method)(ME).status_code == status
