"""A change of address takes effect when the new address is verified."""

import pytest

from accounts.models import User
from accounts.tests.checks import (
    API,
    access_of,
    audit_holds,
    data,
    event,
    log_in_with,
    problems,
    refusal,
    token_in,
    token_to,
    try_token,
)
from accounts.tests.factories import PASSWORD, UserFactory
from core.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

ME = f"{API}/users/me"
NEW = "new@example.com"


def move(caller, email=NEW, path=ME, **extra):
    return caller.patch(path, {"email": email, "currentPassword": PASSWORD}, **extra)


def verify(client, token):
    return client.post(f"{API}/auth/verify-email", {"token": token})


def test_a_new_address_is_pending(owner):
    user = data(move(owner, " New@Example.COM "))

    assert (user["email"], user["pendingEmail"]) == (owner.user.email, NEW)


def test_put_sets_a_pending_address_too(owner):
    response = owner.put(ME, {"name": "Olive Owner", "email": NEW, "currentPassword": PASSWORD})

    assert data(response)["pendingEmail"] == NEW


def test_the_old_address_logs_in_until_the_new_one_is_verified(owner):
    move(owner)

    assert log_in_with(owner.user.email).status_code == 200
    assert refusal(log_in_with(NEW)) == (401, "INVALID_CREDENTIALS")


def test_the_new_address_gets_a_link_and_the_old_one_a_notice(owner, deliver):
    move(owner)

    messages = {mail.to[0]: mail for mail in deliver()}

    assert messages.keys() == {NEW, owner.user.email}
    assert token_in(messages[NEW])
    assert NEW in messages[owner.user.email].body
    assert "token=" not in messages[owner.user.email].body


def test_verification_changes_the_address(owner, anonymous, deliver):
    move(owner)

    assert verify(anonymous, token_to(NEW, deliver())).status_code == 204

    user = data(owner.get(ME))
    assert (user["email"], user["pendingEmail"], user["emailVerified"]) == (NEW, None, True)
    assert log_in_with(NEW).status_code == 200
    assert refusal(log_in_with(owner.user.email)) == (401, "INVALID_CREDENTIALS")


def test_verification_is_audited_with_both_addresses(owner, anonymous, deliver):
    old = owner.user.email
    move(owner)
    verify(anonymous, token_to(NEW, deliver()))

    assert event("email.verified").changes == {"email": [old, NEW]}


