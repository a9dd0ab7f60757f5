import pytest

from accounts.oidc import discovery, transport
from accounts.oidc.tests.provider import REDIRECT_URI, running_provider
from accounts.tests.checks import API, data
from accounts.tests.conftest import clock, emailed_token, just_before
from core.tests.caller import Caller
from core.web.http_client import HttpClient

__all__ = ["clock", "emailed_token", "just_before"]


@pytest.fixture
def provider(settings, monkeypatch):
    """Run a provider, which is the only one of the settings."""
    monkeypatch.setattr(
        transport, "internal", HttpClient("oidc", allow_private=True, limits=transport.LIMITS)
    )
    for cached in (discovery.cached_metadata, discovery.cached_keys):
        cached.values.clear()
    with running_provider() as server:
        settings.OIDC_PROVIDERS = {"acme": server.settings}
        yield server


class Browser(Caller):
    """A client that signs in with `acme`."""

    provider = None

    def start(self):
        response = self.post(f"{API}/auth/oidc/acme/start", {"redirectUri": REDIRECT_URI})
        return data(response)

    def consented(self):
        """Return {code, state} of a new sign-in."""
        return self.provider.consent(self.start()["authorizationUrl"])

    def finish(self, body=None, query=""):
        return self.post(f"{API}/auth/oidc/acme/finish{query}", body or self.consented())


@pytest.fixture
def browser_at(provider, db):
    def make():
        browser = Browser()
        browser.provider = provider
        return browser

    return make


@pytest.fixture
def browser(browser_at):
    return browser_at()
