"""`?delivery=cookie`: tokens that scripts cannot read, and CSRF protection of requests with them."""

import pytest
from rest_framework.test import APIClient

from accounts.cookies import ACCESS, REFRESH
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
ME, LOGIN = "/api/v1/users/me", "/api/v1/auth/login?delivery=cookie"


class Browser(APIClient):
    """An APIClient, which stores cookies, with the CSRF token of its page."""

    csrf = ""

    def log_in(self, user):
        response = self.post(LOGIN, {"email": user.email, "password": PASSWORD})
        assert response.status_code == 200
        self.csrf = response.json()["data"]["csrfToken"]
        return response


@pytest.fixture(autouse=True)
def in_production(settings):
    settings.AUTH_COOKIE_SECURE = True


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def browser(user):
    client = Browser()
    client.response = client.log_in(user)
    return client


CLEARED = [("", 0)] * 3


def cleared(response):
    """Return (value, max-age) of every cookie that the response sets."""
    return [(cookie.value, cookie["max-age"]) for cookie in response.cookies.values()]


def refused(response):
    return response.status_code == 403 and response.json()["error"]["code"] == "CSRF_FAILED"


def test_the_body_has_no_token(browser):
    assert browser.response.json()["data"].keys() == {"delivery", "user", "csrfToken", "expiresIn"}
    for cookie in (ACCESS, REFRESH):
        assert browser.cookies[cookie.name].value not in browser.response.content.decode()


@pytest.mark.parametrize(
    ("name", "path", "samesite", "httponly"),
    [
        ("__Host-access", "/", "Lax", True),
        ("__Secure-refresh", "/api/v1/auth", "Strict", True),
        ("__Host-csrftoken", "/", "Strict", ""),
    ],
)
def test_cookie_attributes(browser, name, path, samesite, httponly):
    cookie = browser.cookies[name]

    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == (path, samesite, httponly)
    assert (cookie["secure"], cookie["domain"]) == (True, "")
    assert len(cookie.OutputString()) < 4096


def test_reads_need_no_csrf_token(browser, user):
    assert browser.get(ME).json()["data"]["id"] == str(user.pk)


def test_writes_need_the_csrf_token(browser):
    assert refused(browser.patch(ME, {"name": "Newer"}))
    assert refused(browser.patch(ME, {"name": "Newer"}, HTTP_X_CSRFTOKEN="0" * 64))
    assert browser.patch(ME, {"name": "Newer"}, HTTP_X_CSRFTOKEN=browser.csrf).status_code == 200


def test_the_csrf_token_of_another_session_is_refused(browser, user):
    other = Browser()
    other.log_in(user)

    assert refused(browser.patch(ME, {"name": "Newer"}, HTTP_X_CSRFTOKEN=other.csrf))


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://testserver.evil.example", "https://["]
)
def test_a_foreign_origin_is_refused(browser, origin):
    response = browser.patch(ME, {"name": "Newer"}, HTTP_X_CSRFTOKEN=browser.csrf, HTTP_ORIGIN=origin)

    assert refused(response)


