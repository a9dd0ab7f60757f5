"""Refused tokens, refused roles and requests for a reset are in the audit log, at a bounded rate."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.cookies import ACCESS
from accounts.models import OneTimeToken
from accounts.services.passwords import issue_token
from accounts.tests.checks import API, refresh_with
from accounts.tests.factories import PASSWORD, UserFactory
from core.audit.models import AuditEvent
from core.tests.interpreter import django_python

pytestmark = pytest.mark.django_db
ME = f"{API}/users/me"
FROM_THERE = {"headers": {"X-Request-ID": "req-1", "User-Agent": "Firefox"}, "REMOTE_ADDR": "203.0.113.9"}


def events(name):
    return AuditEvent.objects.filter(event=name).order_by("id")


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_of_a_closed_session_is_recorded_once_a_minute(owner):
    owner.post(f"{API}/auth/logout")
    statuses = {owner.get(ME, **FROM_THERE).status_code for _ in range(3)}
    [refused] = events("token.refused")

    assert statuses == {401}
    assert (refused.actor_id, refused.subject_id, refused.target_id) == (
        None,
        owner.user.pk,
        owner.session_id,
    )
    assert (refused.ip_address, refused.request_id) == ("203.0.113.9", "req-1")
    assert refused.changes == {"token": [None, "access"]}


def test_a_token_of_a_closed_session_in_a_cookie_is_recorded(anonymous, owner):
    token = owner.authorization.removeprefix("Bearer ")
    owner.post(f"{API}/auth/logout")
    anonymous.cookies[ACCESS.name] = token

    assert anonymous.get(ME).status_code == 401
    assert events("token.refused").get().target_id == owner.session_id


def test_a_token_of_a_deleted_user_is_recorded(owner):
    owner.user.soft_delete()

    assert owner.get(ME).status_code == 401
    assert events("token.refused").get().subject_id == owner.user.pk


def test_a_refresh_token_of_a_closed_session_is_recorded(anonymous, owner):
    owner.post(f"{API}/auth/logout")

    assert refresh_with(owner.refresh_token).status_code == 401
    assert events("token.refused").get().changes == {"token": [None, "refresh"]}


def test_reuse_of_a_refresh_token_is_recorded_when_it_ends_the_session_and_afterwards(owner):
    refresh_with(owner.refresh_token)
    owner.user.sessions.update(rotated_at=timezone.now() - timedelta(minutes=1))
    for _ in range(2):
        assert refresh_with(owner.refresh_token).status_code == 401

    assert events("session.token_reused").get().target_id == owner.session_id
    assert events("token.refused").get().target_id == owner.session_id


def test_a_token_without_a_session_is_recorded_without_a_user(owner):
    owner.user.sessions.all().delete()

    assert owner.get(ME).status_code == 401
    assert events("token.refused").values_list("subject_id", "target_id").get() == (None, None)


def test_a_forged_or_expired_token_is_not_recorded(anonymous, owner):
    forged = owner.authorization[:-4] + "AAAA"
    expired = tokens.access_token(
        user_id=owner.user.pk, session_id=owner.session_id, now=timezone.now() - timedelta(days=1)
    )
    for header in (forged, f"Bearer {expired}", "Bearer x"):
        assert anonymous.get(ME, HTTP_AUTHORIZATION=header).status_code == 401

    assert not events("token.refused").exists()


@pytest.mark.parametrize("over", ["used_at", "expires_at"])
def test_a_used_or_expired_link_is_recorded_once_a_minute(anonymous, over):
    user = UserFactory()
    secret = issue_token(user, OneTimeToken.Purpose.PASSWORD_RESET, user.email, timedelta(hours=1))
    OneTimeToken.objects.update(**{over: timezone.now()})
    for _ in range(2):
        body = {"token": secret, "password": PASSWORD}
        assert anonymous.post(f"{API}/auth/reset-password", body).status_code == 400

    assert events("link.refused").get().subject_id == user.pk


def test_an_invented_link_is_not_recorded(anonymous):
    anonymous.post(f"{API}/auth/reset-password", {"token": "x" * 43, "password": PASSWORD})

    assert not AuditEvent.objects.exists()


# --- roles ----------------------------------------------------------------------------------------


def test_a_refused_role_is_recorded_once_a_minute(owner):
    for _ in range(2):
        assert owner.get(f"{API}/users", **FROM_THERE).status_code == 403
        assert owner.get(f"{API}/users?role=admin").status_code == 403
    (first,) = events("access.refused")

    assert (first.actor_id, first.ip_address, first.request_id) == (owner.user.pk, "203.0.113.9", "req-1")
    assert first.changes == {"method": [None, "GET"], "route": [None, "api/v1/users"]}


def test_the_route_is_recorded_without_the_ids_of_the_path(owner, stranger):
    assert owner.delete(f"{API}/users/{stranger.user.pk}").status_code in {403, 404}

    assert str(stranger.user.pk) not in json.dumps(list(AuditEvent.objects.values_list("changes", flat=True)))


def test_a_refusal_in_the_admin_is_recorded():
    browser, user = Client(), UserFactory(role="staff")
    browser.force_login(user)

    assert browser.get("/admin/core_outbox/outboxmessage/").status_code == 403
    refused = events("access.refused").get()
    assert (refused.actor_id, refused.changes["method"]) == (user.pk, [None, "GET"])


def test_a_missing_csrf_token_or_login_is_not_recorded_as_a_refused_role(anonymous):
    assert anonymous.get(f"{API}/users").status_code == 401
    assert Client(enforce_csrf_checks=True).post("/admin/login/").status_code == 403

    assert not AuditEvent.objects.exists()


def test_the_response_is_the_refusal_if_the_event_cannot_be_written(owner):
    def read_only(execute, sql, params, many, context):
        if sql.startswith("INSERT"):
            sql, params = "SELECT * FROM no_such_table", ()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(read_only):
        assert owner.get(f"{API}/users").status_code == 403


# --- requests for a reset -------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["known@example.com", "unknown@example.com"])
def test_a_request_for_a_reset_is_recorded_without_its_address(anonymous, email):
    UserFactory(email="known@example.com")
    for _ in range(2):
        assert (
            anonymous.post(f"{API}/auth/forgot-password", {"email": email}, **FROM_THERE).status_code == 202
        )
    recorded = AuditEvent.objects.get()

    assert (recorded.event, recorded.ip_address, recorded.request_id) == (
        "password.reset_requested",
        "203.0.113.9",
        "req-1",
    )
    assert (recorded.actor_id, recorded.subject_id, recorded.target_id, recorded.changes) == (
        None,
        None,
        None,
        {},
    )
    assert recorded.user_agent == ""  # nobody could find it when its person is erased


def test_the_reset_email_is_recorded_with_the_id_of_the_request(anonymous, deliver):
    user = UserFactory()
    anonymous.post(f"{API}/auth/forgot-password", {"email": user.email}, **FROM_THERE)
    deliver()

    assert events("password.reset_link_sent").values_list("subject_id", "request_id").get() == (
        user.pk,
        "req-1",
    )


# --- the second record ----------------------------------------------------------------------------

WRITE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
Client().post("/api/v1/auth/register", {"email": "ann@example.com", "name": "Ann", "password": "Corr3ct-horse"},
              content_type="application/json", headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")
"""


def test_each_event_is_also_a_log_line_without_values(tmp_path):
    database = f"sqlite:///{tmp_path / 'log.sqlite3'}"
    done = django_python(WRITE, DATABASE_URL=database, LOG_LEVEL="INFO", REDIS_URL="", CELERY_BROKER_URL="")
    lines = [json.loads(line) for line in done.stderr.splitlines() if '"audit_event"' in line]
    created = next(line for line in lines if line["kind"] == "user.created")

    assert created["subjectId"] in created["target"]
    assert (created["ip"], created["requestId"], created["level"]) == ("203.0.113.9", "req-1", "info")
    assert "ann@example.com" not in json.dumps(lines)
