"""Parallel requests: real threads, each with connections of its own."""

from datetime import timedelta
from functools import partial

import pytest
from rest_framework.test import APIClient

from accounts.models import Session, User
from accounts.services import passwords
from accounts.services.passwords import issue_token
from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    access_of,
    data,
    events,
    log_in_with,
    refresh_with,
    refusal,
    try_token,
)
from accounts.tests.factories import PASSWORD, UserFactory
from core.tests.parallel import together
from core.web.concurrency import ConcurrencyLimit

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10  # raise it to look for rare failures
REFRESH_ROUNDS = 50
HOUR = timedelta(hours=1)


def at_once(bodies, path):
    """Post all of these at once; return the responses."""
    calls = []
    for body in bodies:
        client = APIClient()
        client.handler.load_middleware()  # before the requests begin
        calls.append(partial(client.post, f"{API}/auth/{path}", body))
    return together(*calls)


def statuses(responses):
    return sorted(response.status_code for response in responses)


def test_one_refresh_token_sent_20_times_has_one_child(log_in):
    user = UserFactory()
    for _ in range(REFRESH_ROUNDS):
        caller = log_in(user)

        responses = at_once([{"refreshToken": caller.refresh_token}] * 20, "refresh")

        pairs = [data(response)["tokens"] for response in responses]
        [child] = {pair["refreshToken"] for pair in pairs}
        assert {try_token(pair["accessToken"]) for pair in pairs} == {"accepted"}
        assert refresh_with(child).status_code == 200
    assert Session.objects.live().count() == REFRESH_ROUNDS


def test_one_reset_link_used_20_times_sets_one_password(owner, log_in):
    for _ in range(3):
        token = issue_token(owner.user, "password_reset", owner.user.email, HOUR)
        caller = log_in(owner.user)

        responses = at_once(
            [{"token": token, "password": f"{NEW_PASSWORD}-{n}"} for n in range(20)], "reset-password"
        )

        assert statuses(responses) == [204] + [400] * 19
        winner = next(n for n, response in enumerate(responses) if response.status_code == 204)
        owner.user.refresh_from_db()
        assert owner.user.check_password(f"{NEW_PASSWORD}-{winner}")
        assert try_token(access_of(caller)) == "TOKEN_REVOKED"


def test_two_reset_links_used_at_once_set_one_password(owner):
    for _ in range(ROUNDS):
        links = [issue_token(owner.user, "password_reset", owner.user.email, HOUR) for _ in range(2)]

        responses = at_once([{"token": token, "password": NEW_PASSWORD} for token in links], "reset-password")

        assert statuses(responses) == [204, 400]


def test_one_verification_link_used_20_times_changes_the_address_once(owner):
    token = issue_token(owner.user, "email_proof", owner.user.email, HOUR)

    assert statuses(at_once([{"token": token}] * 20, "verify-email")) == [204] * 20
    assert events() == ["email.verified"]


def test_of_two_users_who_verify_one_address_one_gets_it(owner, stranger):
    for number in range(ROUNDS):
        address = f"wanted{number}@example.com"
        User.objects.update(pending_email=address)
        links = [issue_token(user, "email_proof", address, HOUR) for user in (owner.user, stranger.user)]

        responses = at_once([{"token": token} for token in links], "verify-email")

        assert statuses(responses) == [204, 409]
        assert User.objects.filter(email=address).count() == 1


def test_50_registrations_of_one_address_create_one_account(deliver):
    spellings = [
        "ann@example.com",
        "ANN@example.com",
        " Ann@Example.COM ",
        "ａnn@example.com",
        "aNN@example。com",
    ]
    bodies = [{"email": spellings[n % 5], "password": PASSWORD, "name": f"Ann {n}"} for n in range(50)]

    responses = at_once(bodies, "register")

    assert statuses(responses) == [201] + [409] * 49
    assert {refusal(response)[1] for response in responses if response.status_code == 409} == {"EMAIL_EXISTS"}
    assert User.objects.count() == Session.objects.count() == 1
    assert [mail.to for mail in deliver()] == [["ann@example.com"]]