def test_trusted_origins_are_allowed(browser, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example", "https://*.example.com"]
    settings.CORS_ALLOWED_ORIGINS = ["capacitor://localhost"]
    for origin in (
        "http://testserver",
        "https://app.example",
        "https://a.b.example.com",
        "capacitor://localhost",
    ):
        response = browser.patch(ME, {"name": "Newer"}, HTTP_X_CSRFTOKEN=browser.csrf, HTTP_ORIGIN=origin)
        assert response.status_code == 200


@pytest.mark.parametrize("origin", ["http://app.example.com", "https://example.com.evil.example"])
def test_a_pattern_allows_its_own_scheme_and_subdomains_only(browser, settings, origin):
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.com"]

    assert refused(browser.patch(ME, {"name": "Newer"}, HTTP_X_CSRFTOKEN=browser.csrf, HTTP_ORIGIN=origin))


def test_a_foreign_site_cannot_log_a_browser_in(user):
    response = APIClient().post(
        LOGIN, {"email": user.email, "password": PASSWORD}, HTTP_ORIGIN="https://evil.example"
    )

    assert refused(response)
    assert not user.sessions.exists()


def test_a_bearer_token_has_priority_and_needs_no_csrf_token(browser, owner):
    header = owner.authorization
    response = browser.patch(ME, {"name": "Newer"}, HTTP_AUTHORIZATION=header)

    assert response.json()["data"]["id"] == str(owner.user.pk)


def test_refresh_by_cookie_rotates_the_cookies(browser, user):
    before = browser.cookies[REFRESH.name].value
    response = browser.post("/api/v1/auth/refresh", HTTP_X_CSRFTOKEN=browser.csrf)

    assert response.status_code == 200
    assert response.json()["data"].keys() == {"delivery", "csrfToken", "expiresIn"}
    assert browser.cookies[REFRESH.name].value != before
    assert browser.get(ME).status_code == 200


def test_refresh_by_cookie_needs_the_csrf_token(browser):
    assert refused(browser.post("/api/v1/auth/refresh"))


def test_a_refresh_by_cookie_never_returns_tokens_in_the_body(browser):
    response = browser.post("/api/v1/auth/refresh?delivery=body", HTTP_X_CSRFTOKEN=browser.csrf)

    assert response.json()["data"].keys() == {"delivery", "csrfToken", "expiresIn"}


def test_a_refresh_by_body_delivers_cookies_to_own_origins_only(owner):
    client = APIClient()
    path, body = "/api/v1/auth/refresh?delivery=cookie", {"refreshToken": owner.refresh_token}

    assert refused(client.post(path, body, HTTP_ORIGIN="https://evil.example"))
    assert client.post(path, body).json()["data"].keys() == {"delivery", "csrfToken", "expiresIn"}
    assert client.get(ME).json()["data"]["id"] == str(owner.user.pk)


def test_register_delivers_cookies_too():
    person = {"email": "new@example.com", "password": PASSWORD, "name": "New"}
    client = APIClient()

    assert client.post("/api/v1/auth/register?delivery=cookie", person).status_code == 201
    assert client.get(ME).json()["data"]["email"] == "new@example.com"


def test_logout_clears_every_cookie(browser, user):
    response = browser.post("/api/v1/auth/logout", HTTP_X_CSRFTOKEN=browser.csrf)

    assert response.status_code == 204
    assert cleared(response) == CLEARED
    assert not user.sessions.live().exists()


def test_logout_clears_cookies_over_the_rate_limit_too(browser, user, settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "user": (1, 60), "anon": (1, 60)}
    user.sessions.end("reset")
    responses = [browser.post("/api/v1/auth/logout", HTTP_COOKIE=f"{REFRESH.name}=x") for _ in range(2)]

    assert [(response.status_code, cleared(response)) for response in responses] == [
        (204, CLEARED),
        (429, CLEARED),
    ]


def test_a_login_creates_a_new_session_whatever_cookies_it_has(browser, user):
    planted = browser.cookies[ACCESS.name].value
    browser.log_in(user)

    assert browser.cookies[ACCESS.name].value != planted
    assert user.sessions.count() == 2


@pytest.mark.parametrize("path", ["login", "register"])
def test_a_login_ends_the_session_of_the_cookies_that_it_replaces(browser, user, log_in, path):
    elsewhere = log_in(user)
    replaced = user.sessions.exclude(pk=elsewhere.session_id).get()
    del browser.cookies[ACCESS.name]
    person = {"email": user.email, "password": PASSWORD}
    if path == "register":
        person = {"email": "new@example.com", "password": PASSWORD, "name": "New"}
    assert browser.post(f"/api/v1/auth/{path}?delivery=cookie", person).status_code in {200, 201}

    replaced.refresh_from_db()
    assert replaced.end_reason == "logout"
    assert user.sessions.live().filter(pk=elsewhere.session_id).exists()
    assert browser.get(ME).status_code == 200


@pytest.mark.parametrize("kind", ["forged cookie", "refused log-in", "tokens in the body"])
def test_any_other_login_ends_no_session(browser, user, kind):
    session = user.sessions.get()
    body = {"email": user.email, "password": PASSWORD}
    if kind == "forged cookie":
        browser.cookies[REFRESH.name] = browser.cookies[REFRESH.name].value[:-4] + "AAAA"
        browser.post(LOGIN, body)
    if kind == "refused log-in":
        browser.post(LOGIN, body | {"password": "Wr0ng-password"})
    if kind == "tokens in the body":
        browser.post("/api/v1/auth/login", body)

    session.refresh_from_db()
    assert session.is_live


def test_another_delivery_is_refused(user):
    response = APIClient().post(
        "/api/v1/auth/login?delivery=pigeon", {"email": user.email, "password": PASSWORD}
    )

    assert response.status_code == 400
    assert response.json()["error"]["details"][0]["field"] == "delivery"
