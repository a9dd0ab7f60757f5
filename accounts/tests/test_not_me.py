"""The link "it was not me" in the email about a new device."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import OneTimeToken, Session, User
from accounts.services.passwords import issue_token
from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    audit_holds,
    data,
    event,
    events,
    log_in_with,
    problems,
    refresh_with,
    refusal,
    token_in,
    token_to,
    try_token,
)
from accounts.tests.factories import PASSWORD, UserFactory
from core.tests.parallel import together

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/not-me"
INVALID = [("token", "invalid_token")]


def log_in_from(user, device):
    return data(log_in_with(user.email, headers={"User-Agent": device}))["tokens"]


@pytest.fixture
def user():
    return UserFactory(email_verified_at=timezone.now())


@pytest.fixture
def own(user):
    """Log the user in on the own device."""
    return log_in_from(user, "Firefox on Linux")


@pytest.fixture
def thief(user, own):
    """Log in on another device."""
    return log_in_from(user, "curl/8.5.0")


@pytest.fixture
def link(thief, user, emailed_token):
    return emailed_token(user.email)


def disown(client, token):
    return client.post(URL, {"token": token})


def test_the_email_has_the_link(thief, deliver, settings):
    settings.FRONTEND_URL = "https://app.example.com"
    [mail] = deliver()

    assert f"https://app.example.com/account/not-me?token={token_in(mail)}" in mail.body


def test_that_session_ends_and_no_other(own, thief, link, anonymous):
    response = disown(anonymous, link)

    assert (response.status_code, response.content) == (204, b"")
    assert try_token(thief["accessToken"]) == "TOKEN_REVOKED"
    assert refusal(refresh_with(thief["refreshToken"])) == (401, "TOKEN_REVOKED")
    assert try_token(own["accessToken"]) == "accepted"


def test_a_session_that_was_refreshed_ends_too(thief, link, anonymous):
    later = data(refresh_with(thief["refreshToken"]))["tokens"]
    disown(anonymous, link)

    assert try_token(later["accessToken"]) == "TOKEN_REVOKED"


def test_a_reset_link_is_mailed(user, link, anonymous, deliver):
    disown(anonymous, link)
    [mail] = deliver()

    assert (mail.to, mail.subject) == ([user.email], "Reset your password")
    body = {"token": token_in(mail), "password": NEW_PASSWORD}
    assert anonymous.post(f"{API}/auth/reset-password", body).status_code == 204


def test_a_session_that_is_over_leaves_the_reset_link(thief, link, anonymous, deliver):
    Session.objects.all().end("logout")

    assert disown(anonymous, link).status_code == 204
    assert [mail.subject for mail in deliver()] == ["Reset your password"]
    assert "session.disowned" not in events()


def test_no_reset_link_goes_to_an_address_that_a_thief_has_set(user, link, anonymous, deliver):
    User.objects.filter(pk=user.pk).update(email="thief@example.com")

    assert disown(anonymous, link).status_code == 204
    assert deliver() == []


def test_an_address_that_the_thief_has_made_pending_cannot_be_verified(user, thief, link, anonymous, deliver):
    thief_client = APIClient(headers={"Authorization": f"Bearer {thief['accessToken']}"})
    change = {"email": "thief@example.com", "currentPassword": PASSWORD}
    assert thief_client.patch(f"{API}/users/me", change).status_code == 200
    token = token_to("thief@example.com", deliver())

    disown(anonymous, link)

    assert problems(anonymous.post(f"{API}/auth/verify-email", {"token": token})) == INVALID
    user.refresh_from_db()
    assert user.pending_email is None


def test_the_link_works_once(link, anonymous):
    disown(anonymous, link)

    assert problems(disown(anonymous, link)) == INVALID


@pytest.mark.parametrize(("days", "status"), [(6.99, 204), (7.01, 400)])
def test_the_link_is_valid_for_7_days(clock, thief, user, emailed_token, anonymous, days, status):
    token = emailed_token(user.email)
    clock.shift(timedelta(days=days))

    assert disown(anonymous, token).status_code == status


def test_a_new_password_leaves_the_link(user, link, anonymous):
    token = issue_token(user, "password_reset", user.email, timedelta(hours=1))
    anonymous.post(f"{API}/auth/reset-password", {"token": token, "password": NEW_PASSWORD})

    assert disown(anonymous, link).status_code == 204
    assert log_in_with(user.email, NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize("column", ["suspended_at", "deleted_at"])
def test_a_suspended_or_deleted_account_has_no_link(user, link, anonymous, column):
    User.objects.filter(pk=user.pk).update(**{column: timezone.now()})

    assert problems(disown(anonymous, link)) == INVALID


@pytest.mark.parametrize("purpose", ["password_reset", "email_proof", "email_undo", "invitation"])
def test_a_link_of_another_kind_ends_nothing(user, own, anonymous, purpose):
    token = issue_token(user, purpose, user.email, timedelta(hours=1))

    assert problems(disown(anonymous, token)) == INVALID
    assert try_token(own["accessToken"]) == "accepted"


@pytest.mark.parametrize("path", ["auth/reset-password", "auth/verify-email", "users/undelete"])
def test_the_link_does_nothing_else(link, anonymous, path):
    assert problems(anonymous.post(f"{API}/{path}", {"token": link, "password": NEW_PASSWORD})) == INVALID


def test_is_audited_without_the_token(user, link, anonymous):
    disown(anonymous, link)

    assert event("session.disowned").actor_id == user.pk
    assert not audit_holds(link)
    assert Session.objects.get(end_reason="not_me").pk == event("session.disowned").target_id


def test_only_a_hash_is_stored(link):
    assert link not in str(list(OneTimeToken.objects.values()))


@pytest.mark.parametrize("token", ["unknown", "", None])
def test_a_wrong_token_is_refused(anonymous, token):
    [(field, _code)] = problems(disown(anonymous, token))

    assert field == "token"


@pytest.mark.django_db(transaction=True)
def test_one_link_used_10_times_sends_one_reset_link(thief, link, deliver):
    responses = together(*(partial(disown, APIClient(), link) for _ in range(10)))

    assert sorted(response.status_code for response in responses) == [204] + [400] * 9
    assert len(deliver()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_refresh_at_the_same_time_leaves_no_session(thief, link, own):
    ended, refreshed = together(
        partial(disown, APIClient(), link), partial(refresh_with, thief["refreshToken"])
    )

    assert ended.status_code == 204
    if refreshed.status_code == 200:
        assert try_token(data(refreshed)["tokens"]["accessToken"]) == "TOKEN_REVOKED"
    assert Session.objects.live().count() == 1
