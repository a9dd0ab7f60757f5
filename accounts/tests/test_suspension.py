"""Suspension of an account: what the API and the admin do with it, and what a suspended person is told."""

import pytest
from django.utils import timezone

from accounts.models import OneTimeToken, User
from accounts.services.passwords import issue_token
from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    access_of,
    data,
    event,
    events,
    log_in_with,
    problems,
    refresh_with,
    refusal,
    try_token,
)
from accounts.tests.factories import PASSWORD, UserFactory
from core.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

SUSPENDED = (403, "ACCOUNT_SUSPENDED")


def path_of(caller):
    return f"{API}/users/{caller.user.pk}"


def set_status(admin, caller, status="suspended"):
    return admin.patch(path_of(caller), {"status": status})


# --- by the API -----------------------------------------------------------------------------------


def test_an_admin_suspends_a_user(admin, owner):
    assert data(set_status(admin, owner))["status"] == "suspended"

    assert data(admin.get(path_of(owner)))["status"] == "suspended"
    assert not User.objects.get(pk=owner.user.pk).is_active


def test_every_session_ends_at_once(admin, owner, log_in):
    phone = log_in(owner.user)
    set_status(admin, owner)

    for caller in (owner, phone):
        assert try_token(access_of(caller)) == "TOKEN_REVOKED"
        assert refusal(refresh_with(caller.refresh_token)) == (401, "TOKEN_REVOKED")
    assert {session.end_reason for session in owner.user.sessions.all()} == {"suspended"}


def test_a_session_that_was_left_open_is_refused_too(owner):
    User.objects.filter(pk=owner.user.pk).update(suspended_at=timezone.now())

    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert refusal(refresh_with(owner.refresh_token)) == (401, "TOKEN_REVOKED")


def test_an_active_account_can_log_in_again(admin, owner):
    set_status(admin, owner)
    assert data(set_status(admin, owner, "active"))["status"] == "active"

    assert log_in_with(owner.user.email).status_code == 200
    assert try_token(access_of(owner)) == "TOKEN_REVOKED"


def test_is_audited_with_before_and_after(admin, owner):
    set_status(admin, owner)
    set_status(admin, owner, "active")

    suspended, unsuspended = event("user.suspended"), event("user.unsuspended")
    assert (suspended.actor_id, suspended.target_id) == (admin.user.pk, owner.user.pk)
    assert suspended.changes == {"status": ["active", "suspended"]}
    assert unsuspended.changes == {"status": ["suspended", "active"]}


@pytest.mark.parametrize("status", ["active", "suspended"])
def test_the_same_status_is_no_change(admin, owner, status):
    set_status(admin, owner, status)
    before, happened = admin.get(path_of(owner))["ETag"], events()

    assert set_status(admin, owner, status)["ETag"] == before
    assert events() == happened


def test_the_other_fields_of_the_request_are_stored_too(admin, owner):
    changes = {"status": "suspended", "name": "Other Name", "role": "staff"}
    user = data(admin.patch(path_of(owner), changes))

    assert {name: user[name] for name in changes} == changes


def test_a_change_without_a_status_leaves_it(admin, owner):
    set_status(admin, owner)

    assert data(admin.put(path_of(owner), {"name": "Other Name"}))["status"] == "suspended"


@pytest.mark.parametrize("status", ["deleted", "locked", None])
def test_no_other_status_can_be_set(admin, owner, status):
    code = "null" if status is None else "invalid_choice"
    assert problems(set_status(admin, owner, status)) == [("status", code)]


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("who", ["owner", "staff"])
def test_nobody_but_an_admin_sets_a_status(request, who, method):
    caller = request.getfixturevalue(who)
    body = {"status": "suspended", "name": caller.user.name}

    assert data(getattr(caller, method)(f"{API}/users/me", body))["status"] == "active"
    assert events() == []


def test_staff_cannot_suspend_by_the_api(staff, owner):
    assert refusal(set_status(staff, owner)) == (404, "NOT_FOUND")


def test_a_registration_sets_no_status(anonymous):
    body = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann", "status": "suspended"}

    assert data(anonymous.post(f"{API}/users", body), 201)["status"] == "active"


def test_the_last_admin_cannot_be_suspended(admin):
    UserFactory(role="admin", suspended_at=timezone.now())  # does not count

    assert refusal(set_status(admin, admin)) == (409, "CONFLICT")
    assert User.objects.get(pk=admin.user.pk).is_active
    assert events() == []


@pytest.mark.parametrize("change", [{"role": "user"}, {"status": "suspended"}])
def test_a_suspended_admin_is_not_the_other_admin(admin, change):
    UserFactory(role="admin", suspended_at=timezone.now())

    assert refusal(admin.patch(path_of(admin), change)) == (409, "CONFLICT")


def test_one_of_two_admins_can_be_suspended(admin, log_in):
    other = log_in(UserFactory(role="admin"))

    assert data(set_status(admin, other))["status"] == "suspended"
    assert refusal(set_status(other, admin)) == (401, "TOKEN_REVOKED")


