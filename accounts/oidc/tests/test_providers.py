"""Providers that replay codes, fail, respond slowly or with defects, on loopback."""

import pytest

from accounts.models import User
from accounts.oidc import transport
from accounts.oidc.models import AuthorizationRequest
from accounts.oidc.tests.provider import ANN, REDIRECT_URI
from accounts.tests.checks import API, data, problems, refusal
from core.web.http_client import Limits

pytestmark = pytest.mark.django_db

INVALID_CODE = [("code", "invalid_code")]
UNAVAILABLE = (503, "SERVICE_UNAVAILABLE")


def test_a_code_is_used_once(browser):
    consented, second = browser.consented(), browser.start()
    assert browser.finish(consented).status_code == 200

    replayed = {"code": consented["code"], "state": second["state"]}
    assert problems(browser.finish(replayed)) == INVALID_CODE


def test_a_code_of_another_sign_in_is_refused(browser, browser_at):
    """PKCE: the code of a victim has the challenge of the victim's browser."""
    stolen, own = browser_at().consented(), browser.start()

    assert problems(browser.finish({"code": stolen["code"], "state": own["state"]})) == INVALID_CODE


def test_a_token_of_another_sign_in_is_refused(browser, provider):
    provider.claims = {"nonce": "of-another-sign-in"}

    assert problems(browser.finish()) == INVALID_CODE
    assert not User.objects.exists()


DEFECTS = {
    "a redirect": ("/token", (302, {}, {"Location": "/elsewhere"})),
    "junk": ("/token", (200, b"<html>", {})),
    "no object": ("/token", (200, [], {})),
    "deep": ("/token", (200, b"[" * 100_000, {})),
    "too large": ("/token", (200, b"x" * 300_000, {})),
    "a refused client": ("/token", (401, {"error": "invalid_client"}, {})),
    "an error": ("/token", (500, {}, {})),
    "no keys": ("/jwks", (200, {}, {})),
    "an error with keys": ("/jwks", (500, {"keys": []}, {})),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defective_provider_is_a_503(browser, provider, name):
    path, answer = DEFECTS[name]
    provider.answers[path] = answer

    response = browser.finish()

    assert refusal(response) == UNAVAILABLE
    assert response["Retry-After"]
    assert "/elsewhere" not in provider.paths


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://accounts.google.com"},
        {"token_endpoint": "http://169.254.169.254/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
    ],
)
def test_a_wrong_discovery_document_is_a_503(browser, provider, changed):
    document = provider.discovery({}, {})[1] | changed
    provider.answers["/.well-known/openid-configuration"] = (200, document, {})

    response = browser.post(f"{API}/auth/oidc/acme/start", {"redirectUri": REDIRECT_URI})

    assert refusal(response) == UNAVAILABLE


@pytest.mark.parametrize("path", ["/token", "/jwks"])
def test_a_silent_provider_is_given_up(browser, provider, path):
    consented = browser.consented()
    transport.internal.limits = Limits(connect=0.2, read=0.2, total=0.3)
    provider.silent_path = path

    assert refusal(browser.finish(consented)) == UNAVAILABLE
    assert AuthorizationRequest.objects.get().used_at is not None


def test_the_address_may_be_in_the_userinfo(browser, provider):
    provider.claims = {"email": None, "email_verified": None}
    provider.info = {**ANN, "sub": "somebody-else"}
    assert refusal(browser.finish()) == (403, "EMAIL_UNVERIFIED")

    provider.info = ANN
    assert data(browser.finish())["user"]["email"] == "ann@example.com"
