from datetime import timedelta

import pytest

from accounts.models import OneTimeToken
from accounts.services.lockout import AccountLocked, refuse_locked
from accounts.services.passwords import issue_token
from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    access_of,
    audit_holds,
    data,
    event,
    lock_out,
    log_in_with,
    problems,
    refresh_with,
    refusal,
    try_token,
)
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/reset-password"
SPENT = [("token", "invalid_token")]


@pytest.fixture
def token(owner):
    return new_token(owner.user)


def new_token(user, purpose=OneTimeToken.Purpose.PASSWORD_RESET):
    return issue_token(user, purpose, user.email, timedelta(hours=1))


def reset(client, token, password=NEW_PASSWORD, **extra):
    return client.post(URL, {"token": token, "password": password}, **extra)


def test_sets_the_password(anonymous, owner, token):
    response = reset(anonymous, token)

    assert (response.status_code, response.content) == (204, b"")
    assert log_in_with(owner.user.email, NEW_PASSWORD).status_code == 200
    assert refusal(log_in_with(owner.user.email, PASSWORD)) == (401, "INVALID_CREDENTIALS")


def test_accepts_the_token_of_the_email(anonymous, owner, emailed_token):
    anonymous.post(f"{API}/auth/forgot-password", {"email": owner.user.email})

    assert reset(anonymous, emailed_token(owner.user.email)).status_code == 204


def test_ends_every_session_and_opens_none(anonymous, owner, log_in, token):
    elsewhere = log_in(owner.user)

    reset(anonymous, token)

    for caller in (owner, elsewhere):
        assert try_token(access_of(caller)) == "TOKEN_REVOKED"
        assert refusal(refresh_with(caller.refresh_token)) == (401, "TOKEN_REVOKED")
    assert not owner.user.sessions.live().exists()


def test_verifies_the_address_that_the_link_was_sent_to(anonymous, owner, log_in, token, deliver):
    owner.post(f"{API}/auth/resend-verification")
    reset(anonymous, token)

    assert data(log_in(owner.user).get(f"{API}/users/me"))["emailVerified"] is True
    assert event("email.verified").target_id == owner.user.pk
    assert "Confirm your email address" not in {mail.subject for mail in deliver()}


def test_other_users_are_unchanged(anonymous, owner, stranger, token):
    reset(anonymous, token)

    assert try_token(access_of(stranger)) == "accepted"
    assert log_in_with(stranger.user.email).status_code == 200


def test_a_token_can_be_used_once(anonymous, owner, token):
    reset(anonymous, token)

    assert problems(reset(anonymous, token, "Y3t-another-one")) == SPENT
    assert log_in_with(owner.user.email, NEW_PASSWORD).status_code == 200


def test_a_weak_password_does_not_spend_the_token(anonymous, token):
    assert problems(reset(anonymous, token, "Password1")) == [("password", "password_too_common")]
    assert problems(reset(anonymous, token, "short")) == [("password", "min_length")]

    assert reset(anonymous, token).status_code == 204


def test_the_rules_compare_with_the_user(anonymous, owner, token):
    assert problems(reset(anonymous, token, "0live-Owner")) == [("password", "password_too_similar")]


@pytest.mark.parametrize(("seconds", "status"), [(-1, 204), (0, 400)])
def test_is_valid_for_an_hour(clock, anonymous, owner, seconds, status):
    token = new_token(owner.user)

    clock.shift(timedelta(hours=1, seconds=seconds))

    assert reset(anonymous, token).status_code == status


def test_an_expired_link_costs_no_hash(clock, anonymous, owner, hashes):
    token = new_token(owner.user)
    hashes.runs.clear()
    clock.shift(timedelta(hours=1))

    assert problems(reset(anonymous, token)) == SPENT
    assert hashes.count == 0


@pytest.mark.parametrize("used", [0, 1])
def test_the_use_of_one_link_voids_the_others(anonymous, owner, used):
    tokens = [new_token(owner.user), new_token(owner.user)]

    assert reset(anonymous, tokens[used]).status_code == 204
    assert problems(reset(anonymous, tokens[1 - used])) == SPENT