def test_a_suspended_user_can_be_deleted(admin, owner):
    set_status(admin, owner)

    assert admin.delete(path_of(owner)).status_code == 204
    assert data(admin.get(f"{API}/users", {"status": "deleted"}))[0]["status"] == "deleted"
    assert User.objects.get(pk=owner.user.pk).suspended_at  # an account that comes back is still suspended


def test_the_address_stays_taken(admin, owner, anonymous):
    set_status(admin, owner)
    body = {"email": owner.user.email, "password": PASSWORD, "name": "Ann"}

    assert refusal(anonymous.post(f"{API}/auth/register", body)) == (409, "EMAIL_EXISTS")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, ["Ada Admin", "Olive Owner", "Sam Stranger"]),
        (["active"], ["Ada Admin", "Olive Owner"]),
        (["suspended"], ["Sam Stranger"]),
        (["deleted"], ["Gone Girl"]),
        (["suspended", "deleted"], ["Gone Girl", "Sam Stranger"]),
        (["active", "suspended", "deleted"], ["Ada Admin", "Gone Girl", "Olive Owner", "Sam Stranger"]),
    ],
)
def test_the_list_filters_by_status(admin, owner, stranger, status, expected):
    set_status(admin, stranger)
    UserFactory(name="Gone Girl", suspended_at=timezone.now()).soft_delete()

    query = {"sort": "name"} | ({"status": status} if status else {})
    assert [user["name"] for user in data(admin.get(f"{API}/users", query))] == expected


# --- what a suspended person, and a stranger, is told ---------------------------------------------


def test_a_login_with_the_right_password_says_so(admin, owner):
    set_status(admin, owner)

    response = log_in_with(owner.user.email)
    assert refusal(response) == SUSPENDED
    assert response.json()["error"]["details"] == []
    assert not owner.user.sessions.live().exists()
    assert event("login.refused").target_id == owner.user.pk


def test_a_login_with_a_wrong_password_shows_no_difference(admin, owner, stranger, hashes):
    set_status(admin, owner)
    hashes.runs.clear()

    refused = [log_in_with(user.email, "Wr0ng-password") for user in (owner.user, stranger.user)]

    assert [refusal(response) for response in refused] == [(401, "INVALID_CREDENTIALS")] * 2
    errors = [response.json()["error"] | {"requestId": ""} for response in refused]
    assert errors[0] == errors[1]
    assert hashes.count == 2


def test_the_lock_out_comes_first(admin, owner):
    set_status(admin, owner)
    for _ in range(5):
        log_in_with(owner.user.email, "Wr0ng-password")

    assert refusal(log_in_with(owner.user.email)) == (423, "ACCOUNT_LOCKED")


def test_the_right_password_does_not_clear_the_failures(admin, owner):
    set_status(admin, owner)
    for _ in range(4):
        log_in_with(owner.user.email, "Wr0ng-password")
    assert refusal(log_in_with(owner.user.email)) == SUSPENDED

    log_in_with(owner.user.email, "Wr0ng-password")
    assert refusal(log_in_with(owner.user.email)) == (423, "ACCOUNT_LOCKED")


def test_a_reset_is_accepted_and_sends_nothing(admin, owner, anonymous, deliver):
    set_status(admin, owner)
    before = len(deliver())

    response = anonymous.post(f"{API}/auth/forgot-password", {"email": owner.user.email})

    assert (response.status_code, response.json()) == (202, {"success": True, "data": None})
    assert (before, deliver()) == (0, [])
    assert not owner.user.one_time_tokens.exists()


def test_open_links_end_with_the_suspension(admin, owner, anonymous):
    lifetime = timezone.timedelta(hours=1)
    token = issue_token(owner.user, OneTimeToken.Purpose.PASSWORD_RESET, owner.user.email, lifetime)
    set_status(admin, owner)
    set_status(admin, owner, "active")

    response = anonymous.post(f"{API}/auth/reset-password", {"token": token, "password": NEW_PASSWORD})
    assert problems(response) == [("token", "invalid_token")]


@pytest.mark.parametrize(
    ("purpose", "path"), [("email_proof", "verify-email"), ("email_undo", "undo-email-change")]
)
def test_no_link_works_for_a_suspended_account(admin, owner, anonymous, purpose, path):
    set_status(admin, owner)
    token = issue_token(owner.user, purpose, owner.user.email, timezone.timedelta(hours=1))

    response = anonymous.post(f"{API}/auth/{path}", {"token": token})
    assert problems(response) == [("token", "invalid_token")]


def test_a_verification_that_waits_is_not_sent(anonymous, admin, deliver):
    body = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
    user = data(anonymous.post(f"{API}/users", body), 201)
    admin.patch(f"{API}/users/{user['id']}", {"status": "suspended"})

    assert deliver() == []
    assert not OutboxMessage.objects.filter(status=OutboxMessage.Status.PENDING).exists()
