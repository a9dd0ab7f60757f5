import pytest

from accounts.models import OneTimeToken, User
from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    access_of,
    audit_holds,
    data,
    event,
    log_in_with,
    problems,
    refresh_with,
    refusal,
    try_token,
)
from accounts.tests.factories import PASSWORD, OneTimeTokenFactory, UserFactory
from core.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

ME = f"{API}/users/me"
OWN_PASSWORD = {"currentPassword": PASSWORD}


@pytest.fixture(params=["me", "id"])
def own(request, owner):
    """Return both paths of the owner's account."""
    return ME if request.param == "me" else f"{API}/users/{owner.user.pk}"


def test_deletes_the_own_account(owner, own):
    response = owner.delete(own, OWN_PASSWORD)

    assert (response.status_code, response.content) == (204, b"")
    assert User.objects.trashed().get() == owner.user
    assert refusal(log_in_with(owner.user.email)) == (401, "INVALID_CREDENTIALS")


def test_ends_every_session(owner, log_in, stranger):
    elsewhere = log_in(owner.user)

    owner.delete(ME, OWN_PASSWORD)

    for caller in (owner, elsewhere):
        assert try_token(access_of(caller)) == "TOKEN_REVOKED"
        assert refusal(refresh_with(caller.refresh_token)) == (401, "TOKEN_REVOKED")
    assert try_token(access_of(stranger)) == "accepted"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"currentPassword": "Wr0ng-password"}, "wrong_password"),
        ({"currentPassword": ""}, "blank"),
        ({"currentPassword": None}, "null"),
        ({"currentPassword": 1}, "invalid"),
    ],
)
def test_requires_the_password(owner, own, body, code):
    assert problems(owner.delete(own, body)) == [("currentPassword", code)]
    assert try_token(access_of(owner)) == "accepted"


def test_without_the_password_a_step_up_is_required(owner, own):
    assert refusal(owner.delete(own)) == (403, "STEP_UP_REQUIRED")
    assert try_token(access_of(owner)) == "accepted"


def test_wrong_passwords_lock_the_account(owner):
    for _ in range(5):
        owner.delete(ME, {"currentPassword": "Wr0ng-password"})

    assert refusal(owner.delete(ME, OWN_PASSWORD)) == (423, "ACCOUNT_LOCKED")
    assert try_token(access_of(owner)) == "accepted"


def test_an_admin_deletes_without_a_password(owner, admin):
    assert admin.delete(f"{API}/users/{owner.user.pk}").status_code == 204

    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert refusal(admin.delete(f"{API}/users/{owner.user.pk}")) == (404, "NOT_FOUND")


def test_an_admin_needs_the_password_for_the_own_account(admin):
    UserFactory(role="admin")

    assert refusal(admin.delete(ME)) == (403, "STEP_UP_REQUIRED")
    assert admin.delete(ME, OWN_PASSWORD).status_code == 204


@pytest.mark.parametrize("who", ["stranger", "staff"])
def test_only_an_admin_deletes_other_users(request, owner, who):
    other = request.getfixturevalue(who)

    assert refusal(other.delete(f"{API}/users/{owner.user.pk}", OWN_PASSWORD)) == (404, "NOT_FOUND")
    assert try_token(access_of(owner)) == "accepted"


def test_the_last_admin_cannot_be_deleted(admin):
    UserFactory(role="admin").soft_delete()  # does not count
    UserFactory(role="staff")

    assert refusal(admin.delete(ME, OWN_PASSWORD)) == (409, "CONFLICT")

    assert try_token(access_of(admin)) == "accepted"
    assert not User.objects.get(pk=admin.user.pk).deleted_at


def test_one_of_two_admins_can_be_deleted(admin):
    other = UserFactory(role="admin")

    assert admin.delete(f"{API}/users/{other.pk}").status_code == 204
    assert refusal(admin.delete(ME, OWN_PASSWORD)) == (409, "CONFLICT")


def test_the_address_is_free_for_a_new_account_without_the_old_data(owner, anonymous):
    owner.delete(ME, OWN_PASSWORD)

    body = {"email": owner.user.email, "password": PASSWORD, "name": "Somebody New"}
    response = data(anonymous.post(f"{API}/auth/register", body), 201)

    assert response["user"]["id"] != str(owner.user.pk)
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {response['tokens']['accessToken']}")
    assert len(data(anonymous.get(f"{API}/auth/sessions"))) == 1


def test_deletes_the_emailed_links(owner):
    OneTimeTokenFactory(user=owner.user)

    owner.delete(ME, OWN_PASSWORD)

    assert not OneTimeToken.objects.exists()


def test_no_email_enqueued_before_is_sent(clock, owner, anonymous, deliver):
    owner.post(f"{API}/auth/change-password", {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD})
    anonymous.post(f"{API}/auth/forgot-password", {"email": owner.user.email})
    owner.post(f"{API}/auth/resend-verification")
    owner.patch(ME, {"email": "new@example.com", "currentPassword": NEW_PASSWORD})
    log_in_with(owner.user.email, NEW_PASSWORD, headers={"User-Agent": "A new device"})
    assert len(set(OutboxMessage.objects.values_list("kind", flat=True))) == 5

    owner.delete(ME, {"currentPassword": NEW_PASSWORD})

    assert [mail.subject for mail in deliver()] == ["Your account was deleted"]
    assert not OutboxMessage.objects.exclude(status="done").exists()


def test_a_queued_notice_of_an_ended_session_is_not_sent(clock, owner, admin, deliver):
    refresh_with(owner.refresh_token)
    clock.shift(11)
    refresh_with(owner.refresh_token)

    admin.delete(f"{API}/users/{owner.user.pk}")

    assert deliver() == []


def test_is_audited(owner):
    owner.delete(ME, OWN_PASSWORD, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    deleted = event("user.deleted")
    assert (deleted.actor_id, deleted.target_id) == (owner.user.pk, owner.user.pk)
    assert (deleted.ip_address, deleted.request_id) == ("203.0.113.9", "req-1")
    assert event("session.all_ended").changes == {"sessions": [1, 0]}
    assert not audit_holds(PASSWORD)


def test_is_audited_with_its_actor(owner, admin):
    admin.delete(f"{API}/users/{owner.user.pk}")

    assert (event("user.deleted").actor_id, event("user.deleted").target_id) == (admin.user.pk, owner.user.pk)
