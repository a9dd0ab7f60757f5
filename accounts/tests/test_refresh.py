from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Session
from accounts.services.passwords import issue_token
from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    access_of,
    audit_holds,
    data,
    event,
    events,
    problems,
    refresh_with,
    refusal,
    try_token,
)
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/refresh"
REVOKED = (401, "TOKEN_REVOKED")


def rotated(token):
    return data(refresh_with(token))["tokens"]


def test_returns_a_new_pair(owner):
    response = data(refresh_with(owner.refresh_token))

    assert response.keys() == {"delivery", "tokens"}
    assert response["tokens"].keys() == {"accessToken", "refreshToken", "tokenType", "expiresIn"}
    assert (response["tokens"]["tokenType"], response["tokens"]["expiresIn"]) == ("Bearer", 900)
    assert response["tokens"]["refreshToken"] != owner.refresh_token


def test_both_new_tokens_work_and_the_session_is_the_same(owner):
    tokens = rotated(owner.refresh_token)

    assert try_token(tokens["accessToken"]) == "accepted"
    assert rotated(tokens["refreshToken"])
    assert Session.objects.get().pk == owner.session_id


def test_the_older_access_token_remains_valid(owner):
    rotated(owner.refresh_token)

    assert try_token(access_of(owner)) == "accepted"


@pytest.mark.parametrize("seconds", [0, 9, 10])
def test_a_retry_gets_the_lost_response_again(clock, owner, seconds):
    child = rotated(owner.refresh_token)["refreshToken"]
    clock.shift(seconds)

    again = rotated(owner.refresh_token)

    assert again["refreshToken"] == child
    assert try_token(again["accessToken"]) == "accepted"
    assert rotated(child)


def test_a_response_overtaken_by_another_refresh_is_valid(owner):
    """A parallel request has given out the new token, and its client has used that, before this one reads its row."""
    steps = []

    def overtake(execute, sql, params, many, context):
        if steps == ["rotated"] and sql.startswith("SELECT"):
            steps.append("overtaken")
            rotated(rotated(owner.refresh_token)["refreshToken"])
        result = execute(sql, params, many, context)
        if not steps and sql.startswith('UPDATE "accounts_session"'):
            steps.append("rotated")
        return result

    with connection.execute_wrapper(overtake):
        late = rotated(owner.refresh_token)

    assert steps == ["rotated", "overtaken"]
    assert rotated(late["refreshToken"])


@pytest.mark.parametrize("late", [timedelta(seconds=11), timedelta(hours=1), timedelta(days=1)])
def test_a_spent_token_ends_its_session(clock, owner, late):
    child = rotated(owner.refresh_token)
    clock.shift(late)

    assert refusal(refresh_with(owner.refresh_token)) == REVOKED

    assert refusal(refresh_with(child["refreshToken"])) == REVOKED
    assert try_token(child["accessToken"]) in {"TOKEN_REVOKED", "TOKEN_EXPIRED"}
    assert (owner.user.sessions.get().end_reason, owner.user.sessions.get().is_live) == (
        "token_reused",
        False,
    )


def test_reuse_ends_the_access_tokens_at_once(clock, owner):
    child = rotated(owner.refresh_token)
    clock.shift(11)
    refresh_with(owner.refresh_token)

    assert try_token(child["accessToken"]) == try_token(access_of(owner)) == "TOKEN_REVOKED"


def test_the_first_of_several_tokens_ends_the_session_too(clock, owner):
    second = rotated(owner.refresh_token)["refreshToken"]
    clock.shift(60)
    third = rotated(second)["refreshToken"]
    clock.shift(60)
    fourth = rotated(third)

    assert refusal(refresh_with(owner.refresh_token)) == REVOKED
    assert try_token(fourth["accessToken"]) == "TOKEN_REVOKED"


def test_a_grandparent_has_no_grace(clock, owner):
    """The clock is stopped: the token itself counts, not the time of its issue."""
    grandchild = rotated(rotated(owner.refresh_token)["refreshToken"])

    assert refusal(refresh_with(owner.refresh_token)) == REVOKED
    assert try_token(grandchild["accessToken"]) == "TOKEN_REVOKED"


def test_a_parent_has_grace_after_each_rotation(clock, owner):
    child = rotated(owner.refresh_token)["refreshToken"]
    grandchild = rotated(child)["refreshToken"]

    assert rotated(child)["refreshToken"] == grandchild


def test_other_sessions_continue_after_a_reuse(clock, owner, log_in, stranger):
    elsewhere = log_in(owner.user)
    rotated(owner.refresh_token)
    clock.shift(11)
    refresh_with(owner.refresh_token)

    assert try_token(access_of(elsewhere)) == try_token(access_of(stranger)) == "accepted"
    assert rotated(elsewhere.refresh_token)


