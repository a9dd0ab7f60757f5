"""Public endpoints ignore credentials that they do not need. The rate limit that counts a request."""

from datetime import timedelta

import pytest
from rest_framework.request import Request
from rest_framework.test import APIClient

from accounts.authentication import SessionTokenAuthentication
from accounts.cookies import ACCESS
from accounts.models import User
from accounts.tests.checks import API, data, refresh_with, refusal
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.test_cookies import Browser, refused
from core.audit.models import AuditEvent

pytestmark = pytest.mark.django_db
ANN = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann Able"}
BASIC = "Basic c3RhZ2luZzpzZWNyZXQ="
PUBLIC = [
    ("post", "users"),
    *(
        ("post", f"auth/{name}")
        for name in ("register", "login", "refresh", "forgot-password", "reset-password", "verify-email")
    ),
    ("get", "schema"),
    ("options", "resources"),
]


@pytest.fixture
def stale(clock, log_in):
    """Return credentials of every kind that are refused where one is needed."""
    ended, expired = log_in(UserFactory()), log_in(UserFactory())
    ended.user.sessions.end("logout")
    clock.shift(timedelta(hours=1))
    headers = [ended.authorization, expired.authorization]
    return [*headers, "Bearer forged", "Bearer", BASIC]


@pytest.mark.parametrize(("method", "path"), PUBLIC)
def test_a_public_endpoint_ignores_credentials_that_are_refused(anonymous, stale, method, path):
    plain = getattr(anonymous, method)(f"{API}/{path}", {}).status_code

    for header in stale:
        response = getattr(anonymous, method)(f"{API}/{path}", {}, headers={"Authorization": header})
        assert (header, response.status_code) == (header, plain)


@pytest.mark.parametrize("cookie", ["dead", "live"])
def test_a_cookie_that_is_not_needed_needs_no_csrf_token(cookie):
    browser = Browser()
    browser.log_in(UserFactory())
    if cookie == "dead":
        browser.cookies[ACCESS.name] = "forged"

    assert data(browser.post(f"{API}/users", ANN), 201)["email"] == ANN["email"]
    assert AuditEvent.objects.get(event="user.created").actor_id == User.objects.get(email=ANN["email"]).pk


def test_a_role_by_an_expired_token_is_a_401(clock, admin):
    clock.shift(timedelta(hours=1))

    assert refusal(admin.post(f"{API}/users", ANN | {"role": "staff"})) == (401, "TOKEN_EXPIRED")
    assert data(admin.post(f"{API}/users", ANN | {"role": "user"}), 201)["role"] == "user"


def test_a_role_by_cookie_needs_the_csrf_token():
    browser = Browser()
    browser.log_in(UserFactory(role="admin"))

    assert refused(browser.post(f"{API}/users", ANN | {"role": "staff"}))
    response = browser.post(f"{API}/users", ANN | {"role": "staff"}, HTTP_X_CSRFTOKEN=browser.csrf)
    assert data(response, 201)["role"] == "staff"


def test_a_protected_path_refuses_another_scheme_with_401(anonymous):
    response = anonymous.get(f"{API}/users/me", headers={"Authorization": BASIC})

    assert refusal(response) == (401, "UNAUTHORIZED")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_further_authentication_class_is_tried(rf):
    request = Request(rf.get("/", HTTP_AUTHORIZATION=BASIC))

    assert SessionTokenAuthentication().authenticate(request) is None


def test_the_cookies_work_behind_a_proxy_with_basic_authentication(log_in):
    browser = Browser()
    user = UserFactory()
    browser.log_in(user)

    response = browser.get(f"{API}/users/me", HTTP_AUTHORIZATION=BASIC)

    assert data(response)["id"] == str(user.pk)


# --- by whose rate --------------------------------------------------------------------------------


def test_a_genuine_refresh_counts_against_its_user(rates, owner):
    rates(auth=1, user=3)
    token = owner.refresh_token
    responses = []
    for _ in range(3):
        responses.append(refresh_with(token))
        token = data(responses[-1])["tokens"]["refreshToken"]

    assert [response["RateLimit-Remaining"] for response in responses] == ["2", "1", "0"]
    assert refusal(refresh_with(token)) == (429, "RATE_LIMITED")
    assert refusal(owner.get(f"{API}/users/me")) == (429, "RATE_LIMITED")


def test_a_repeated_refresh_within_the_grace_counts_against_its_user_too(rates, owner):
    rates(auth=1, user=5)

    assert [refresh_with(owner.refresh_token)["RateLimit-Remaining"] for _ in range(2)] == ["4", "3"]


def test_many_users_behind_one_address_refresh_beyond_its_limit(rates, log_in):
    rates(auth=2)

    assert [refresh_with(log_in(UserFactory()).refresh_token).status_code for _ in range(4)] == [200] * 4


@pytest.mark.parametrize(
    "body", [{}, {"refreshToken": "forged"}, {"refreshToken": "x" * 9000}, {"refreshToken": 1}]
)
def test_any_other_refresh_counts_against_the_address(rates, owner, body):
    rates(auth=1, user=1)
    APIClient().post(f"{API}/auth/refresh", body)

    assert refusal(APIClient().post(f"{API}/auth/login", {})) == (429, "RATE_LIMITED")
    assert owner.get(f"{API}/users/me").status_code == 200


def test_a_spent_or_ended_token_does_not_count_against_its_user(rates, clock, owner, stranger):
    refresh_with(owner.refresh_token)
    stranger.user.sessions.end("logout")
    clock.shift(11)
    rates(auth=2, user=1)

    assert [refresh_with(caller.refresh_token).status_code for caller in (owner, stranger)] == [401, 401]
    assert refusal(refresh_with(owner.refresh_token)) == (429, "RATE_LIMITED")


def test_accounts_added_by_an_admin_do_not_count_against_the_ip_address(rates, admin, owner):
    rates(auth=1)
    people = [ANN | {"email": f"added{number}@example.com"} for number in range(3)]

    assert [admin.post(f"{API}/users", person).status_code for person in people[:2]] == [201, 201]
    assert owner.post(f"{API}/users", people[2]).status_code == 201
    assert refusal(owner.post(f"{API}/users", ANN)) == (429, "RATE_LIMITED")
