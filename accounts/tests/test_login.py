"""POST /auth/login: the response, and the credentials that are accepted."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password

from accounts.models import Session
from accounts.tests.checks import (
    API,
    data,
    events,
    problems,
    refresh_with,
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


def test_returns_the_user_and_a_pair_of_tokens(anonymous, ann):
    response = data(anonymous.post(URL, ANN))

    assert response.keys() == {"delivery", "user", "tokens"}
    assert response["user"].keys() == {
        *("id", "email", "pendingEmail", "name", "role", "status", "emailVerified"),
        *("mfaEnabled", "version", "createdAt", "updatedAt"),
    }
    assert (response["user"]["id"], response["user"]["email"]) == (str(ann.pk), "ann@example.com")
    assert response["tokens"].keys() == {"accessToken", "refreshToken", "tokenType", "expiresIn"}
    assert (response["tokens"]["tokenType"], response["tokens"]["expiresIn"]) == ("Bearer", 900)


def test_both_tokens_work(anonymous, ann):
    tokens = data(anonymous.post(URL, ANN))["tokens"]

    assert try_token(tokens["accessToken"]) == "accepted"
    assert refresh_with(tokens["refreshToken"]).status_code == 200


def test_the_response_is_not_cacheable(anonymous, ann):
    for path in ("login", "login/"):
        response = anonymous.post(f"{API}/auth/{path}", ANN)

        assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
        assert response["Referrer-Policy"] == "no-referrer"


def test_expires_in_is_the_lifetime_of_the_access_token(clock, anonymous, ann, settings):
    settings.ACCESS_TOKEN_LIFETIME = timedelta(minutes=2)
    tokens = data(anonymous.post(URL, ANN))["tokens"]
    assert tokens["expiresIn"] == 120

    clock.shift(119)
    assert try_token(tokens["accessToken"]) == "accepted"
    clock.shift(1)
    assert try_token(tokens["accessToken"]) == "TOKEN_EXPIRED"


@pytest.mark.parametrize("spelling", ["ANN@example.com", " ann@Example.com ", "ａｎｎ@example.com"])
def test_every_spelling_of_the_address_logs_in(anonymous, ann, spelling):
    response = anonymous.post(URL, ANN | {"email": spelling})

    assert data(response)["user"]["id"] == str(ann.pk)


@pytest.mark.parametrize("lookalike", ["ann@example.com.", "a nn@example.com", "anñ@example.com", "ann"])
def test_a_similar_address_is_refused(anonymous, ann, lookalike):
    assert refusal(anonymous.post(URL, ANN | {"email": lookalike})) == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("lookalike", ["mıke@example.com", "MıKE@example.com", "mike@example.cоm"], ids=ascii)
def test_a_letter_that_folds_to_the_same_letter_is_refused(anonymous, lookalike):
    """Log in with a dotless i, whose upper case is that of i, and with a Cyrillic o (CVE-2019-19844)."""
    UserFactory(email="mike@example.com")

    response = anonymous.post(URL, {"email": lookalike, "password": PASSWORD})

    assert refusal(response) == (401, "INVALID_CREDENTIALS")


def test_a_wrong_password_is_refused_and_opens_no_session(anonymous, ann):
    response = anonymous.post(URL, ANN | {"password": PASSWORD + "x"})

    assert refusal(response) == (401, "INVALID_CREDENTIALS")
    assert response["WWW-Authenticate"]
    assert not Session.objects.exists()


@pytest.mark.parametrize("kind", ["unknown", "deleted", "without a password"])
def test_the_reason_of_a_failed_login_is_not_revealed(anonymous, ann, kind):
    UserFactory(email="deleted@example.com").soft_delete()
    UserFactory(email="without@example.com", password=make_password(None))
    known = anonymous.post(URL, ANN | {"password": "wrong"}, headers={"X-Request-ID": "same"})

    address = f"{kind.split()[0]}@example.com"
    other = anonymous.post(URL, {"email": address, "password": PASSWORD}, headers={"X-Request-ID": "same"})

    assert other.status_code == known.status_code == 401
    assert other.content == known.content
    counts = {"RateLimit-Remaining", "RateLimit-Reset"}
    assert {k: v for k, v in other.headers.items() if k not in counts} == {
        k: v for k, v in known.headers.items() if k not in counts
    }


@pytest.mark.parametrize("address", ["ann", "unknown", "deleted", "without"])
def test_every_failure_costs_exactly_one_hash(anonymous, ann, hashes, address):
    UserFactory(email="deleted@example.com", password="!").soft_delete()
    UserFactory(email="without@example.com", password="!")
    hashes.runs.clear()

    anonymous.post(URL, {"email": f"{address}@example.com", "password": "Wr0ng-password"})

    assert hashes.count == 1


def test_an_unverified_user_may_log_in(anonymous, ann):
    assert data(anonymous.post(URL, ANN))["user"]["emailVerified"] is False


def test_a_revoked_token_in_the_header_is_ignored(owner):
    owner.post(f"{API}/auth/logout")

    response = owner.post(URL, {"email": owner.user.email, "password": PASSWORD})

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("email", "required"), ("password", "required")]),
        ({"email": "ann@example.com"}, [("password", "required")]),
        (ANN | {"password": ""}, [("password", "blank")]),
        (ANN | {"password": None}, [("password", "null")]),
        (ANN | {"password": ["x"]}, [("password", "invalid")]),
        (ANN | {"password": "x" * 1025}, [("password", "max_length")]),
        (ANN | {"email": 1}, [("email", "invalid")]),
        (ANN | {"email": "x" * 255}, [("email", "max_length")]),
    ],
)
def test_a_malformed_body_is_refused_without_a_hash_or_an_event(anonymous, ann, hashes, body, expected):
    assert problems(anonymous.post(URL, body)) == expected
    assert hashes.count == 0
    assert events() == []


@pytest.mark.parametrize(
    "path",
    [
        "login",
        "register",
        "refresh",
        "forgot-password",
        "reset-password",
        "verify-email",
        "undo-email-change",
    ],
)
def test_the_public_endpoints_share_one_limit_per_address(anonymous, settings, path):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "auth": (2, 900)}
    for _ in range(2):
        assert anonymous.post(f"{API}/auth/{path}", {}, REMOTE_ADDR="203.0.113.9")["RateLimit-Limit"] == "2"

    response = anonymous.post(URL, ANN, REMOTE_ADDR="203.0.113.9")

    assert refusal(response) == (429, "RATE_LIMITED")
    assert response["RateLimit-Remaining"] == "0"
    assert 1 <= int(response["Retry-After"]) <= 900
    assert anonymous.post(URL, {}, REMOTE_ADDR="203.0.113.10").status_code == 400
