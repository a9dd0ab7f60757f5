"""Five failures within 15 minutes lock an address for 15 minutes, from any caller and any IP address."""

from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.core.cache import cache
from prometheus_client import REGISTRY

from accounts.models import Lockout
from accounts.services.accounts import unlock
from accounts.services.lockout import AccountLocked
from accounts.tests.checks import (
    API,
    access_of,
    audit_holds,
    event,
    events,
    log_in_with,
    refresh_with,
    refusal,
    try_token,
)
from accounts.tests.factories import PASSWORD, UserFactory
from core.audit.models import AuditEvent
from core.db import counters

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"
WRONG = (401, "INVALID_CREDENTIALS")
LOCKED = (423, "ACCOUNT_LOCKED")


@pytest.fixture
def ann():
    return UserFactory(email=ANN)


def fail(times, email=ANN):
    for _ in range(times):
        assert refusal(log_in_with(email, "Wr0ng-password")) == WRONG


def is_locked(email=ANN):
    return refusal(log_in_with(email, "Wr0ng-password")) == LOCKED


def test_five_failures_lock_the_address_for_the_right_password_too(clock, ann):
    fail(5)

    response = log_in_with(ANN)

    assert refusal(response) == LOCKED
    assert response["Retry-After"] == "900"
    assert response.json()["error"]["details"] == []


def test_four_failures_do_not_lock(ann):
    fail(4)

    assert log_in_with(ANN).status_code == 200


def test_a_success_clears_the_count(ann):
    fail(4)
    log_in_with(ANN)

    fail(4)
    assert log_in_with(ANN).status_code == 200


@pytest.mark.parametrize(("seconds", "locked"), [(-1, True), (1, False)])
def test_failures_count_for_fifteen_minutes(clock, ann, seconds, locked):
    fail(1)
    clock.shift(timedelta(minutes=15, seconds=seconds))

    fail(4)

    assert is_locked() is locked


def test_the_lock_ends_after_fifteen_minutes(clock, ann):
    fail(5)

    clock.shift(timedelta(minutes=15, seconds=-1))
    response = log_in_with(ANN)
    assert (refusal(response), response["Retry-After"]) == (LOCKED, "1")

    clock.shift(1)
    assert log_in_with(ANN).status_code == 200


def test_an_expired_lock_starts_a_new_count(clock, ann, settings):
    settings.LOCKOUT_DURATION = timedelta(minutes=1)  # shorter than the window
    fail(5)
    clock.shift(timedelta(minutes=1))

    fail(4)

    assert log_in_with(ANN).status_code == 200


def test_attempts_during_a_lock_are_not_counted_or_hashed_and_do_not_extend_it(clock, ann, hashes):
    fail(5)
    hashes.runs.clear()
    clock.shift(timedelta(minutes=10))
    assert [is_locked() for _ in range(6)] == [True] * 6
    assert hashes.count == 0

    clock.shift(timedelta(minutes=5))
    fail(4)
    assert log_in_with(ANN).status_code == 200


def test_an_unknown_address_is_locked_just_the_same(clock, anonymous, ann):
    def course(email):
        """Yield the responses to six attempts, without the headers of the rate limit."""
        for _ in range(6):
            body, headers = {"email": email, "password": "Wr0ng-password"}, {"X-Request-ID": "same"}
            response = anonymous.post(f"{API}/auth/login", body, headers=headers)
            for name in ("RateLimit-Remaining", "RateLimit-Reset"):  # the clock of these is not stopped
                response.headers.pop(name)
            yield response.status_code, response.content, dict(response.items())

    assert list(six_attempts("nobody@example.com")) == list(six_attempts(ANN))


def test_spellings_of_one_address_count_together(ann):
    for spelling in (ANN, "ANN@example.com", " ann@example.com", "ａnn@example.com", "Ann@EXAMPLE.com"):
        fail(1, spelling)

    assert is_locked(ANN)


def test_an_invalid_address_is_locked_too(ann):
    fail(5, "mıke")

    assert is_locked("mıke")


def test_other_addresses_are_not_locked(ann):
    UserFactory(email="bob@example.com")

    fail(5)

    assert log_in_with("bob@example.com").status_code == 200


@pytest.mark.parametrize("by", ["REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"])
def test_failures_from_all_ip_addresses_count_together(anonymous, ann, by):
    for number in range(5):
        body = {"email": ANN, "password": "Wr0ng-password"}
        assert anonymous.post(f"{API}/auth/login", body, **{by: f"203.0.113.{number}"}).status_code == 401

    assert is_locked()


def test_the_lock_does_not_depend_on_the_cache(ann):
    fail(5)

    cache.clear()
    counters.local_counter.clear()

    assert is_locked()


def test_existing_sessions_continue_during_a_lock(log_in, ann):
    caller = log_in(ann)

    fail(5)

    assert try_token(access_of(caller)) == "accepted"
    assert refresh_with(caller.refresh_token).status_code == 200


def test_the_login_of_the_admin_has_the_same_lock(ann):
    for _ in range(3):
        assert authenticate(username=ANN, password="Wr0ng-password") is None
    fail(2)

    with pytest.raises(AccountLocked):
        authenticate(username=ANN, password=PASSWORD)


def test_the_login_of_the_admin_accepts_the_right_password(ann):
    assert authenticate(username=" ANN@example.com", password=PASSWORD) == ann
    assert authenticate(email=ANN, password=PASSWORD) == ann


@pytest.mark.parametrize("given", [{}, {"username": ANN}, {"password": PASSWORD}])
def test_the_login_of_the_admin_requires_both(ann, given):
    assert authenticate(**given) is None
    assert not Lockout.objects.exists()


def test_staff_can_remove_the_lock(ann, admin):
    fail(5)

    unlock(user=ann, actor=admin.user)

    assert log_in_with(ANN).status_code == 200
    opened = event("account.unlocked")
    assert (opened.actor_id, opened.target_id) == (admin.user.pk, ann.pk)


def test_is_audited(anonymous, ann):
    body = {"email": ANN, "password": "Wr0ng-password"}
    for number in range(7):
        anonymous.post(
            f"{API}/auth/login", body, headers={"X-Request-ID": f"req-{number}"}, REMOTE_ADDR="203.0.113.9"
        )

    assert events() == ["login.failed"] * 4 + ["account.locked"]
    locked = event("account.locked")
    assert (locked.target_id, locked.ip_address, locked.request_id) == (ann.pk, "203.0.113.9", "req-4")
    assert not audit_holds("Wr0ng-password")


def test_stores_no_address(ann):
    fail(1)
    fail(1, "nobody@example.com")

    stored = str(list(Lockout.objects.values()) + list(AuditEvent.objects.values()))
    assert ANN not in stored
    assert "nobody" not in stored


@pytest.mark.parametrize(("password", "outcome"), [(PASSWORD, "success"), ("Wr0ng-password", "failure")])
def test_is_counted_in_the_metrics(ann, password, outcome):
    def count(outcome):
        return REGISTRY.get_sample_value("login_attempts_total", {"outcome": outcome}) or 0

    before = count(outcome), count("locked")
    log_in_with(ANN, password)
    assert (count(outcome), count("locked")) == (before[0] + 1, before[1])

    fail(4 if outcome == "failure" else 5)
    log_in_with(ANN)
    assert count("locked") == before[1] + 1
