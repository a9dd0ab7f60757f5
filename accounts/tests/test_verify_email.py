from datetime import timedelta

import pytest

from accounts.models import OneTimeToken, User
from accounts.services.passwords import issue_token
from accounts.tests.checks import API, NEW_PASSWORD, audit_holds, data, event, events, problems, refusal
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/verify-email"
SPENT = [("token", "invalid_token")]
DAY = timedelta(hours=24)


@pytest.fixture
def token(owner):
    return new_token(owner.user)


def new_token(user, purpose=OneTimeToken.Purpose.EMAIL_PROOF):
    return issue_token(user, purpose, user.email, DAY)


def verify(client, token, **extra):
    return client.post(URL, {"token": token}, **extra)


def test_proves_the_address(anonymous, owner, token):
    response = verify(anonymous, token)

    assert (response.status_code, response.content) == (204, b"")
    assert data(owner.get(f"{API}/users/me"))["emailVerified"] is True


def test_accepts_the_token_of_the_email(anonymous, owner, emailed_token):
    owner.post(f"{API}/auth/resend-verification")

    assert verify(anonymous, emailed_token(owner.user.email)).status_code == 204


def test_gives_a_new_version_of_the_user(anonymous, owner, token):
    before = owner.get(f"{API}/users/me")["ETag"]

    verify(anonymous, token)

    assert owner.get(f"{API}/users/me")["ETag"] != before


def test_a_link_that_is_used_twice_succeeds_twice_and_verifies_once(anonymous, owner, token):
    verify(anonymous, token)
    before = owner.get(f"{API}/users/me")["ETag"]

    assert verify(anonymous, token).status_code == 204
    assert owner.get(f"{API}/users/me")["ETag"] == before
    assert events() == ["email.verified"]


def test_a_spent_link_to_an_address_that_the_account_has_left_is_refused(anonymous, owner, token):
    verify(anonymous, token)
    User.objects.filter(pk=owner.user.pk).update(email="other@example.com")

    assert problems(verify(anonymous, token)) == SPENT
    assert events() == ["email.verified", "link.refused"]


def test_a_spent_link_does_not_change_the_address_again(anonymous, owner):
    User.objects.filter(pk=owner.user.pk).update(pending_email="new@example.com")
    token = issue_token(owner.user, OneTimeToken.Purpose.EMAIL_PROOF, "new@example.com", DAY)
    verify(anonymous, token)
    User.objects.filter(pk=owner.user.pk).update(email=owner.user.email, pending_email="new@example.com")

    assert problems(verify(anonymous, token)) == SPENT


def test_a_spent_link_is_refused_after_a_day(clock, anonymous, owner):
    token = new_token(owner.user)
    verify(anonymous, token)
    clock.shift(DAY)

    assert problems(verify(anonymous, token)) == SPENT


def test_a_link_is_accepted_after_a_reset_by_email(anonymous, owner, token):
    reset = new_token(owner.user, OneTimeToken.Purpose.PASSWORD_RESET)
    anonymous.post(f"{API}/auth/reset-password", {"token": reset, "password": NEW_PASSWORD})

    assert verify(anonymous, token).status_code == 204


@pytest.mark.parametrize(("seconds", "status"), [(-1, 204), (0, 400)])
def test_is_valid_for_a_day(clock, anonymous, owner, seconds, status):
    token = new_token(owner.user)

    clock.shift(DAY + timedelta(seconds=seconds))

    assert verify(anonymous, token).status_code == status
    assert User.objects.get(pk=owner.user.pk).email_verified is (status == 204)


def test_a_reset_link_is_refused(anonymous, owner):
    reset = new_token(owner.user, OneTimeToken.Purpose.PASSWORD_RESET)

    assert problems(verify(anonymous, reset)) == SPENT
    assert not User.objects.get(pk=owner.user.pk).email_verified


def test_a_link_to_a_former_address_is_refused(anonymous, owner, token):
    User.objects.filter(pk=owner.user.pk).update(email="other@example.com")

    assert problems(verify(anonymous, token)) == SPENT
    assert User.objects.get(pk=owner.user.pk).email == "other@example.com"


def test_the_link_of_a_deleted_user_is_refused(anonymous, owner, token):
    owner.user.soft_delete()

    assert problems(verify(anonymous, token)) == SPENT


def test_only_the_tokens_own_user_is_verified(anonymous, owner, stranger, token):
    verify(stranger, token)

    assert User.objects.get(pk=owner.user.pk).email_verified
    assert not User.objects.get(pk=stranger.user.pk).email_verified


@pytest.mark.parametrize("guess", ["x", "' OR 1=1 --", "ü" * 40, "x" * 200])
def test_a_guessed_token_reveals_nothing(anonymous, owner, guess):
    assert problems(verify(anonymous, guess)) == SPENT


@pytest.mark.parametrize(
    ("body", "code"), [({}, "required"), ({"token": ""}, "blank"), ({"token": 1}, "invalid")]
)
def test_requires_the_token_as_text(anonymous, body, code):
    assert problems(anonymous.post(URL, body)) == [("token", code)]


def test_a_get_of_the_page_does_not_spend_the_link(anonymous, owner, token):
    """Request the page, as scanners of emails do."""
    assert refusal(anonymous.get(f"{URL}")) == (405, "METHOD_NOT_ALLOWED")

    assert verify(anonymous, token).status_code == 204


def test_is_audited_without_the_secret(anonymous, owner, token):
    verify(anonymous, token, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    verified = event("email.verified")
    assert (verified.actor_id, verified.target_id) == (owner.user.pk, owner.user.pk)
    assert (verified.ip_address, verified.request_id) == ("203.0.113.9", "req-1")
    assert not audit_holds(token)


def test_a_refusal_is_no_event(anonymous, owner, token):
    verify(anonymous, "x")

    assert events() == []


def test_every_link_of_several_emails_works(anonymous):
    """A user who requests two emails may open either."""
    user = UserFactory()
    older, newer = new_token(user), new_token(user)

    assert verify(anonymous, older).status_code == 204
    assert verify(anonymous, newer).status_code == 204
