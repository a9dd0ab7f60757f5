"""Effects of a login: its session, audit events, and changes of the account during the login."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.hashers import BCryptHasher
from accounts.models import User
from accounts.services.passwords import issue_token, reset_password
from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    access_of,
    audit_holds,
    data,
    event,
    refusal,
    try_token,
)
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/login"
ANN = {"email": "ann@example.com", "password": PASSWORD}


@pytest.fixture
def ann():
    return UserFactory(email="ann@example.com", name="Ann Able")


def test_each_login_is_a_session_of_its_own(anonymous, ann):
    first, second = (data(anonymous.post(URL, ANN))["tokens"]["accessToken"] for _ in range(2))

    ann.sessions.order_by("id").first().delete()

    assert (try_token(first), try_token(second)) == ("TOKEN_REVOKED", "accepted")


def test_the_session_stores_device_and_ip_address(anonymous, ann):
    anonymous.post(URL, ANN, headers={"User-Agent": "Firefox " + "x" * 500}, REMOTE_ADDR="2001:db8::7")

    session = ann.sessions.get()
    assert session.user_agent == ("Firefox " + "x" * 500)[:400]
    assert session.ip_address == "2001:db8::7"
    assert session.expires_at == session.created_at + timedelta(days=7)


def test_stores_the_time_of_the_login(clock, anonymous, ann):
    anonymous.post(URL, ANN)

    ann.refresh_from_db()
    assert ann.last_login == timezone.now()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.1", "203.0.113.9"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (2, "6.6.6.6, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (1, "198.51.100.1:51234", "198.51.100.1"),
        (2, "6.6.6.6", None),
        (1, "not an address", None),
    ],
)
def test_the_ip_address_is_that_of_trusted_proxies_only(
    anonymous, ann, settings, proxies, forwarded, address
):
    settings.TRUSTED_PROXIES = proxies

    anonymous.post(URL, ANN, headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="203.0.113.9")

    assert ann.sessions.get().ip_address == address
    assert event("session.opened").ip_address == address


def test_a_login_is_audited(anonymous, ann):
    headers = {"User-Agent": "Firefox", "X-Request-ID": "req-1"}
    tokens = data(anonymous.post(URL, ANN, headers=headers, REMOTE_ADDR="203.0.113.9"))["tokens"]

    opened = event("session.opened")
    assert (opened.actor_id, opened.ip_address, opened.request_id) == (ann.pk, "203.0.113.9", "req-1")
    assert not audit_holds(PASSWORD, tokens["accessToken"], tokens["refreshToken"])


def test_a_failure_is_audited_with_its_target(anonymous, ann):
    anonymous.post(URL, ANN | {"password": "S3cret-typo"}, headers={"X-Request-ID": "req-1"})

    failed = event("login.failed")
    assert (failed.actor_id, failed.target_id, failed.ip_address) == (None, ann.pk, "127.0.0.1")
    assert failed.request_id == "req-1"
    assert not audit_holds("S3cret-typo", "ann@example.com")


def test_a_failure_for_an_unknown_address_is_audited_without_the_address(anonymous):
    anonymous.post(URL, ANN)

    assert event("login.failed").target_id is None
    assert not audit_holds("ann@example.com", PASSWORD)


def test_a_hash_of_another_cost_is_renewed_and_other_sessions_continue(anonymous, log_in):
    costlier = BCryptHasher()
    costlier.rounds = 5
    ann = UserFactory(email="ann@example.com")
    elsewhere = log_in(ann)
    User.objects.filter(pk=ann.pk).update(password=costlier.encode(PASSWORD, costlier.salt()))

    assert anonymous.post(URL, ANN).status_code == 200

    ann.refresh_from_db()
    assert "$04$" in ann.password
    assert try_token(access_of(elsewhere)) == "accepted"


# The statement after the slow hash of a right password, which clears earlier failures.
AFTER_THE_HASH = 'UPDATE "accounts_lockout"'
WRONG = {**ANN, "password": "not-the-password-9"}


def test_a_password_that_is_replaced_during_the_login_opens_no_session(anonymous, ann, just_before):
    token = issue_token(ann, "password_reset", ann.email, timedelta(hours=1))
    anonymous.post(URL, WRONG)
    with just_before(AFTER_THE_HASH, lambda: reset_password(token=token, password=NEW_PASSWORD)):
        response = anonymous.post(URL, ANN)

    assert refusal(response) == (401, "INVALID_CREDENTIALS")
    assert not ann.sessions.exists()


def test_an_account_that_is_deleted_during_the_login_opens_no_session(anonymous, ann, just_before):
    anonymous.post(URL, WRONG)
    with just_before(AFTER_THE_HASH, ann.soft_delete):
        response = anonymous.post(URL, ANN)

    assert refusal(response) == (401, "INVALID_CREDENTIALS")
    assert not ann.sessions.exists()


def test_a_login_without_earlier_failures_updates_no_lockout(anonymous, ann):
    anonymous.post(URL, WRONG)
    anonymous.post(URL, ANN)
    with CaptureQueriesContext(connection) as queries:
        assert anonymous.post(URL, ANN).status_code == 200

    assert not [query for query in queries if query["sql"].startswith(AFTER_THE_HASH)]
