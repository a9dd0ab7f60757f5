"""Suspension in parallel to a log-in, a refresh or a reset: real threads, each with connections of its own."""

from datetime import timedelta
from functools import partial

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.passwords import issue_token
from accounts.services.suspension import unsuspend
from accounts.tests.checks import API, NEW_PASSWORD, data, log_in_with, refusal, try_token
from accounts.tests.factories import PASSWORD, UserFactory
from core.tests.parallel import together

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10  # raise it to look for rare failures


@pytest.fixture
def user():
    return UserFactory()


def suspension(admin, user):
    return partial(admin.patch, f"{API}/users/{user.pk}", {"status": "suspended"})


def tokens_of(response):
    return data(response)["tokens"]


def test_a_login_in_parallel_to_a_suspension_leaves_no_session(admin, user):
    for _ in range(ROUNDS):
        login, suspended = together(partial(log_in_with, user.email), suspension(admin, user))

        assert data(suspended)["status"] == "suspended"
        assert not user.sessions.live().exists()
        if login.status_code == 200:
            assert try_token(tokens_of(login)["accessToken"]) == "TOKEN_REVOKED"
        else:
            assert refusal(login) == (403, "ACCOUNT_SUSPENDED")
        unsuspend(user=user, actor=admin.user)


def test_a_suspension_while_the_password_is_hashed_leaves_no_session(admin, user, just_before):
    """The password was verified before, and the row is locked after."""
    log_in_with(user.email, "Wr0ng-password")
    with just_before('UPDATE "accounts_lockout"', suspension(admin, user)):
        response = log_in_with(user.email)  # clears the failure, then locks the row

    assert refusal(response) == (403, "ACCOUNT_SUSPENDED")
    assert not user.sessions.exists()


def test_a_refresh_in_parallel_to_a_suspension_leaves_no_session(admin, user, log_in):
    for _ in range(ROUNDS):
        caller = log_in(user)
        body = {"refreshToken": caller.refresh_token}

        suspended, *refreshes = together(
            suspension(admin, user),
            *(partial(APIClient().post, f"{API}/auth/refresh", body) for _ in range(4)),
        )

        assert data(suspended)["status"] == "suspended"
        assert not user.sessions.live().exists()
        for refreshed in refreshes:
            if refreshed.status_code == 200:
                assert try_token(tokens_of(refreshed)["accessToken"]) == "TOKEN_REVOKED"
            else:
                assert refusal(refreshed) == (401, "TOKEN_REVOKED")
        unsuspend(user=user, actor=admin.user)


def test_a_reset_in_parallel_to_a_suspension_lets_nobody_in(admin, user):
    old, new = PASSWORD, NEW_PASSWORD
    for _ in range(ROUNDS):
        token = issue_token(user, "password_reset", user.email, timedelta(hours=1))
        body = {"token": token, "password": new}

        reset, suspended = together(
            partial(APIClient().post, f"{API}/auth/reset-password", body), suspension(admin, user)
        )

        assert data(suspended)["status"] == "suspended"
        current = new if reset.status_code == 204 else old
        assert refusal(log_in_with(user.email, current)) == (403, "ACCOUNT_SUSPENDED")
        unsuspend(user=User.objects.get(pk=user.pk), actor=admin.user)
        old, new = current, old if current == new else new
