from datetime import timedelta

import pytest

from accounts.tests.checks import API, access_of, audit_holds, event, events, refresh_with, refusal, try_token

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/logout"


def test_ends_the_session_at_once(owner):
    response = owner.post(URL)

    assert (response.status_code, response.content) == (204, b"")
    assert refusal(refresh_with(owner.refresh_token)) == (401, "TOKEN_REVOKED")
    assert owner.user.sessions.get().end_reason == "logout"


def test_every_other_session_continues(owner, stranger, log_in):
    elsewhere = log_in(owner.user)

    owner.post(URL)

    assert try_token(access_of(elsewhere)) == try_token(access_of(stranger)) == "accepted"


def test_ignores_a_foreign_refresh_token_in_the_body(owner, stranger):
    assert owner.post(URL, {"refreshToken": stranger.refresh_token}).status_code == 204

    assert refresh_with(stranger.refresh_token).status_code == 200


def test_is_audited_once(owner):
    owner.post(URL, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")
    owner.post(URL)

    closed = event("session.closed")
    assert (closed.actor_id, closed.target_id) == (owner.user.pk, owner.session_id)
    assert (closed.ip_address, closed.request_id) == ("203.0.113.9", "req-1")
    assert not audit_holds(access_of(owner), owner.refresh_token)


def test_a_session_that_ends_during_the_request_is_not_ended_again(owner, just_before):
    with just_before('UPDATE "accounts_session"', lambda: owner.user.sessions.end("password_reset")):
        assert owner.post(URL).status_code == 204

    assert owner.user.sessions.get().end_reason == "password_reset"
    assert events() == []


def test_a_logout_is_allowed_over_the_rate_limit_of_the_user(owner, settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "user": (1, 60)}
    statuses = [owner.get(f"{API}/users/me").status_code for _ in range(2)]

    assert (statuses, owner.post(URL).status_code) == ([200, 429], 204)
    assert owner.user.sessions.get().end_reason == "logout"


def test_a_logout_without_a_session_counts_against_the_ip_address(anonymous, owner, settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "anon": (1, 60)}
    owner.post(URL)

    assert [owner.post(URL).status_code for _ in range(2)] == [401, 429]


def test_an_expired_token_still_ends_its_session(clock, owner):
    clock.shift(timedelta(days=1))

    assert owner.post(URL).status_code == 204
    assert owner.user.sessions.get().end_reason == "logout"


def test_an_expired_token_ends_no_session_that_has_ended(clock, owner):
    owner.post(URL)
    clock.shift(timedelta(minutes=15))

    assert refusal(owner.post(URL)) == (401, "TOKEN_REVOKED")


def test_a_token_of_the_wrong_kind_ends_nothing(anonymous, owner):
    response = anonymous.post(URL, headers={"Authorization": f"Bearer {owner.refresh_token}"})

    assert refusal(response) == (401, "UNAUTHORIZED")
    assert owner.user.sessions.get().is_live
