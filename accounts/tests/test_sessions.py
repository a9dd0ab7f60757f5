import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.checks import API, access_of, data, event, events, refresh_with, refusal, try_token
from accounts.tests.factories import SessionFactory

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/sessions"


def ids(response):
    return [row["id"] for row in data(response)]


def test_lists_the_callers_sessions(owner, log_in, stranger):
    elsewhere = log_in(owner.user)

    response = owner.get(URL)

    assert set(ids(response)) == {str(owner.session_id), str(elsewhere.session_id)}
    assert response.json()["meta"] == {"page": 1, "limit": 20, "total": 2, "totalPages": 1}


def test_a_user_agent_that_no_database_stores_is_no_error(owner):
    """`owner` is logged in: the audit event of an export has the user agent too."""
    assert owner.get(f"{API}/users/me/export", HTTP_USER_AGENT="a\0b").status_code == 200

    assert event("user.exported").user_agent == "a\ufffdb"


def test_shows_each_with_the_documented_fields(clock, owner):
    owner.user.sessions.update(user_agent="Firefox", ip_address="203.0.113.9")

    [row] = data(owner.get(URL))

    now = timezone.now()
    assert row == {
        "id": str(owner.session_id),
        "userAgent": "Firefox",
        "ipAddress": "203.0.113.9",
        "createdAt": now.isoformat().replace("+00:00", "Z"),
        "lastUsedAt": now.isoformat().replace("+00:00", "Z"),
        "expiresAt": (now + timedelta(days=7)).isoformat().replace("+00:00", "Z"),
        "current": True,
    }


def test_marks_the_session_of_the_caller(owner, log_in):
    elsewhere = log_in(owner.user)

    for caller in (owner, elsewhere):
        current = [row["id"] for row in data(caller.get(URL)) if row["current"]]
        assert current == [str(caller.session_id)]


def test_omits_ended_and_expired_sessions(owner):
    SessionFactory(user=owner.user, ended_at=timezone.now())
    SessionFactory(user=owner.user, expires_at=timezone.now() - timedelta(seconds=1))

    assert ids(owner.get(URL)) == [str(owner.session_id)]


def test_an_admin_sees_only_their_own_here(admin, owner):
    assert ids(admin.get(URL)) == [str(admin.session_id)]


def test_shows_the_last_used_first(clock, owner, log_in):
    clock.shift(60)
    elsewhere = log_in(owner.user)
    assert ids(owner.get(URL)) == [str(elsewhere.session_id), str(owner.session_id)]

    clock.shift(60)
    refresh_with(owner.refresh_token)
    assert ids(owner.get(URL)) == [str(owner.session_id), str(elsewhere.session_id)]
    assert ids(owner.get(URL, {"sort": "createdAt"})) == [str(owner.session_id), str(elsewhere.session_id)]


def test_is_paginated(owner):
    SessionFactory.create_batch(4, user=owner.user)

    response = owner.get(URL, {"page": 2, "limit": 3})

    assert len(ids(response)) == 2
    assert response.json()["meta"] == {"page": 2, "limit": 3, "total": 5, "totalPages": 2}


def test_the_number_of_queries_does_not_grow(owner):
    with CaptureQueriesContext(connection) as few:
        owner.get(URL)
    SessionFactory.create_batch(10, user=owner.user)

    with CaptureQueriesContext(connection) as many:
        assert len(ids(owner.get(URL))) == 11
    assert len(many) == len(few) <= 4


def test_ending_a_session_revokes_its_tokens_at_once(owner, log_in):
    elsewhere = log_in(owner.user)

    response = owner.delete(f"{URL}/{elsewhere.session_id}")

    assert (response.status_code, response.content) == (204, b"")
    assert try_token(access_of(elsewhere)) == "TOKEN_REVOKED"
    assert refusal(refresh_with(elsewhere.refresh_token)) == (401, "TOKEN_REVOKED")
    assert try_token(access_of(owner)) == "accepted"


def test_the_current_session_can_be_ended_too(owner):
    assert owner.delete(f"{URL}/{owner.session_id}").status_code == 204

    assert try_token(access_of(owner)) == "TOKEN_REVOKED"


def test_ending_a_session_is_audited(owner, log_in):
    elsewhere = log_in(owner.user)

    owner.delete(
        f"{URL}/{elsewhere.session_id}", headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9"
    )

    ended = event("session.ended")
    assert (ended.actor_id, ended.target_id) == (owner.user.pk, elsewhere.session_id)
    assert (ended.ip_address, ended.request_id) == ("203.0.113.9", "req-1")


def test_the_session_of_another_user_is_a_404(owner, stranger, admin):
    for caller in (stranger, admin):
        foreign = caller.delete(f"{URL}/{owner.session_id}", headers={"X-Request-ID": "same"})
        missing = caller.delete(f"{URL}/{uuid.uuid4()}", headers={"X-Request-ID": "same"})
        assert refusal(foreign) == (404, "NOT_FOUND")
        assert foreign.content == missing.content
    assert try_token(access_of(owner)) == "accepted"
    assert events() == []


def test_an_ended_session_is_a_404(owner, log_in):
    elsewhere = log_in(owner.user)
    owner.delete(f"{URL}/{elsewhere.session_id}")

    assert refusal(owner.delete(f"{URL}/{elsewhere.session_id}")) == (404, "NOT_FOUND")


def test_a_session_that_ends_during_the_request_is_not_ended_again(owner, log_in, just_before):
    elsewhere = log_in(owner.user)
    with just_before('UPDATE "accounts_session"', lambda: owner.user.sessions.end("password_reset")):
        assert owner.delete(f"{URL}/{elsewhere.session_id}").status_code == 204

    assert {session.end_reason for session in owner.user.sessions.all()} == {"password_reset"}
    assert events() == []


@pytest.mark.parametrize("identifier", ["1", "current", "' OR 1=1", "x" * 10_000])
def test_an_invalid_id_is_a_404(owner, identifier):
    assert refusal(owner.delete(f"{URL}/{identifier}")) == (404, "NOT_FOUND")
