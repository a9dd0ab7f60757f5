"""`/auth/oidc/{provider}/start` and `/finish`, with a provider on loopback."""

from datetime import timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import Session, User
from accounts.oidc.configuration import Provider
from accounts.oidc.models import AuthorizationRequest, Identity
from accounts.oidc.tasks import expired_authorization_requests
from accounts.oidc.tests.provider import ANN, REDIRECT_URI
from accounts.services.suspension import set_status
from accounts.tests.checks import API, audit_holds, data, event, events, problems, refusal, try_token
from accounts.tests.factories import UserFactory
from accounts.tests.test_secrets_at_rest import dump
from core.tests.parallel import together

pytestmark = pytest.mark.django_db

INVALID_STATE = [("state", "invalid_state")]
INVALID_CODE = [("code", "invalid_code")]
UNAVAILABLE = (503, "SERVICE_UNAVAILABLE")


def test_lists_the_providers(anonymous, provider):
    assert data(anonymous.get(f"{API}/auth/oidc")) == [{"provider": "acme", "name": "Acme"}]


def test_an_unknown_provider_is_a_404(anonymous, provider):
    for path, body in (("start", {"redirectUri": REDIRECT_URI}), ("finish", {"code": "a", "state": "b"})):
        assert refusal(anonymous.post(f"{API}/auth/oidc/other/{path}", body)) == (404, "NOT_FOUND")


def test_a_first_sign_in_makes_a_verified_account_without_a_password(browser, deliver):
    login = data(browser.finish())

    user = User.objects.get()
    assert (user.email, user.name, user.email_verified) == ("ann@example.com", "Ann Able", True)
    assert not user.has_usable_password()
    assert login["user"]["id"] == str(user.pk)
    assert try_token(login["tokens"]["accessToken"]) == "accepted"
    assert deliver() == []  # no invitation, and no link to verify what the provider has verified
    assert event("session.opened").changes == {"provider": [None, "acme"]}
    assert event("identity.linked").target_id == Identity.objects.get().pk


def test_the_next_sign_in_is_to_the_same_account(browser, provider):
    first = data(browser.finish())["user"]["id"]
    provider.person |= {"email": "ann@new.example", "name": "Other"}  # the subject counts

    assert data(browser.finish())["user"]["id"] == first
    assert (User.objects.get().email, Identity.objects.get().email) == ("ann@example.com", "ann@new.example")


def test_cookies_hold_the_tokens_of_a_web_client(browser):
    response = browser.finish(query="?delivery=cookie")

    assert data(response).keys() == {"delivery", "user", "csrfToken", "expiresIn"}
    assert data(browser.get(f"{API}/users/me"))["email"] == "ann@example.com"


def test_the_request_has_pkce_a_nonce_and_a_cookie_of_this_host(browser, settings):
    settings.AUTH_COOKIE_SECURE = True
    response = browser.post(f"{API}/auth/oidc/acme/start", {"redirectUri": REDIRECT_URI})
    query = parse_qs(urlsplit(data(response)["authorizationUrl"]).query)

    assert query["code_challenge_method"] == ["S256"]
    assert query["response_type"] == ["code"]
    assert query["state"] == [data(response)["state"]]
    assert query["nonce"] != query["state"]
    cookie = response.cookies["__Host-oidc"]
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Lax")
    assert (cookie["secure"], cookie["httponly"], cookie["max-age"]) == (True, True, 600)


@pytest.mark.parametrize("uri", ["https://evil.example/", f"{REDIRECT_URI}/", REDIRECT_URI.upper()])
def test_a_redirect_address_must_be_on_the_list(browser, uri):
    response = browser.post(f"{API}/auth/oidc/acme/start", {"redirectUri": uri})

    assert problems(response) == [("redirectUri", "invalid_redirect_uri")]


def test_the_database_holds_no_secret_of_a_sign_in(browser, provider):
    state = browser.start()["state"]
    cookie = browser.cookies["dev-oidc"].value
    stored = dump()

    assert state not in stored
    assert cookie not in stored
    assert AuthorizationRequest.objects.count() == 1


# --- the state --------------------------------------------------------------------------------------


def test_another_browser_cannot_finish(browser, browser_at, provider):
    consented, other = browser.consented(), browser_at()

    assert problems(other.finish(consented)) == INVALID_STATE  # without a cookie
    other.start()
    assert problems(other.finish(consented)) == INVALID_STATE  # with its own
    assert "/token" not in provider.paths
    assert browser.finish(consented).status_code == 200


def test_two_tabs_of_a_browser_finish_in_any_order(browser, provider):
    first, second = browser.consented(), browser.consented()

    assert browser.finish(second).status_code == 200
    assert browser.finish(first).status_code == 200