def test_reuse_is_audited_and_emailed_once(clock, owner, anonymous, deliver):
    rotated(owner.refresh_token)
    clock.shift(11)
    for request_id in ("req-1", "req-2"):
        anonymous.post(
            URL,
            {"refreshToken": owner.refresh_token},
            headers={"X-Request-ID": request_id},
            REMOTE_ADDR="203.0.113.9",
        )

    reused = event("session.token_reused")
    assert (reused.target_type, reused.target_id) == ("accounts.session", owner.session_id)
    assert (reused.ip_address, reused.request_id) == ("203.0.113.9", "req-1")
    assert not audit_holds(owner.refresh_token)
    assert [mail.to for mail in deliver()] == [[owner.user.email]]


def test_reuse_in_a_session_that_ends_during_the_request_is_no_event(clock, owner, just_before, deliver):
    rotated(owner.refresh_token)
    clock.shift(11)
    with just_before('UPDATE "accounts_session" SET "ended_at"', lambda: owner.user.sessions.end("logout")):
        assert refusal(refresh_with(owner.refresh_token)) == REVOKED

    assert owner.user.sessions.get().end_reason == "logout"
    assert (events(), deliver()) == ([], [])


def test_an_unused_token_expires_after_a_week(clock, owner):
    clock.shift(timedelta(days=7, seconds=-1))
    child = rotated(owner.refresh_token)["refreshToken"]

    clock.shift(timedelta(days=7))
    assert refusal(refresh_with(child)) == (401, "TOKEN_EXPIRED")


def test_a_session_ends_after_thirty_days_however_often_it_is_refreshed(clock, owner):
    token = owner.refresh_token
    for _ in range(4):
        clock.shift(timedelta(days=6))
        token = rotated(token)["refreshToken"]
    clock.shift(timedelta(days=6, seconds=-1))
    tokens = rotated(token)

    clock.shift(1)
    assert refusal(refresh_with(tokens["refreshToken"])) == (401, "TOKEN_EXPIRED")
    assert try_token(tokens["accessToken"]) == "TOKEN_REVOKED"


def test_the_session_stores_its_last_use(clock, owner, anonymous):
    clock.shift(60)

    headers = {"User-Agent": "Safari"}
    anonymous.post(URL, {"refreshToken": owner.refresh_token}, headers=headers, REMOTE_ADDR="203.0.113.9")

    session = owner.user.sessions.get()
    assert (session.user_agent, session.ip_address) == ("Safari", "203.0.113.9")
    assert session.last_used_at == timezone.now()
    assert session.expires_at == timezone.now() + timedelta(days=7)


ENDINGS = {
    "logout": lambda owner, elsewhere, admin: owner.post(f"{API}/auth/logout"),
    "logout-all": lambda owner, elsewhere, admin: elsewhere.post(f"{API}/auth/logout-all"),
    "list of sessions": lambda owner, elsewhere, admin: elsewhere.delete(
        f"{API}/auth/sessions/{owner.session_id}"
    ),
    "new password": lambda owner, elsewhere, admin: elsewhere.post(
        f"{API}/auth/change-password", {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    ),
    "own deletion": lambda owner, elsewhere, admin: owner.delete(
        f"{API}/users/me", {"currentPassword": PASSWORD}
    ),
    "deletion by an admin": lambda owner, elsewhere, admin: admin.delete(f"{API}/users/{owner.user.pk}"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ended_session_cannot_be_refreshed(owner, log_in, admin, ending):
    elsewhere = log_in(owner.user)
    assert ENDINGS[ending](owner, elsewhere, admin).status_code == 204

    assert refusal(refresh_with(owner.refresh_token)) == REVOKED
    assert "session.token_reused" not in events()


def test_the_session_of_an_erased_user_is_revoked(owner):
    owner.user.delete()

    assert refusal(refresh_with(owner.refresh_token)) == REVOKED


def test_a_session_that_ends_during_the_request_is_not_updated(owner, just_before):
    def end():
        Session.objects.filter(pk=owner.session_id).end("logout")

    before = owner.user.sessions.values("refresh_hash", "last_used_at", "expires_at", "user_agent").get()
    with just_before('UPDATE "accounts_session" SET "refresh_hash"', end):
        assert refusal(refresh_with(owner.refresh_token)) == REVOKED

    assert owner.user.sessions.values(*before).get() == before


def test_only_a_refresh_token_is_accepted(owner):
    reset = issue_token(owner.user, "password_reset", owner.user.email, timedelta(hours=1))

    for token in (access_of(owner), reset, "x", "a.b.c", "Bearer " + owner.refresh_token, "ü.ü.ü"):
        assert refusal(refresh_with(token)) == (401, "UNAUTHORIZED")
    assert rotated(owner.refresh_token)


@pytest.mark.parametrize("size", [4097, 1_000_000])
def test_an_oversized_token_is_refused(anonymous, size):
    assert refusal(refresh_with("a" * size)) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"refreshToken": ""}, "blank"),
        ({"refreshToken": None}, "null"),
        ({"refreshToken": 5}, "invalid"),
        ({"refreshToken": {}}, "invalid"),
    ],
)
def test_requires_the_token_as_text(anonymous, body, code):
    assert problems(anonymous.post(URL, body)) == [("refreshToken", code)]
