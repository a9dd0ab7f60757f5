"""`?delivery=cookie`: tokens where scripts cannot read them, and CSRF for what is sent with them."""

import pytest
from rest_framework.test import APIClient

from accounts.cookies import ACCESS_COOKIE, CSRF_COOKIE, REFRESH_COOKIE
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
ME, LOGIN, RESOURCES = "/api/v1/users/me", "/api/v1/auth/login?delivery=cookie", "/api/v1/resources"


class Browser(APIClient):
    """Keeps cookies, as APIClient does, and knows the CSRF token that its page was given."""

    csrf = ""

    def log_in(self, user):
        answer = self.post(LOGIN, {"email": user.email, "password": PASSWORD})
        assert answer.status_code == 200
        self.csrf = answer.json()["data"]["csrfToken"]
        return answer


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def browser(user):
    client = Browser()
    client.answer = client.log_in(user)
    return client


def refused(answer):
    return answer.status_code == 403 and answer.json()["error"]["code"] == "CSRF_FAILED"


def test_the_body_holds_no_token(browser):
    assert browser.answer.json()["data"].keys() == {"delivery", "user", "csrfToken", "expiresIn"}
    for name in (ACCESS_COOKIE, REFRESH_COOKIE):
        assert browser.cookies[name].value not in browser.answer.content.decode()


@pytest.mark.parametrize(
    ("name", "path", "samesite", "httponly"),
    [
        (ACCESS_COOKIE, "/", "Lax", True),
        (REFRESH_COOKIE, "/api/v1/auth/refresh", "Strict", True),
        (CSRF_COOKIE, "/", "Strict", ""),
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
    assert refused(browser.post(RESOURCES, {"title": "x"}))
    assert refused(browser.post(RESOURCES, {"title": "x"}, HTTP_X_CSRFTOKEN="0" * 64))
    assert browser.post(RESOURCES, {"title": "x"}, HTTP_X_CSRFTOKEN=browser.csrf).status_code == 201


def test_the_csrf_token_of_another_session_does_not_fit(browser, user):
    other = Browser()
    other.log_in(user)

    assert refused(browser.post(RESOURCES, {"title": "x"}, HTTP_X_CSRFTOKEN=other.csrf))


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example"])
def test_a_foreign_origin_is_refused(browser, origin):
    answer = browser.post(RESOURCES, {"title": "x"}, HTTP_X_CSRFTOKEN=browser.csrf, HTTP_ORIGIN=origin)

    assert refused(answer)


def test_trusted_origins_are_let_in(browser, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    for origin in ("http://testserver", "https://app.example"):
        answer = browser.post(RESOURCES, {"title": "x"}, HTTP_X_CSRFTOKEN=browser.csrf, HTTP_ORIGIN=origin)
        assert answer.status_code == 201


def test_a_foreign_site_cannot_log_a_browser_in(user):
    answer = APIClient().post(
        LOGIN, {"email": user.email, "password": PASSWORD}, HTTP_ORIGIN="https://evil.example"
    )

    assert refused(answer)
    assert not user.sessions.exists()


def test_a_bearer_token_wins_and_needs_no_csrf_token(browser, owner):
    header = owner._credentials["HTTP_AUTHORIZATION"]
    answer = browser.post(RESOURCES, {"title": "x"}, HTTP_AUTHORIZATION=header)

    assert answer.json()["data"]["userId"] == str(owner.user.pk)


def test_refresh_by_cookie_rotates_the_cookies(browser, user):
    before = browser.cookies[REFRESH_COOKIE].value
    answer = browser.post("/api/v1/auth/refresh", HTTP_X_CSRFTOKEN=browser.csrf)

    assert answer.status_code == 200
    assert answer.json()["data"].keys() == {"delivery", "csrfToken", "expiresIn"}
    assert browser.cookies[REFRESH_COOKIE].value != before
    assert browser.get(ME).status_code == 200


def test_refresh_by_cookie_needs_the_csrf_token(browser):
    assert refused(browser.post("/api/v1/auth/refresh"))


def test_register_delivers_cookies_too():
    person = {"email": "new@example.com", "password": PASSWORD, "name": "New"}
    client = APIClient()

    assert client.post("/api/v1/auth/register?delivery=cookie", person).status_code == 201
    assert client.get(ME).json()["data"]["email"] == "new@example.com"


def test_logout_clears_every_cookie(browser, user):
    answer = browser.post("/api/v1/auth/logout", HTTP_X_CSRFTOKEN=browser.csrf)

    assert answer.status_code == 204
    assert [(c.value, c["max-age"]) for c in answer.cookies.values()] == [("", 0)] * 3
    assert not user.sessions.live().exists()


def test_a_login_makes_a_new_session_whatever_cookie_came_along(browser, user):
    planted = browser.cookies[ACCESS_COOKIE].value
    browser.log_in(user)

    assert browser.cookies[ACCESS_COOKIE].value != planted
    assert user.sessions.count() == 2


def test_another_delivery_is_refused(user):
    answer = APIClient().post(
        "/api/v1/auth/login?delivery=pigeon", {"email": user.email, "password": PASSWORD}
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "delivery"