def test_the_request_is_audited(owner):
    move(owner, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    updated = event("user.updated")
    assert updated.changes == {"pendingEmail": [None, NEW]}
    assert updated.actor_id == owner.user.pk
    assert (updated.ip_address, updated.request_id) == ("203.0.113.9", "req-1")
    assert not audit_holds(PASSWORD)


@pytest.mark.parametrize(
    ("password", "code"),
    [(None, None), ("Wr0ng-password", "wrong_password"), (f"{PASSWORD} ", "wrong_password")],
)
def test_requires_the_password(owner, password, code):
    body = {"email": NEW} if password is None else {"email": NEW, "currentPassword": password}

    response = owner.patch(ME, body)

    if password is None:
        assert refusal(response) == (403, "STEP_UP_REQUIRED")
    else:
        assert problems(response) == [("currentPassword", code)]

    assert data(owner.get(ME))["pendingEmail"] is None
    assert not OutboxMessage.objects.exists()


def test_wrong_passwords_lock_the_account(owner):
    for _ in range(5):
        owner.patch(ME, {"email": NEW, "currentPassword": "Wr0ng-password"})

    assert refusal(move(owner)) == (423, "ACCOUNT_LOCKED")
    assert try_token(access_of(owner)) == "accepted"


@pytest.mark.parametrize("spelling", ["taken@example.com", "TAKEN@Example.com", "ｔaken@example.com"])
def test_a_taken_address_is_a_conflict(owner, deliver, spelling):
    UserFactory(email="taken@example.com")

    assert refusal(move(owner, spelling)) == (409, "EMAIL_EXISTS")

    assert data(owner.get(ME))["pendingEmail"] is None
    assert deliver() == []


def test_an_address_that_is_taken_before_verification_is_a_conflict(owner, anonymous, deliver):
    move(owner)
    token = token_to(NEW, deliver())
    UserFactory(email=NEW)

    assert refusal(verify(anonymous, token)) == (409, "EMAIL_EXISTS")
    assert data(owner.get(ME))["email"] == owner.user.email


def test_of_two_users_with_one_pending_address_the_first_to_verify_gets_it(
    owner, stranger, anonymous, deliver
):
    move(owner)
    first = token_to(NEW, deliver())
    move(stranger)
    second = token_to(NEW, deliver())

    assert verify(anonymous, second).status_code == 204
    assert refusal(verify(anonymous, first)) == (409, "EMAIL_EXISTS")


def test_the_own_address_is_no_change(owner, deliver):
    assert owner.patch(ME, {"email": owner.user.email.upper()}).status_code == 200

    assert deliver() == []
    assert User.objects.get(pk=owner.user.pk).version == 1


def test_the_own_address_cancels_a_pending_one(owner, anonymous, deliver):
    move(owner)
    token = token_to(NEW, deliver())

    assert data(owner.patch(ME, {"email": owner.user.email}))["pendingEmail"] is None
    assert problems(verify(anonymous, token)) == [("token", "invalid_token")]


def test_another_new_address_replaces_the_pending_one(owner, anonymous, deliver):
    move(owner)
    replaced = token_to(NEW, deliver())
    move(owner, "newer@example.com")
    newer = token_to("newer@example.com", deliver())

    assert problems(verify(anonymous, replaced)) == [("token", "invalid_token")]
    assert verify(anonymous, newer).status_code == 204
    assert data(owner.get(ME))["email"] == "newer@example.com"


def test_the_pending_address_again_is_no_change(owner, deliver):
    move(owner)
    deliver()

    assert owner.patch(ME, {"email": NEW}).status_code == 200
    assert deliver() == []


def test_a_link_sent_before_the_change_does_not_undo_it(owner, anonymous, deliver):
    owner.post(f"{API}/auth/resend-verification")
    [before] = deliver()
    move(owner)
    verify(anonymous, token_to(NEW, deliver()))

    assert problems(verify(anonymous, token_in(before))) == [("token", "invalid_token")]
    assert data(owner.get(ME))["email"] == NEW


def test_an_admin_changes_the_address_of_a_user_without_a_password(admin, owner, anonymous, deliver):
    response = admin.patch(f"{API}/users/{owner.user.pk}", {"email": NEW})
    assert data(response)["pendingEmail"] == NEW

    verify(anonymous, token_to(NEW, deliver()))
    assert data(owner.get(ME))["email"] == NEW


def test_an_admin_needs_the_password_for_the_own_account(admin):
    assert refusal(admin.patch(ME, {"email": NEW})) == (403, "STEP_UP_REQUIRED")
    assert data(move(admin))["pendingEmail"] == NEW


def test_the_old_address_is_free_afterwards(owner, anonymous, deliver):
    move(owner)
    verify(anonymous, token_to(NEW, deliver()))

    body = {"email": owner.user.email, "password": PASSWORD, "name": "Somebody New"}
    assert anonymous.post(f"{API}/auth/register", body).status_code == 201


def test_sessions_continue(owner, anonymous, deliver):
    move(owner)
    verify(anonymous, token_to(NEW, deliver()))

    assert try_token(access_of(owner)) == "accepted"


def test_the_outbox_messages_contain_no_secret(owner):
    move(owner)

    assert {tuple(sorted(message.payload)) for message in OutboxMessage.objects.all()} == {
        ("email", "user"),
        ("email", "new", "proven", "user"),
    }