def test_after_a_logout_the_tokens_of_a_concurrent_refresh_are_revoked(log_in):
    user = UserFactory()
    for _ in range(ROUNDS):
        caller = log_in(user)
        body = {"refreshToken": caller.refresh_token}

        logout, *refreshes = together(
            partial(caller.post, f"{API}/auth/logout"),
            *(partial(APIClient().post, f"{API}/auth/refresh", body) for _ in range(4)),
        )

        assert logout.status_code == 204
        assert {response.status_code for response in refreshes} <= {200, 401}
        pairs = [data(response)["tokens"] for response in refreshes if response.status_code == 200]
        for pair in pairs:
            assert try_token(pair["accessToken"]) == "TOKEN_REVOKED"
            assert refusal(refresh_with(pair["refreshToken"])) == (401, "TOKEN_REVOKED")
        assert not user.sessions.live().exists()


def test_a_new_password_ends_another_session_that_refreshes_at_the_same_time(log_in):
    user = UserFactory()
    old, new = PASSWORD, NEW_PASSWORD
    for _ in range(3):
        caller, elsewhere = log_in(user), log_in(user)

        change, refreshed = together(
            partial(caller.post, f"{API}/auth/change-password", {"currentPassword": old, "newPassword": new}),
            partial(APIClient().post, f"{API}/auth/refresh", {"refreshToken": elsewhere.refresh_token}),
        )

        assert change.status_code == 204
        if refreshed.status_code == 200:
            assert try_token(data(refreshed)["tokens"]["accessToken"]) == "TOKEN_REVOKED"
        assert user.sessions.live().get().pk == caller.session_id
        user.sessions.end("next round")
        old, new = new, old


def test_a_login_in_parallel_to_a_reset_leaves_no_session():
    user, old, new = UserFactory(), PASSWORD, NEW_PASSWORD
    for _ in range(ROUNDS):
        token = issue_token(user, "password_reset", user.email, HOUR)

        _login, reset = together(
            partial(log_in_with, user.email, old),
            partial(APIClient().post, f"{API}/auth/reset-password", {"token": token, "password": new}),
        )

        assert reset.status_code == 204
        assert not user.sessions.live().exists()
        old, new = new, old


@pytest.mark.parametrize("slots", [1, 2])
def test_100_parallel_wrong_passwords_cost_few_hashes(hashes, monkeypatch, slots):
    """Count as many hashes as lock the address, plus those that `slots` allows to run at once."""
    monkeypatch.setattr(passwords, "hash_limit", ConcurrencyLimit(slots=slots, waiting=100, timeout=5))
    user = UserFactory()
    hashes.runs.clear()

    responses = at_once([{"email": user.email, "password": f"Wr0ng-{n}"} for n in range(100)], "login")

    refused = [refusal(response) for response in responses]
    assert set(refused) == {(401, "INVALID_CREDENTIALS"), (423, "ACCOUNT_LOCKED")}
    assert 5 <= refused.count((401, "INVALID_CREDENTIALS")) == hashes.count <= 4 + slots
    assert refusal(log_in_with(user.email)) == (423, "ACCOUNT_LOCKED")


def test_parallel_logins_with_the_right_password_do_not_lock():
    user = UserFactory()

    responses = at_once([{"email": user.email, "password": PASSWORD}] * 20, "login")

    assert statuses(responses) == [200] * 20
    assert user.sessions.live().count() == 20


ACTS = {
    "delete": lambda caller, path: caller.delete(path),
    "demote": lambda caller, path: caller.patch(path, {"role": "user"}),
    "suspend": lambda caller, path: caller.patch(path, {"status": "suspended"}),
}


@pytest.mark.parametrize("first", ACTS)
@pytest.mark.parametrize("second", ACTS)
def test_two_admins_cannot_remove_each_other(log_in, first, second):
    for _ in range(3):
        one, other = (log_in(UserFactory(role="admin")) for _ in range(2))

        responses = together(
            partial(ACTS[first], one, f"{API}/users/{other.user.pk}"),
            partial(ACTS[second], other, f"{API}/users/{one.user.pk}"),
        )

        assert User.objects.active().filter(role="admin").count() == 1
        done = [response for response in responses if response.status_code < 300]
        assert len(done) == 1
        [refused] = [response for response in responses if response.status_code >= 400]
        assert refused.status_code in {401, 403, 404, 409}
        User.objects.all().delete()