def test_is_void_after_a_change_of_password(anonymous, owner, token):
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    assert owner.post(f"{API}/auth/change-password", body).status_code == 204

    assert problems(reset(anonymous, token, "Y3t-another-one")) == SPENT


def test_is_void_after_a_change_of_address(anonymous, owner, token, deliver, emailed_token):
    body = {"email": "new@example.com", "currentPassword": PASSWORD}
    owner.patch(f"{API}/users/me", body)
    proof = issue_token(owner.user, OneTimeToken.Purpose.EMAIL_PROOF, "new@example.com", timedelta(hours=1))
    assert anonymous.post(f"{API}/auth/verify-email", {"token": proof}).status_code == 204

    assert problems(reset(anonymous, token)) == SPENT


def test_is_valid_while_a_new_address_is_pending(anonymous, owner, token):
    owner.patch(f"{API}/users/me", {"email": "new@example.com", "currentPassword": PASSWORD})

    assert reset(anonymous, token).status_code == 204


def test_is_void_for_a_deleted_account(anonymous, owner, token):
    owner.delete(f"{API}/users/me", {"currentPassword": PASSWORD})

    assert problems(reset(anonymous, token)) == SPENT


@pytest.mark.parametrize("what", ["used", "voided"])
def test_changes_nothing_if_the_link_is_voided_during_the_slow_hash(
    anonymous, owner, token, just_before, what
):
    link = OneTimeToken.objects.get()
    with just_before('UPDATE "accounts_onetimetoken"', link.claim if what == "used" else link.delete):
        assert problems(reset(anonymous, token)) == SPENT

    assert log_in_with(owner.user.email, PASSWORD).status_code == 200
    assert try_token(access_of(owner)) == "accepted"


def test_is_valid_after_a_login(anonymous, owner, token):
    log_in_with(owner.user.email)

    assert reset(anonymous, token).status_code == 204


def test_a_link_for_another_purpose_is_refused(anonymous, owner):
    proof = new_token(owner.user, OneTimeToken.Purpose.EMAIL_PROOF)

    assert problems(reset(anonymous, proof)) == SPENT
    assert try_token(access_of(owner)) == "accepted"


@pytest.mark.parametrize("guess", ["x", "' OR 1=1 --", "ü" * 40, "x" * 200, "%00", "../../etc/passwd"])
def test_a_guessed_token_reveals_nothing(anonymous, token, guess, hashes):
    assert problems(reset(anonymous, guess)) == SPENT
    assert hashes.count == 0


def test_a_token_with_one_changed_character_is_refused(anonymous, token):
    changed = ("B" if token[0] == "A" else "A") + token[1:]

    assert problems(reset(anonymous, changed)) == SPENT


def test_a_stored_hash_is_refused_as_a_token(anonymous, token):
    assert problems(reset(anonymous, OneTimeToken.objects.get().token_hash)) == SPENT


def test_a_very_long_token_is_refused_by_its_field(anonymous):
    assert problems(reset(anonymous, "x" * 10_000)) == [("token", "max_length")]


def test_names_missing_fields(anonymous):
    assert problems(anonymous.post(URL, {})) == [("token", "required"), ("password", "required")]


def test_removes_the_lock(anonymous, owner, token):
    lock_out(owner.user)
    with pytest.raises(AccountLocked):
        refuse_locked(owner.user.email)

    reset(anonymous, token)

    assert log_in_with(owner.user.email, NEW_PASSWORD).status_code == 200


def test_sends_the_owner_one_notice(anonymous, owner, token, deliver):
    reset(anonymous, token)

    [mail] = deliver()
    assert mail.to == [owner.user.email]
    assert NEW_PASSWORD not in mail.body
    assert "token=" not in mail.body


def test_is_audited_without_secrets(anonymous, owner, token):
    reset(anonymous, token, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    done = event("password.reset")
    assert (done.actor_id, done.target_id) == (owner.user.pk, owner.user.pk)
    assert (done.ip_address, done.request_id) == ("203.0.113.9", "req-1")
    assert not audit_holds(token, NEW_PASSWORD)
