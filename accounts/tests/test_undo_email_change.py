"""The old address gets an email about a completed change, with a link that undoes it."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import OneTimeToken, User
from accounts.services.passwords import issue_token
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
    token_in,
    token_to,
    try_token,
)
from accounts.tests.factories import PASSWORD, UserFactory
from core.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/undo-email-change"
ME = f"{API}/users/me"
SPENT = [("token", "invalid_token")]
NEW, NEWER = "new@example.com", "newer@example.com"
WEEK = timedelta(days=7)


@pytest.fixture
def owner(log_in):
    """Log in a user with a verified address: only a verified one gets a link."""
    return log_in(UserFactory(email_verified_at=timezone.now()))


@pytest.fixture
def move(owner, anonymous, deliver, log_in):
    """Change the address and complete it; return the link in the email to the old address, or None."""

    def complete(address):
        user = User.objects.get(pk=owner.user.pk)
        left = user.email
        caller = log_in(user)
        data(caller.patch(ME, {"email": address, "currentPassword": PASSWORD}))
        [proof] = [mail for mail in deliver() if mail.to == [address] and "token=" in mail.body]
        assert anonymous.post(f"{API}/auth/verify-email", {"token": token_in(proof)}).status_code == 204
        [notice] = deliver()
        assert notice.to == [left]
        assert address in notice.body
        return token_in(notice) if "token=" in notice.body else None

    return complete


def undo(client, token, **extra):
    return client.post(URL, {"token": token}, **extra)


def email_of(owner):
    return User.objects.get(pk=owner.user.pk).email


def test_gives_the_account_its_address_back(owner, anonymous, move):
    token = move(NEW)
    response = undo(anonymous, token)

    assert (response.status_code, response.content) == (204, b"")
    assert log_in_with(owner.user.email).status_code == 200
    assert refusal(log_in_with(NEW)) == (401, "INVALID_CREDENTIALS")


def test_the_address_counts_as_verified(owner, anonymous, move):
    """The use of the link proves that its address can be read."""
    undo(anonymous, move(NEW))

    assert User.objects.get(pk=owner.user.pk).email_verified


def test_ends_every_session(owner, anonymous, log_in, move):
    token = move(NEW)
    thief = log_in(owner.user)
    undo(anonymous, token)

    for caller in (owner, thief):
        assert try_token(access_of(caller)) == "TOKEN_REVOKED"
        assert refusal(refresh_with(caller.refresh_token)) == (401, "TOKEN_REVOKED")


def test_can_be_used_once(anonymous, move):
    token = move(NEW)
    undo(anonymous, token)

    assert problems(undo(anonymous, token)) == SPENT


@pytest.mark.parametrize(("seconds", "status"), [(-1, 204), (0, 400)])
def test_is_valid_for_a_week(clock, anonymous, move, seconds, status):
    token = move(NEW)
    clock.shift(WEEK + timedelta(seconds=seconds))

    assert undo(anonymous, token).status_code == status


def test_a_taken_address_is_a_conflict_and_the_link_remains_valid(owner, anonymous, move):
    token = move(NEW)
    squatter = UserFactory(email=owner.user.email)

    assert refusal(undo(anonymous, token)) == (409, "EMAIL_EXISTS")
    assert email_of(owner) == NEW
    assert try_token(access_of(owner)) == "accepted"

    squatter.soft_delete()
    assert undo(anonymous, token).status_code == 204


def test_voids_a_pending_address_and_reset_links(owner, anonymous, deliver, log_in, move):
    token = move(NEW)
    log_in(owner.user).patch(ME, {"email": NEWER, "currentPassword": PASSWORD})
    proof = token_to(NEWER, deliver())
    reset = issue_token(owner.user, OneTimeToken.Purpose.PASSWORD_RESET, NEW, timedelta(hours=1))
    undo(anonymous, token)

    assert problems(anonymous.post(f"{API}/auth/verify-email", {"token": proof})) == SPENT
    body = {"token": reset, "password": NEW_PASSWORD}
    assert problems(anonymous.post(f"{API}/auth/reset-password", body)) == SPENT


@pytest.mark.parametrize("attempt", ["reset", "change", "logout-all"])
def test_no_recovery_voids_it(owner, anonymous, log_in, move, attempt):
    """A thief with the new address can start all of these recoveries too."""
    token = move(NEW)
    thief = log_in(User.objects.get(pk=owner.user.pk))
    if attempt == "reset":
        link = issue_token(owner.user, OneTimeToken.Purpose.PASSWORD_RESET, NEW, timedelta(hours=1))
        thief.post(f"{API}/auth/reset-password", {"token": link, "password": NEW_PASSWORD})
    elif attempt == "change":
        body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
        thief.post(f"{API}/auth/change-password", body)
    else:
        thief.post(f"{API}/auth/logout-all")

    assert undo(anonymous, token).status_code == 204
    assert email_of(owner) == owner.user.email


# --- chains ---------------------------------------------------------------------------------------------


def test_of_two_changes_the_first_address_gets_the_account_back(owner, anonymous, move):
    first, _second = move(NEW), move(NEWER)
    undo(anonymous, first)

    assert email_of(owner) == owner.user.email


def test_an_undo_voids_the_link_of_a_later_change(owner, anonymous, move):
    first, second = move(NEW), move(NEWER)
    undo(anonymous, first)

    assert problems(undo(anonymous, second)) == SPENT
    assert email_of(owner) == owner.user.email


def test_the_link_of_an_earlier_change_is_valid_after_a_later_one_was_undone(owner, anonymous, move):
    first, second = move(NEW), move(NEWER)

    assert undo(anonymous, second).status_code == 204
    assert email_of(owner) == NEW
    assert undo(anonymous, first).status_code == 204
    assert email_of(owner) == owner.user.email


def test_a_later_change_not_notified_yet_is_void_too(owner, anonymous, deliver, log_in, move):
    first = move(NEW)
    log_in(owner.user).patch(ME, {"email": NEWER, "currentPassword": PASSWORD})
    proof = token_to(NEWER, deliver())
    anonymous.post(f"{API}/auth/verify-email", {"token": proof})
    undo(anonymous, first)

    assert "Your email address was changed" not in {mail.subject for mail in deliver()}


def test_a_failed_email_of_a_later_change_gets_no_link_when_staff_retry_it(owner, anonymous, move, deliver):
    first, _second = move(NEW), move(NEWER)
    undo(anonymous, first)
    deliver()
    failed = OutboxMessage.objects.get(kind="accounts.email_changed", payload__email=NEW)
    failed.retry()

    assert deliver() == []
    assert not owner.user.one_time_tokens.filter(email=NEW, purpose="email_undo").exists()


def test_a_change_after_an_undo_can_be_undone_again(owner, anonymous, move):
    undo(anonymous, move(NEW))

    assert undo(anonymous, move(NEW)).status_code == 204
    assert email_of(owner) == owner.user.email


def test_an_address_between_two_changes_cannot_undo_a_change_back(owner, move):
    move(NEW)

    assert move(owner.user.email) is None


def test_a_change_back_after_a_week_can_be_undone(clock, owner, move):
    move(NEW)
    clock.shift(WEEK)

    assert move(owner.user.email)


# --- an address that was never proven -------------------------------------------------------------------


def test_an_unverified_address_is_notified_without_a_link_and_without_the_name(owner, deliver, move):
    """The address may be that of another person, entered by mistake."""
    User.objects.filter(pk=owner.user.pk).update(email_verified_at=None, name="Win at casino")

    assert move(NEW) is None
    notice = mail.outbox[-1]
    assert (notice.to, notice.subject) == ([owner.user.email], "Your email address was changed")
    assert "This undid" not in notice.body
    assert "casino" not in notice.body
    assert not owner.user.one_time_tokens.filter(purpose="email_undo").exists()


def test_the_verified_address_after_an_unverified_one_gets_a_link(owner, anonymous, move):
    User.objects.filter(pk=owner.user.pk).update(email_verified_at=None)
    move(NEW)

    assert undo(anonymous, move(NEWER)).status_code == 204
    assert email_of(owner) == NEW


# --- the emails -----------------------------------------------------------------------------------


def test_verifying_the_own_address_is_no_change(anonymous, log_in, deliver):
    owner = log_in(UserFactory())
    owner.post(f"{API}/auth/resend-verification")
    [proof] = deliver()
    anonymous.post(f"{API}/auth/verify-email", {"token": token_in(proof)})

    assert deliver() == []


def test_the_address_that_lost_the_account_is_notified(anonymous, deliver, move):
    undo(anonymous, move(NEW))

    [mail] = deliver()
    assert (mail.to, mail.subject) == ([NEW], "A change of your email address was undone")
    assert "token=" not in mail.body


def test_a_deleted_user_is_not_notified_and_undoes_nothing(owner, anonymous, move):
    token = move(NEW)
    owner.delete(ME, {"currentPassword": PASSWORD})

    assert problems(undo(anonymous, token)) == SPENT


# --- the rest -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["password_reset", "email_proof"])
def test_a_link_for_another_purpose_is_refused(owner, anonymous, purpose):
    assert problems(undo(anonymous, issue_token(owner.user, purpose, owner.user.email, WEEK))) == SPENT
    assert try_token(access_of(owner)) == "accepted"


@pytest.mark.parametrize("guess", ["x", "' OR 1=1 --", "ü" * 40, "x" * 200])
def test_a_guessed_token_reveals_nothing(anonymous, guess):
    assert problems(undo(anonymous, guess)) == SPENT


@pytest.mark.parametrize(
    ("body", "code"), [({}, "required"), ({"token": ""}, "blank"), ({"token": 1}, "invalid")]
)
def test_requires_the_token_as_text(anonymous, body, code):
    assert problems(anonymous.post(URL, body)) == [("token", code)]


def test_is_audited_without_the_secret(owner, anonymous, move):
    token = move(NEW)
    undo(anonymous, token, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    undone = event("email.change_undone")
    assert undone.changes == {"email": [NEW, owner.user.email]}
    assert (undone.ip_address, undone.request_id) == ("203.0.113.9", "req-1")
    assert not audit_holds(token)
