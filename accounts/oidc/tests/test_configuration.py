"""OIDC_PROVIDERS: what is read, and what is refused at the start, by name."""

import json

import pytest

from accounts.oidc.configuration import DEFAULT_SCOPES, oidc_providers
from core.web.environment import Environment

pytestmark = pytest.mark.once

ACME = {
    "issuer": "https://id.example.com",
    "clientId": "app",
    "clientSecret": "secret",
    "redirectUris": ["https://app.example.com/signed-in"],
}
TENANT = "7e3f1b2a-0000-4000-8000-1234567890ab"


@pytest.fixture
def read(monkeypatch, tmp_path):
    """Return a function that reads the variable and returns (providers, the reason of its refusal)."""

    def parse(value):
        monkeypatch.setenv("OIDC_PROVIDERS", value if isinstance(value, str) else json.dumps(value))
        env = Environment(tmp_path)
        providers = oidc_providers(env)
        return providers, env.problems.get("OIDC_PROVIDERS")

    return parse


def test_a_provider_of_any_name(read):
    providers, problem = read(
        {"acme": ACME, "other": {**ACME, "issuer": "http://localhost:8080/x", "name": "O"}}
    )

    assert problem is None
    assert (providers["acme"].name, providers["other"].name) == ("Acme", "O")
    assert providers["acme"].redirect_uris == ("https://app.example.com/signed-in",)
    assert providers["acme"].scopes == DEFAULT_SCOPES
    assert providers["acme"].verifies_email
    assert "secret" not in repr(providers)


def test_presets(read):
    known = {name: ACME[name] for name in ("clientId", "clientSecret", "redirectUris")}
    providers, problem = read({"google": known, "microsoft": {**known, "tenant": TENANT}})

    assert problem is None
    assert providers["google"].issuer == "https://accounts.google.com"
    assert providers["google"].verifies_email
    assert providers["microsoft"].issuer == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert not providers["microsoft"].verifies_email


def test_the_secret_may_be_in_a_file(read, tmp_path):
    (tmp_path / "secret").write_text("from-a-file\n")
    entry = {name: value for name, value in ACME.items() if name != "clientSecret"}

    providers, problem = read({"acme": {**entry, "clientSecretFile": "secret"}})

    assert (problem, providers["acme"].client_secret) == (None, "from-a-file")


def test_none_without_the_variable(read):
    assert read("") == ({}, None)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("{", ["no JSON"]),
        ("[]", ['{"google"']),
        ('{"a": {}, "a": {}}', ["twice"]),
        ({"acme": 7}, ["acme must be an object"]),
        ({"Acme!": ACME}, ["'Acme!'"]),
        ({"acme": {}}, ["acme.issuer", "acme.clientId", "acme.clientSecret", "acme.redirectUris"]),
        ({"acme": {**ACME, "client_id": "x"}}, ["acme.client_id is unknown"]),
        ({"acme": {**ACME, "issuer": "http://id.example.com"}}, ["acme.issuer"]),
        ({"acme": {**ACME, "issuer": "https://id.example.com?a"}}, ["acme.issuer"]),
        ({"acme": {**ACME, "issuer": "https://[::1"}}, ["acme.issuer"]),
        (
            {"acme": {**ACME, "redirectUris": ["https://a.example", "//b", "https://c/#d"]}},
            ["'//b'", "'https://c/#d'"],
        ),
        ({"acme": {**ACME, "redirectUris": "https://a.example"}}, ["acme.redirectUris"]),
        ({"acme": {**ACME, "scopes": ["email"]}}, ["acme.scopes"]),
        ({"acme": {**ACME, "scopes": ["openid", "a b"]}}, ["acme.scopes"]),
        ({"acme": {**ACME, "clientSecretFile": "none"}}, ["acme.clientSecretFile"]),
        ({"acme": ACME, "b": ACME}, ["acme.issuer is that of another", "b.issuer is that of another"]),
        ({"acme": {**ACME, "tenant": TENANT}}, ["acme.tenant"]),
        *(
            (
                {"microsoft": {**{k: ACME[k] for k in ACME if k != "issuer"}, "tenant": tenant}},
                ["microsoft.tenant"],
            )
            for tenant in ("common", "organizations", 7)
        ),
    ],
)
def test_every_wrong_value_is_named(read, value, named):
    _providers, problem = read(value)

    assert all(name in problem for name in named), problem
    assert "secret'" not in problem