def test_a_state_is_used_once_and_within_ten_minutes(clock, browser):
    consented, late = browser.consented(), browser.consented()
    assert browser.finish(consented).status_code == 200
    assert problems(browser.finish(consented)) == INVALID_STATE

    clock.shift(600)
    assert problems(browser.finish(late)) == INVALID_STATE


def test_a_state_is_of_one_provider_and_its_issuer(browser, provider, settings):
    consented, again = browser.consented(), browser.consented()
    other = Provider("acme", "Acme", "https://evil.example", "app", "secret", (REDIRECT_URI,))
    settings.OIDC_PROVIDERS = {"acme": provider.settings, "other": other}

    assert problems(browser.post(f"{API}/auth/oidc/other/finish", consented)) == INVALID_STATE
    settings.OIDC_PROVIDERS = {"acme": other}
    assert problems(browser.finish(again)) == INVALID_STATE


@pytest.mark.django_db(transaction=True)
def test_of_twenty_parallel_requests_one_wins(browser, browser_at):
    consented = browser.consented()
    tabs = [browser_at() for _ in range(20)]
    for tab in tabs:
        tab.cookies = browser.cookies

    responses = together(*[partial(tab.finish, consented) for tab in tabs])

    assert sorted(response.status_code for response in responses) == [200] + [400] * 19
    assert (User.objects.count(), Session.objects.count()) == (1, 1)


# --- whose account ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [{"email_verified": False}, {"email_verified": None}, {"email_verified": "true"}, {"email": "x"}],
)
def test_an_unverified_address_makes_and_takes_no_account(browser, provider, claims):
    UserFactory(email="ann@example.com")
    provider.claims = claims

    assert refusal(browser.finish()) == (403, "EMAIL_UNVERIFIED")
    assert not Identity.objects.exists()
    assert not Session.objects.exists()


def test_an_address_of_an_account_is_not_linked_by_itself(browser):
    UserFactory(email="ann@example.com")

    assert refusal(browser.finish()) == (409, "EMAIL_EXISTS")
    assert not Identity.objects.exists()
    assert not Session.objects.exists()


@pytest.mark.parametrize("registration", ["invite", "closed"])
def test_registration_may_be_closed(browser, settings, registration):
    data(browser.finish())
    settings.REGISTRATION = registration
    assert browser.finish().status_code == 200

    Identity.objects.all().delete()
    User.objects.update(email="other@example.com")
    assert refusal(browser.finish()) == (403, "REGISTRATION_CLOSED")


def test_a_suspended_account_stays_out(browser, admin):
    data(browser.finish())
    set_status(user=User.objects.get(email=ANN["email"]), status="suspended", actor=admin.user)

    assert refusal(browser.finish()) == (403, "ACCOUNT_SUSPENDED")
    assert "login.refused" in events()


def test_a_deleted_account_is_not_logged_in_to(browser):
    first = data(browser.finish())["user"]["id"]
    User.objects.get().soft_delete()

    second = data(browser.finish())["user"]["id"]

    assert first != second
    assert Identity.objects.get().user_id == User.objects.not_deleted().get().pk


@pytest.mark.parametrize(
    ("name", "expected"),
    [(None, "ann"), (7, "ann"), ("A", "ann"), ("Ann\u202e\0 Able\ud800", "Ann Able"), ("x" * 300, "x" * 100)],
)
def test_a_name_is_cleaned(browser, provider, name, expected):
    provider.claims = {"name": name}

    assert data(browser.finish())["user"]["name"] == expected


def test_what_happens_in_between_counts(browser, just_before):
    data(browser.finish())
    with just_before("SAVEPOINT", lambda: User.objects.get().soft_delete()):
        response = browser.finish()

    assert refusal(response) == (401, "INVALID_CREDENTIALS")


def test_the_audit_log_has_no_secret(browser):
    consented = browser.consented()
    data(browser.finish(consented))

    assert not audit_holds(*consented.values(), browser.cookies["dev-oidc"].value)


def test_a_foreign_site_starts_nothing(browser):
    for path in ("start", "finish"):
        body = {"redirectUri": REDIRECT_URI}
        response = browser.post(
            f"{API}/auth/oidc/acme/{path}", body, headers={"Origin": "https://evil.example"}
        )
        assert refusal(response) == (403, "CSRF_FAILED")


def test_old_sign_ins_are_purged(clock, browser):
    browser.start()
    assert not expired_authorization_requests().exists()
    clock.shift(timedelta(hours=2))
    assert expired_authorization_requests().count() == 1
