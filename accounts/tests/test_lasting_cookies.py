"""Cookies that have expired or whose session has ended: log-out, a reloaded page, and a new log-in."""

from datetime import timedelta

import pytest

from accounts.cookies import ACCESS, CSRF, REFRESH
from accounts.tests.checks import API, data, refusal
from accounts.tests.factories import UserFactory
from accounts.tests.test_cookies import CLEARED, ME, Browser, cleared, refused

pytestmark = pytest.mark.django_db
LOGOUT, REFRESHING, CSRF_TOKEN = f"{API}/auth/logout", f"{API}/auth/refresh", f"{API}/auth/csrf"


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def browser(clock, user):
    client = Browser()
    client.log_in(user)
    return client


def drop(browser, *cookies):
    """Delete cookies, as a browser does when they expire, or as another tab that logged in elsewhere."""
    for cookie in cookies:
        del browser.cookies[cookie.name]


# --- log-out --------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [ACCESS, REFRESH])
def test_logout_ends_the_session_of_either_cookie(browser, user, gone):
    drop(browser, gone)

    response = browser.post(LOGOUT, HTTP_X_CSRFTOKEN=browser.csrf)

    assert (response.status_code, cleared(response)) == (204, CLEARED)
    assert user.sessions.get().end_reason == "logout"


def test_logout_works_with_an_expired_access_cookie(browser, user, clock):
    drop(browser, REFRESH)
    clock.shift(timedelta(hours=1))

    assert browser.post(LOGOUT, HTTP_X_CSRFTOKEN=browser.csrf).status_code == 204
    assert user.sessions.get().end_reason == "logout"


@pytest.mark.parametrize("gone", [ACCESS, REFRESH])
def test_logout_needs_the_csrf_token_by_either_cookie(browser, user, gone):
    drop(browser, gone)

    response = browser.post(LOGOUT)

    assert refused(response)
    assert not response.cookies
    assert user.sessions.get().is_live


def test_logout_clears_cookies_that_name_no_session(browser, user):
    user.sessions.all().delete()
    response = browser.post(LOGOUT)
    assert (response.status_code, cleared(response)) == (204, CLEARED)

    browser.cookies[ACCESS.name] = browser.cookies[REFRESH.name] = "forged"
    response = browser.post(LOGOUT)
    assert (response.status_code, cleared(response)) == (204, CLEARED)


def test_a_foreign_site_cannot_clear_cookies(browser, user):
    user.sessions.all().delete()
    response = browser.post(LOGOUT, HTTP_ORIGIN="https://evil.example")

    assert refused(response)
    assert not response.cookies


def test_a_bearer_logout_leaves_the_cookies_of_another_session(browser, owner):
    response = browser.post(LOGOUT, HTTP_AUTHORIZATION=owner.authorization)

    assert (response.status_code, list(response.cookies)) == (204, [])
    assert browser.get(ME).status_code == 200


# --- a page that was loaded again -----------------------------------------------------------------


@pytest.mark.parametrize("gone", [(), (ACCESS,), (REFRESH,), (CSRF,)])
def test_a_reloaded_page_gets_its_csrf_token_by_either_cookie(browser, gone):
    drop(browser, *gone)

    assert data(browser.get(CSRF_TOKEN)) == {"csrfToken": browser.csrf}


def test_a_reloaded_page_gets_its_csrf_token_by_an_expired_cookie_too(browser, clock):
    drop(browser, REFRESH)
    clock.shift(timedelta(hours=1))

    assert data(browser.get(CSRF_TOKEN)) == {"csrfToken": browser.csrf}


def test_a_missing_csrf_cookie_is_set_again(browser):
    assert not browser.get(CSRF_TOKEN).cookies

    drop(browser, CSRF)
    cookie = browser.get(CSRF_TOKEN).cookies[CSRF.name]

    assert (cookie.value, cookie["max-age"]) == (browser.csrf, 7 * 24 * 3600)


