"""Passkeys of a real browser: registration, log-in, step-up and removal with the virtual authenticator of Chromium."""

from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from conftest import DEVELOPMENT, Site

# In production the page has another host than the API, which is one variable more.
pytestmark = pytest.mark.parametrize("site", [DEVELOPMENT], indirect=True, ids=["development"])

EMAIL, PASSWORD = "user@example.com", "Try-it-0ut-now"
# As in docs/api.md. `post(path, body, token)` returns the data of the response, or its error.
SCRIPT = """
const done = arguments[arguments.length - 1];
const post = async (path, body = {}, token = "") => {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(`/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    const text = await response.text();
    const content = text ? JSON.parse(text) : {};
    return response.ok ? content.data ?? null : content.error;
};
const assert = async () => {
    const options = PublicKeyCredential.parseRequestOptionsFromJSON(await post("/auth/passkeys/options"));
    return (await navigator.credentials.get({ publicKey: options })).toJSON();
};
const run = async () => { %s };
run().then(done, error => done({ failed: String(error) }));
"""
REGISTER = """
const [email, password] = arguments_;
const { tokens } = await post("/auth/login", { email, password });
const options = await post("/auth/mfa/passkeys/options", { currentPassword: password }, tokens.accessToken);
const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
const credential = await navigator.credentials.create({ publicKey });
return await post("/auth/mfa/passkeys", { ...credential.toJSON(), name: "Laptop" }, tokens.accessToken);
"""
LOG_IN = """
const { user, tokens } = await post("/auth/passkeys/login", await assert());
const stepUp = await post("/auth/step-up", { passkey: await assert() }, tokens.accessToken);
const removed = await fetch(`/api/v1/auth/mfa/passkeys/${arguments_[0]}`, {
    method: "DELETE",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${tokens.accessToken}` },
    body: JSON.stringify({ code: arguments_[1] }),
});
return { email: user.email, stepUp, removed: removed.status };
"""


def run(browser: Chrome, steps: str, *values: str) -> Any:
    script = "const arguments_ = [...arguments];\n" + SCRIPT.replace("%s", steps)
    return browser.execute_async_script(script, *values)


@pytest.fixture
def office(browser: Chrome, site: Site) -> Chrome:
    """Open a page of the product in a browser with an authenticator that verifies its user."""
    options = VirtualAuthenticatorOptions()
    options.protocol = VirtualAuthenticatorOptions.Protocol.CTAP2
    options.transport = VirtualAuthenticatorOptions.Transport.INTERNAL
    options.has_resident_key = options.has_user_verification = options.is_user_verified = True
    browser.add_virtual_authenticator(options)
    browser.get(f"{site.api}/")
    return browser


def test_a_passkey_is_created_logs_in_steps_up_and_is_removed(office: Chrome) -> None:
    added = run(office, REGISTER, EMAIL, PASSWORD)
    assert (added.get("name"), len(added.get("recoveryCodes") or [])) == ("Laptop", 10), added

    entered = run(office, LOG_IN, added["id"], added["recoveryCodes"][0])

    assert entered == {"email": EMAIL, "stepUp": None, "removed": 204}