@pytest.mark.parametrize(
    ("value", "code"), [("", "UNAUTHORIZED"), ("forged", "UNAUTHORIZED"), (None, "TOKEN_REVOKED")]
)
def test_without_a_live_session_there_is_no_token_and_cookies_are_cleared(browser, user, value, code):
    user.sessions.end("logout")
    if value is not None:
        browser.cookies[ACCESS.name] = browser.cookies[REFRESH.name] = value

    response = browser.get(CSRF_TOKEN)

    assert refusal(response) == (401, code)
    assert cleared(response) == CLEARED


def test_a_bearer_token_has_no_csrf_token(owner):
    assert refusal(owner.get(CSRF_TOKEN)) == (401, "UNAUTHORIZED")


# --- cookies that are refused ---------------------------------------------------------------------


def test_the_401_of_an_ended_session_clears_every_cookie(browser, user):
    user.sessions.end("logout")

    response = browser.get(ME)

    assert refusal(response) == (401, "TOKEN_REVOKED")
    assert cleared(response) == CLEARED


def test_the_401_of_a_forged_access_cookie_leaves_the_refresh_cookie(browser):
    browser.cookies[ACCESS.name] = "forged"

    response = browser.get(ME)

    assert (refusal(response), list(response.cookies)) == ((401, "UNAUTHORIZED"), [ACCESS.name])
    assert browser.post(REFRESHING, HTTP_X_CSRFTOKEN=browser.csrf).status_code == 200


def test_an_expired_access_cookie_is_not_cleared(browser, clock):
    clock.shift(timedelta(hours=1))

    response = browser.get(ME)

    assert (refusal(response), list(response.cookies)) == ((401, "TOKEN_EXPIRED"), [])


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda browser, user, clock: user.sessions.end("logout"), "TOKEN_REVOKED"),
        (lambda browser, user, clock: clock.shift(timedelta(days=8)), "TOKEN_EXPIRED"),
        (lambda browser, user, clock: browser.cookies.load({REFRESH.name: "forged"}), "UNAUTHORIZED"),
    ],
)
def test_a_refused_refresh_clears_every_cookie(browser, user, clock, spoil, code):
    spoil(browser, user, clock)

    response = browser.post(REFRESHING, HTTP_X_CSRFTOKEN=browser.csrf)

    assert refusal(response) == (401, code)
    assert cleared(response) == CLEARED


def test_a_reused_refresh_cookie_clears_every_cookie(browser, user, clock):
    spent = browser.cookies[REFRESH.name].value
    browser.post(REFRESHING, HTTP_X_CSRFTOKEN=browser.csrf)
    clock.shift(11)
    browser.cookies[REFRESH.name] = spent

    response = browser.post(REFRESHING, HTTP_X_CSRFTOKEN=browser.csrf)

    assert refusal(response) == (401, "TOKEN_REVOKED")
    assert cleared(response) == CLEARED


def test_a_missing_csrf_token_clears_nothing(browser):
    for response in (browser.post(REFRESHING), browser.patch(ME, {"name": "Newer"})):
        assert refused(response)
        assert not response.cookies


def test_two_tabs_that_refresh_at_once_both_continue(browser):
    spent = browser.cookies[REFRESH.name].value
    first = browser.post(REFRESHING, HTTP_X_CSRFTOKEN=browser.csrf).cookies[REFRESH.name].value
    browser.cookies[REFRESH.name] = spent
    second = browser.post(REFRESHING, HTTP_X_CSRFTOKEN=browser.csrf).cookies[REFRESH.name].value

    assert first == second
    assert browser.post(REFRESHING, HTTP_X_CSRFTOKEN=browser.csrf).status_code == 200


# --- http://localhost -----------------------------------------------------------------------------


def test_with_debug_on_no_cookie_needs_https(settings, user):
    settings.AUTH_COOKIE_SECURE = False
    browser = Browser()
    cookies = browser.log_in(user).cookies.values()

    assert [cookie.key for cookie in cookies] == ["dev-access", "dev-refresh", "dev-csrftoken"]
    assert [bool(cookie["secure"]) for cookie in cookies] == [False] * 3
    assert browser.post(REFRESHING, HTTP_X_CSRFTOKEN=browser.csrf).status_code == 200
    assert cleared(browser.post(LOGOUT, HTTP_X_CSRFTOKEN=browser.csrf)) == CLEARED
